"""Results for people and for programs: tables, times, JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from tabulate import tabulate

from campaign.cli.terminal import visible

_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[str] = ()) -> str:
    """A table as text; the columns named in ``numbers`` stand to the right.  No cell can play tricks."""
    cells = [["" if cell is None else visible(str(cell)) for cell in row] for row in rows]
    right = set(numbers)
    align = ["right" if header in right else "left" for header in headers]
    return tabulate(cells, headers=list(headers), tablefmt="simple", disable_numparse=True, colalign=align)


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


def output_is_terminal() -> bool:
    """Whether a person reads along."""
    try:
        return sys.stdout.isatty()
    except ValueError:  # closed
        return False
