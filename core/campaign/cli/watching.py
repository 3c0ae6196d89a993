"""Looking on: the state of a workspace again and again, whenever something has changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

import click
from msgspec import Struct

from campaign.cli.tables import utc_now
from campaign.cli.terminal import visible
from campaign.engine import wire
from campaign.engine.asking import Watch, call

if TYPE_CHECKING:
    from rich.live import Live as Display

#: Whoever serves the workspace says when something has changed.  That nobody does, that somebody comes, how old a
#: heartbeat is, and what others wrote meanwhile: that is looked at this often.
_LOOK_S = 1.0


class Seen(Struct, frozen=True):
    """Who serves the workspace, by its process, and its last word, None where it has not said any."""

    pid: int
    live: wire.Live | None


def looks(workspace: str) -> Iterator[Seen | None]:
    """Whoever serves the workspace, whenever something may have changed, for ever; None: nobody does."""
    while True:
        line = call(workspace)
        if line is None:
            yield None
            time.sleep(_LOOK_S)
            continue
        try:
            yield from _words(Watch(line))
        except EOFError:
            pass  # it is gone: perhaps another one is there
        finally:
            line.close()


def _words(watch: Watch) -> Iterator[Seen]:
    live: wire.Live | None = None
    while True:
        live = watch.news(_LOOK_S) or live
        yield Seen(watch.pid, live)


class Sheets:
    """A fresh sheet below the last one for each change; ``dated``: each with the time of day, and set apart."""

    def __init__(self, stream: TextIO, *, dated: bool) -> None:
        self._stream, self._dated = stream, dated

    def show(self, text: str, *, changed: bool) -> None:
        """Write it, where it says something new."""
        if changed:
            click.echo(f"{utc_now().astimezone():%H:%M:%S}  {text}\n" if self._dated else text, file=self._stream)
            self._stream.flush()

    def end(self) -> None:
        """Nothing more comes."""


class Screen:
    """One sheet, written over and over: rich's live display."""

    def __init__(self, stream: TextIO) -> None:
        # Late: rich is heavy, and only a terminal pays for it.
        from rich.console import Console
        from rich.live import Live

        console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live: Display = Live(console=console, auto_refresh=False, vertical_overflow="ellipsis")
        self._live.start()

    def show(self, text: str, *, changed: bool) -> None:  # noqa: ARG002 - the ages change in any case
        """Put it in the place of what was there."""
        from rich.text import Text

        shown = "\n".join(visible(line) for line in text.splitlines())
        self._live.update(Text(shown, no_wrap=True, overflow="ellipsis"), refresh=True)

    def end(self) -> None:
        """Leave the last one standing."""
        self._live.stop()


def repeat(workspace: str, look: Callable[[Seen | None], tuple[str, object]], sheet: Sheets | Screen) -> None:
    """Show what ``look`` makes of it (the text, and what to compare it by) until interrupted."""
    before: object = None
    try:
        for seen in looks(workspace):
            text, key = look(seen)
            sheet.show(text, changed=key != before)
            before = key
    finally:
        sheet.end()
