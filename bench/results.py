"""``RESULTS.md``: what was measured last of each part, kept as data in ``results.json`` and written anew as a whole."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from bench.measure import Result

DATA, PAGE = "results.json", "RESULTS.md"
_HEAD = """# Results

Written by `make bench-full`, or of single parts by `python -m bench PART … --write bench`. Ratios are to a peer in the
same run; what a load average of more than the number of processors says is that others used the machine too.
"""
#: What has to be known to read a part's numbers.
_NOTES = {
    "dispatch": """
ext4 does not hand out an inode again for some minutes after its file was deleted, and searches past it for every new
file. campaign makes about ten files a run, so dispatch is slower by up to half where thousands of files were deleted
just before, by an earlier round of this benchmark say. Let the disk rest for ten minutes, then measure dispatch alone:
on 2026-11-21 that gave 618 to 726 runs/s against 361 of GNU parallel (2.0 x) and 2,082 to 2,111 of xargs (0.34 x).
""",
    "queue": """
Ready means: `campaign daemon --detach` has returned, everything that the killed owner left has been looked into, and
clients are answered.
""",
    "faults": """
300 faults in one run, told to a tool that is out of order for 300 ms each time, on a machine whose processors are all
taken several times over; a watch asks every 100 ms. How late: `injected_at_s` against `planned_at_s` of `run.json`.
""",
    "fingerprints of syzkaller": """
syzkaller's own test data, on which the kernel's part was built: its tables hold no list taken from there, but some
entries stand in them because a confusion was seen there: these figures are not of unseen reports. Of the
pairs that are missed most are reports that syzkaller itself calls corrupted (`WARNING in corrupted`): it groups them
for having no stack, where we go by the function that the headline names. Without those: precision 0.93, recall 0.81.
""",
    "fingerprints of clusterfuzz": """
The crash logs of ClusterFuzz's own tests, labelled by type and state; hardly two of them are of one bug. Unseen, the
figures were precision 0.30 (30 wrong pairs of 30,609) and recall 0.68; after Go's frames and assertions before an
abort 0.41 and 0.74. Since then its confusions were looked at: a null pointer is told from a wild address. What is left
are mostly messages that stand before an abort of one stack.
""",
    "fingerprints of casr, sanitizers": """
CASR's clustering tests, each report labelled by its crash line. Unseen, the figures were precision 1.00 and recall
0.72: an access beyond an object was two bugs, as it hit the zone behind the object or memory that nobody has. Since
then its confusions were looked at. What is missed are crashes of one line from another caller.
""",
}


class Part(Struct, frozen=True):
    """One part as it was measured last: ``where`` says when and on what, ``results`` in the order of the table."""

    where: str
    results: tuple[Result, ...]


def remember(folder: Path, parts: dict[str, Part], order: list[str]) -> None:
    """Put new results beside those of the other parts, and write the page of all: those in ``order`` first."""
    known = {**read(folder), **parts}
    ordered = {name: known[name] for name in (*order, *known) if name in known}
    (folder / DATA).write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")
    (folder / PAGE).write_text(page(ordered))


def read(folder: Path) -> dict[str, Part]:
    """What is known of each part."""
    path = folder / DATA
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Part]) if path.exists() else {}


def page(parts: dict[str, Part]) -> str:
    """The whole page as Markdown."""
    return _HEAD + "".join(_section(name, part) for name, part in parts.items())


def _section(name: str, part: Part) -> str:
    note = _NOTES.get(name, "")
    return f"\n## {name}\n\n{part.where}\n\n{table(part.results)}\n{note}"


def table(results: tuple[Result, ...]) -> str:
    """Results as a table."""
    head = ["| what | measured | bound | kept | numbers |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *(result.row() for result in results)])
