"""Daemonised grandchildren that ignore TERM: gone after a cancel, also where the daemon was killed meanwhile."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from tests.gauntlet.processes import command_lines, kill
from tests.waiting import wait_for

from . import judge
from .ground import Ground
from .scenario import Figures, main

#: Grandchildren.
SIZE = 50
#: What a run is given to end by itself, and what is then needed to end it, in seconds.
_GRACE_S, _MORE_S = 5.0, 10.0
_HYDRA = Path(__file__).with_name("hydra.py")


def torture(
    folder: Path,
    size: int,
    choice: random.Random,
    ways: tuple[str, ...] = ("canceled", "adopted"),
    most_s: float = _GRACE_S + _MORE_S,
) -> Figures:
    """``size`` grandchildren; canceled by their own daemon, then by one that found them; gone within ``most_s``."""
    found, counts = list[str](), dict[str, int | str]()
    for how in ways:
        ground = Ground(folder / how)
        path = ground.folder / "hydra.camp"
        command = f'"{sys.executable}" "{_HYDRA}" "{ground.folder}" "{size}"'
        path.write_text(f'campaign "hydra" {{}}\ntool t {{ command {command} }}\ninstance i {{ run t }}\n')
        daemon = ground.daemon()
        ground.call("submit", str(path))
        wait_for((ground.folder / "grown").exists)
        wait_for(lambda: heads(ground) == size)  # noqa: B023 - called at once
        if how == "adopted":
            kill(daemon)
            ground.daemon()
        took = _canceled(ground, most_s)
        counts[f"{how}_s"] = f"{took:.1f}"
        if took > most_s:
            found.append(f"{how}: {heads(ground)} of {size} grandchildren are left after {took:.0f} s")
        ground.call("wait")
        if judge.verdicts(ground) != {"canceled": 1}:
            found.append(f"{how}: the run is {dict(judge.verdicts(ground))}")
        ground.stop_daemon()
        found += ground.defects
        ground.clear()
    return Figures(counts, found)


def _canceled(ground: Ground, most_s: float) -> float:
    """How long it took from the cancellation until nothing was left, in seconds; little more than ``most_s``."""
    ground.call("cancel", "--all")
    begin = time.monotonic()
    while heads(ground) and time.monotonic() - begin <= most_s:
        time.sleep(0.05)
    return time.monotonic() - begin


def heads(ground: Ground) -> int:
    """The grandchildren that live."""
    return sum(line.startswith(f"head-of-{ground.folder}") for _, line in command_lines())


if __name__ == "__main__":
    sys.exit(main("trees", torture, SIZE))
