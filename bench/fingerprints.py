"""``python -m bench.fingerprints FOLDER``: how well fingerprints tell labelled crash reports apart; nothing is run.

FOLDER has one subfolder for each bug, and in it one file for each report of it, as a tool printed it.  With
``--syzkaller`` it is ``pkg/report/testdata`` of syzkaller: every ``*/report/*`` begins with headers, an empty line and
the log, and the header ``TITLE`` is the bug.  Two reports of one bug are a pair to be found; precision is how many of
the pairs with one fingerprint are that, recall how many of those pairs have one fingerprint.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from bench.measure import CAMPAIGN, Result, machine, version_of
from bench.results import Part, remember, table
from campaign.judge.fingerprint.excerpts import excerpt_of
from campaign.judge.fingerprint.lines import error_lines
from campaign.judge.fingerprint.masking import masked
from campaign.judge.fingerprint.signature import VERSION, fingerprint, grounds_of

Key = Callable[[str, bytes], str]
_TAIL = 10  # lines


class Report(Struct, frozen=True):
    """A labelled crash report."""

    name: str
    bug: str
    text: bytes


class Score(Struct, frozen=True):
    """Pairs: of one bug, of one key, and of both."""

    bugs: int
    keys: int
    both: int

    @property
    def precision(self) -> float:
        """How many of the pairs of one key are of one bug."""
        return self.both / self.keys if self.keys else 1.0

    @property
    def recall(self) -> float:
        """How many of the pairs of one bug have one key."""
        return self.both / self.bugs if self.bugs else 1.0

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


# --- corpora --------------------------------------------------------------------------------------------------------


def folders(root: Path) -> Iterator[Report]:
    """One subfolder for each bug."""
    for path in sorted(root.glob("*/*")):
        if path.is_file():
            yield Report(str(path.relative_to(root)), path.parent.name, path.read_bytes())


def syzkaller(root: Path) -> Iterator[Report]:
    """syzkaller's own test data; files without a title say that there is no crash."""
    for path in sorted(root.glob("*/report/*")):
        head, _, log = path.read_bytes().replace(b"\r", b"").partition(b"\n\n")
        titles = [line[7:] for line in head.splitlines() if line.startswith(b"TITLE: ")]
        if titles and not head.startswith(b"\n"):
            text = log.partition(b"\n\nREPORT:\n")[0]  # what its own parser makes of it
            yield Report(str(path.relative_to(root)), titles[0].decode(), text)


# --- keys -----------------------------------------------------------------------------------------------------------


def ours(name: str, text: bytes) -> str:
    """The fingerprint of a step that ended so; a report of which nothing is recognised is alone."""
    excerpt = excerpt_of(text)
    if excerpt is None:
        return f"nothing recognised: {name}"
    return fingerprint(grounds_of("fail exit", "step", "", (), excerpt))


def raw_tail(_: str, text: bytes) -> str:
    """The last lines as they are."""
    return "\n".join(_lines(text)[-_TAIL:])


def masked_tail(_: str, text: bytes) -> str:
    """The last lines, masked."""
    return "\n".join(map(masked, _lines(text)[-_TAIL:]))


def first_error_line(name: str, text: bytes) -> str:
    """The first line that speaks of an error, masked."""
    return next(error_lines(_lines(text)), f"none: {name}")


def _lines(text: bytes) -> list[str]:
    return [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]


KEYS: dict[str, Key] = {
    "fingerprint": ours,
    "raw tail": raw_tail,
    "masked tail": masked_tail,
    "masked first error line": first_error_line,
}

# --- scores ---------------------------------------------------------------------------------------------------------


def score(reports: Iterable[Report], key: Key) -> Score:
    """How well a key tells them apart, by pairs."""
    bugs: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    both: Counter[tuple[str, str]] = Counter()
    for each in reports:
        found = key(each.name, each.text)
        bugs[each.bug] += 1
        keys[found] += 1
        both[each.bug, found] += 1
    return Score(_pairs(bugs.values()), _pairs(keys.values()), _pairs(both.values()))


def _pairs(counts: Iterable[int]) -> int:
    return sum(count * (count - 1) // 2 for count in counts)


def confusions(reports: Iterable[Report], most: int) -> Iterator[str]:
    """The worst of both kinds: many bugs of one fingerprint, and one bug of many, with what was recognised."""
    merged: dict[str, list[Report]] = defaultdict(list)
    split: dict[str, list[Report]] = defaultdict(list)
    for each in reports:
        merged[ours(each.name, each.text)].append(each)
        split[each.bug].append(each)
    worst = sorted(merged.values(), key=lambda group: -_wrong(each.bug for each in group))
    for group in worst[:most]:
        if wrong := _wrong(each.bug for each in group):
            yield f"{wrong} pairs of several bugs: {_recognised(group[0])}"
            yield from (f"    {each.bug}  ({each.name})" for each in group[:10])
    worst = sorted(split.values(), key=lambda group: -_wrong(ours(each.name, each.text) for each in group))
    for group in worst[:most]:
        if wrong := _wrong(ours(each.name, each.text) for each in group):
            yield f"{wrong} pairs of one bug told apart: {group[0].bug}"
            yield from (f"    {_recognised(each)}  ({each.name})" for each in group[:10])


def _wrong(names: Iterable[str]) -> int:
    counts = Counter(names)
    return _pairs([counts.total()]) - _pairs(counts.values())


def _recognised(report: Report) -> str:
    excerpt = excerpt_of(report.text)
    if excerpt is None:
        return "nothing recognised"
    return f"{excerpt.form}: {' | '.join(filter(None, (excerpt.headline, *excerpt.frames)))}"[:160]


def measure(reports: list[Report], about: str) -> tuple[Result, ...]:
    """Every key on one corpus, as results; only fingerprints have bounds."""
    found = []
    for name, key in KEYS.items():
        by = score(reports, key)
        bounds = (0.90, 0.60) if key is ours else (None, None)
        detail = f"{about}; {by.both} of {by.bugs} pairs, {by.keys - by.both} wrong ones; F1 {by.f1:.3f}"
        found.append(Result(f"{name}, precision", by.precision, "", bounds[0], True, detail))
        found.append(Result(f"{name}, recall", by.recall, "", bounds[1], True, detail))
    return tuple(found)


def main() -> int:
    """Status 1 where a bound is broken, 2 where there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="bench.fingerprints", description=__doc__)
    parser.add_argument("folder", type=Path, help="the corpus")
    parser.add_argument("--syzkaller", action="store_true", help="it is syzkaller's test data")
    parser.add_argument("--name", default="fingerprints", help="of this part in the results")
    parser.add_argument("--about", default="", help="where the corpus comes from, for the results")
    parser.add_argument("--worst", type=int, default=10, metavar="N", help="how many confusions of each kind to print")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="keep the results there")
    chosen = parser.parse_args()
    reports = list(syzkaller(chosen.folder) if chosen.syzkaller else folders(chosen.folder))
    if not reports:
        print(f"no reports in {chosen.folder}: one subfolder for each bug is wanted", file=sys.stderr)
        return 2
    alone = sum(excerpt_of(each.text) is None for each in reports)
    about = f"{chosen.about or chosen.folder.name}: {len(reports)} reports, {len({each.bug for each in reports})} bugs"
    results = measure(reports, f"{about}, {alone} of which nothing is recognised")
    print(table(results))
    print("\n".join(confusions(reports, chosen.worst)))
    if chosen.write:
        where = f"{datetime.now(UTC):%Y-%m-%d}, fingerprints of version {VERSION}, load {os.getloadavg()[0]:.1f}."
        part = Part(f"{where} {machine()}. {version_of([*CAMPAIGN, '--version'])}.", results)
        remember(chosen.write, {chosen.name: part}, [])
    return int(not all(each.kept for each in results))


if __name__ == "__main__":
    sys.exit(main())
