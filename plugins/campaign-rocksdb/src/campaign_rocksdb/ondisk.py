"""What lies on disk, without opening the database: names of files, and where a log was cut off.

Write-ahead logs and MANIFESTs are written in RocksDB's log format (its wiki: Write-Ahead-Log-File-Format): blocks of 32
KiB, in them fragments with a header of checksum (4 bytes), length (2) and type (1); fragments of recycled logs have a
log number (4) more.  A reader takes a record that is not whole in the last block for one that a crash cut off, and says
nothing: whether that is so, or whether somebody else cut or changed the file, shows only here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_BLOCK = 32 * 1024
_HEADER = 7
_FIRST_OR_MIDDLE = {2, 3, 6, 7}
_LAST_OR_WHOLE = {1, 4, 5, 8, 9, 10, 11, 130, 131}


class Flaw(NamedTuple):
    """Where the first record begins that is not one: ``cut`` off by the end of the file, else none at all."""

    at: int
    cut: bool

    def __str__(self) -> str:
        if self.cut:
            return f"is cut off in the middle of the record at byte {self.at}"
        return f"is damaged: there is no record at byte {self.at}"


def flaw_of(data: bytes) -> Flaw | None:
    """What is wrong with the records of a log, whatever their checksums; None where the last one is whole."""
    at, start = 0, None
    while at < len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER:
            at += left
            continue
        begin = at if start is None else start
        header = data[at : at + _HEADER]
        if len(header) < _HEADER:
            return Flaw(begin, cut=True)
        length, kind = int.from_bytes(header[4:6], "little"), header[6]
        if length > left - _HEADER or kind not in _FIRST_OR_MIDDLE | _LAST_OR_WHOLE:
            return Flaw(at, cut=False)
        if at + _HEADER + length > len(data):
            return Flaw(begin, cut=True)
        start = begin if kind in _FIRST_OR_MIDDLE else None
        at += _HEADER + length
    return None if start is None else Flaw(start, cut=True)


def current_manifest(database: Path) -> str:
    """The MANIFEST that CURRENT names; raises ValueError, in one line, where CURRENT is not there or names none."""
    current = database / "CURRENT"
    if not current.exists():
        raise ValueError("CURRENT is missing")
    name = current.read_bytes()[:64].decode("ascii", "replace")
    if not re.fullmatch(r"MANIFEST-\d+\n", name):
        raise ValueError(f"CURRENT is damaged: it names {name.strip() or 'nothing'!r}")
    return name.strip()


def numbered(database: Path, suffix: str) -> dict[int, Path]:
    """The files of a kind by their number, in rising order."""
    found = [path for path in database.glob(f"*{suffix}") if path.stem.isdigit()]
    return {int(path.stem): path for path in sorted(found, key=lambda path: int(path.stem))}


def live_tables(manifest_dump: str) -> dict[int, int]:
    """The sizes of the tables that a MANIFEST holds, by number, from what ``ldb manifest_dump`` printed."""
    lines = re.finditer(r"^ (\d+):(\d+)\[", manifest_dump, re.MULTILINE)
    return {int(line[1]): int(line[2]) for line in lines}


def oldest_log(manifest_dump: str) -> int:
    """The number of the oldest write-ahead log that is still needed."""
    numbers = re.findall(r"^log number: (\d+)$", manifest_dump, re.MULTILINE)
    return min(map(int, numbers), default=0)
