"""The source lines that diagnostics point into: read again from disk, each file once, only when something is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate, takewhile
from unicodedata import category, east_asian_width

from campaign.cli.files import read_file
from campaign.cli.terminal import shown

_TAB = 4
#: The cells of a terminal that a line may take, its two ellipses aside.
_WIDEST = 158

Read = Callable[[str], bytes]


class Lines:
    """Lines of files by path and number; ``given`` holds those that are not on disk, such as standard input."""

    def __init__(self, given: Mapping[str, bytes] | None = None, read: Read = read_file) -> None:
        self._given = given or {}
        self._read = read
        self._files: dict[str, list[str]] = {}

    def line(self, path: str, number: int) -> str | None:
        """Line ``number`` (from 1) of a file without its end; None where there is none."""
        if path not in self._files:
            self._files[path] = self._load(path)
        lines = self._files[path]
        return lines[number - 1] if 0 < number <= len(lines) else None

    def _load(self, path: str) -> list[str]:
        try:
            data = self._given[path] if path in self._given else self._read(path)
        except OSError:
            return []
        text = data.decode("utf-8-sig", errors="replace")
        return [line.removesuffix("\r") for line in text.split("\n")]


def marked(line: str, start: int, end: int) -> tuple[str, str]:
    """A source line as a terminal shows it, and a second line with ``^`` under the columns ``start`` to ``end``.

    Columns are 1-based code points, the end exclusive.  Tabs are widened, hostile characters written out, wide ones
    counted as two cells and combining ones as none; of a long line only the part around the mark is kept.
    """
    start = min(max(start, 1), len(line) + 1)
    end = max(end, start + 1)
    first, last = _window(line, start - 1)
    cells = [(_cell(char), mark) for mark, char in enumerate(line[first:last], first)]
    before = sum(_width(cell) for cell, at in cells if at < start - 1)
    under = sum(_width(cell) for cell, at in cells if start - 1 <= at < end - 1)
    head, tail = "…" if first else "", "…" if last < len(line) else ""
    return head + "".join(cell for cell, _ in cells) + tail, " " * (len(head) + before) + "^" * max(under, 1)


def _window(line: str, start: int) -> tuple[int, int]:
    """The stretch of a line to show: all of it where it fits, else what is around the start of the mark."""
    first = start - _fitting(line[max(0, start - _WIDEST) : start][::-1], _WIDEST // 4)
    last = first + _fitting(line[first : first + _WIDEST], _WIDEST)
    if last == len(line):
        first = last - _fitting(line[max(0, last - _WIDEST) :][::-1], _WIDEST)
    return first, last


def _fitting(text: str, room: int) -> int:
    """How many characters of a text fit into so many cells; one that takes none counts as one."""
    ends = accumulate(max(1, _width(_cell(char))) for char in text)
    return sum(1 for _ in takewhile(lambda end: end <= room, ends))


def _cell(char: str) -> str:
    return " " * _TAB if char == "\t" else shown(char)


def _width(text: str) -> int:
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if char.isascii():
        return 1
    if category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def utf16_column(line: str, column: int) -> int:
    """A 1-based column in code points as one in UTF-16 code units, as SARIF and editors count."""
    return column + sum(1 for char in line[: column - 1] if ord(char) > 0xFFFF)
