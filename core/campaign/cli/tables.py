"""Results for people and for programs: tables, times, JSON."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from tabulate import tabulate

from campaign.cli.terminal import visible

#: What tabulate puts between two columns, and behind a header at least.
_GAP = 2
#: A longer word is broken where a column cannot be narrow enough otherwise: a path is, a fingerprint never.
_UNBROKEN = 24
_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[str] = ()) -> str:
    """A table as text; the columns named in ``numbers`` stand to the right.  No cell can play tricks."""
    return _table(headers, _cells(rows), numbers)


def fitted(
    headers: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[str] = (), width: int | None = None
) -> str:
    """A table at most ``width`` wide, as long as need be where that is None: its widest columns are wrapped.

    Where the columns cannot be made narrow enough, each row stands by itself, one cell a line.
    """
    cells = _cells(rows)
    columns = list(zip((header + " " * _GAP for header in headers), *cells, strict=True))
    widest = [max(map(len, column)) for column in columns]
    room = sum(widest) if width is None else width - _GAP * (len(columns) - 1)
    if sum(widest) <= room:
        return _table(headers, cells, numbers)
    for unbroken in (max(widest), _UNBROKEN):
        lowest = [_lowest(column, unbroken) for column in columns]
        if sum(lowest) <= room:
            return _table(headers, cells, numbers, _narrowed(widest, lowest, room))
    return "\n\n".join(facts(zip(headers, row, strict=True)) for row in cells)


def _lowest(column: Sequence[str], unbroken: int) -> int:
    """How narrow a column may become: its header stays whole, and so do its words unless they are longer than that."""
    header, *cells = column
    words = max((len(word) for text in cells for word in text.split()), default=0)
    return max(len(header), min(words, unbroken))


def _narrowed(widest: Sequence[int], lowest: Sequence[int], room: int) -> list[int]:
    """Widths of columns that fit: the widest are cut to one width, the largest that will do, none below its lowest."""
    for most in range(max(widest), 0, -1):
        widths = [max(low, min(width, most)) for width, low in zip(widest, lowest, strict=True)]
        if sum(widths) <= room:
            return widths
    return list(lowest)


def _cells(rows: Iterable[Sequence[object]]) -> list[list[str]]:
    return [["" if cell is None else visible(str(cell)) for cell in row] for row in rows]


def _table(
    headers: Sequence[str], cells: list[list[str]], numbers: Iterable[str], widths: Sequence[int] | None = None
) -> str:
    right = set(numbers)
    align = ["right" if header in right else "left" for header in headers]
    return tabulate(
        cells,
        headers=list(headers),
        tablefmt="simple",
        disable_numparse=True,
        colalign=align,
        maxcolwidths=widths,
    )


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Names and values, one pair a line, those without a value left out."""
    shown = [(name, visible(str(value))) for name, value in pairs if value not in (None, "", ())]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in shown)


def when(time: str | None, now: datetime) -> str:
    """A time for people: local, and how long ago; ``time`` is UTC, RFC 3339."""
    if time is None:
        return ""
    moment = datetime.fromisoformat(time)
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S} ({ago((now - moment).total_seconds())})"


def ago(seconds: float) -> str:
    """``3 min ago``; what lies less than a second back, or ahead of a clock that was set, is ``just now``."""
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def took(seconds: float | None) -> str:
    """A time span for people, in at most two units: ``12.3 s``, ``4 min 5 s``, ``2 h 3 min``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def utc_now() -> datetime:
    """The time, for ``when``."""
    return datetime.now(UTC)


def print_json(value: Any) -> None:
    """Write ``value`` to stdout as JSON, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def output_width() -> int | None:
    """How many columns the terminal has that a person reads; None for a file or a pipe, which take long lines."""
    return shutil.get_terminal_size().columns if output_is_terminal() else None


def output_is_terminal() -> bool:
    """Whether a person reads along."""
    try:
        return sys.stdout.isatty()
    except ValueError:  # closed
        return False
