"""``python -m tests.simulation --seeds 100000 --from 0``: play many seeds; the first that fails tells its story."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from multiprocessing import Pool

from tests.simulation.drama import Failure, clean_up, simulate

_AT_A_TIME = 50
#: A seed takes a tenth of a second; one that takes so long goes round in circles.
_PATIENCE_S = 300


class Hung(BaseException):
    """Nobody but us catches it, wherever it is raised."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first one")
    parser.add_argument("--step", type=int, default=1, help="from one to the next; 25 from 1 on are those with chains")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    parser.add_argument("--story", action="store_true", help="tell the story of each seed")
    arguments = parser.parse_args()
    begun = time.monotonic()
    happened: Counter[str] = Counter()
    failed = 0
    seeds = range(arguments.first, arguments.first + arguments.seeds * arguments.step, arguments.step)
    for found in _play(seeds, arguments.jobs, arguments.story):
        if isinstance(found, Counter):
            happened += found
            continue
        failed += 1
        seed, why, story = found
        print("\n".join([*story[-120:], "", f"seed {seed}: {why}"]))
        print(f"python -m tests.simulation --seeds 1 --from {seed} --story\n")
    seconds = time.monotonic() - begun
    figures = ", ".join(f"{count:,} {what}" for what, count in sorted(happened.items()))
    print(f"simulation: {arguments.seeds:,} seeds in {seconds:.0f} s, {failed} failed; {figures}")
    return 1 if failed else 0


def _play(seeds: range, jobs: int, story: bool) -> Iterator[Counter[str] | tuple[int, str, list[str]]]:
    parts = [(seeds[start : start + _AT_A_TIME], story) for start in range(0, len(seeds), _AT_A_TIME)]
    if jobs == 1 or len(parts) == 1:
        for part in parts:
            yield from _some(part)
        return
    with Pool(jobs) as pool:
        for found in pool.imap_unordered(_some, parts):
            yield from found


def _some(part: tuple[range, bool]) -> list[Counter[str] | tuple[int, str, list[str]]]:
    found: list[Counter[str] | tuple[int, str, list[str]]] = []
    seeds, story = part
    signal.signal(signal.SIGALRM, _give_up)
    try:
        for seed in seeds:
            signal.alarm(_PATIENCE_S)
            try:
                found.append(simulate(seed, print if story else None))
            except Hung:
                found.append((seed, "it goes round in circles", traceback.format_exc().splitlines()))
            except Failure as failure:
                found.append((failure.seed, failure.why, [] if story else failure.story))
    finally:
        signal.alarm(0)
        clean_up()
    return found


def _give_up(*_: object) -> None:
    raise Hung


if __name__ == "__main__":
    sys.exit(main())
