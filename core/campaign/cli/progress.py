"""How far a campaign has come: a live line on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from campaign.cli.tables import cut
from campaign.cli.terminal import live_wanted, visible
from campaign.records import EventView, RunView, Verdict

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_BAD = frozenset({Verdict.FAIL, Verdict.ERROR})
_EVERY_S = 5.0
_MOST_FAILURES = 200
_WIDTH = 100


def watcher(stream: TextIO | None, environ: Mapping[str, str], *, live: bool) -> PlainProgress:
    """What fits the stream: live only on a terminal, and where nobody asked for plain lines."""
    if stream is None:
        return PlainProgress(None, time.monotonic)
    if live and live_wanted(stream, environ):
        return LiveProgress(stream, coloured=not environ.get("NO_COLOR"))
    return PlainProgress(stream, time.monotonic)


class PlainProgress:
    """Lines: failures as they come, and now and then how many runs are done."""

    def __init__(self, stream: TextIO | None, now: Callable[[], float]) -> None:
        self._stream, self._now = stream, now
        self._total: int | None = None
        self._done = self._failures = 0
        self._verdicts: Counter[str] = Counter()
        self._said_at = now()
        self._said = 0

    def begin(self, total: int | None, done: int) -> None:
        """So many runs are planned, ``done`` of them were done before."""
        self._total, self._done, self._said = total, done, done

    def moved(self, event: EventView) -> None:
        """An attempt changed its state: of no interest to people."""

    def finished(self, view: RunView, *, final: bool) -> None:
        """An attempt is done; ``final``: it decides its run."""
        if final:
            self._done += 1
            self._verdicts[view.verdict or ""] += 1
        if view.verdict in _BAD:
            self._failures += 1
            if self._failures <= _MOST_FAILURES:
                self._print(failure_line(view, final=final), style="red" if final else "yellow")
            elif self._failures == _MOST_FAILURES + 1:
                self._print("… further failures are recorded and not printed", style="red")

    def stands(self, done: int, verdicts: Mapping[str, int]) -> None:
        """So many runs are done, these of them with a verdict other than pass: as another process counts."""
        self._done, self._verdicts = done, Counter(verdicts)

    def flush(self) -> None:
        """Everything that is known by now was told."""
        if self._done > self._said and self._now() - self._said_at >= _EVERY_S:
            self._said, self._said_at = self._done, self._now()
            self._print(self.line())

    def note(self, text: str) -> None:
        """A line for the person."""
        self._print(f"campaign: {visible(text)}")

    def end(self) -> None:
        """Nothing more comes."""

    def line(self) -> str:
        """How far it has come, in words."""
        of = "" if self._total is None else f"/{self._total:,}"
        return f"{self._done:,}{of} done{self.counts()}"

    def counts(self) -> str:
        """The verdicts other than pass."""
        return "".join(f", {count:,} {verdict}" for verdict, count in self._verdicts.items() if verdict != Verdict.PASS)

    def _print(self, text: str, style: str | None = None) -> None:  # noqa: ARG002 - colour is for terminals
        if self._stream is None:
            return
        try:
            print(text, file=self._stream, flush=True)
        except (OSError, ValueError):
            self._stream = None  # nobody reads it any more


class LiveProgress(PlainProgress):
    """rich's progress bar with done/total, rate and remaining time; failures scroll by above it."""

    def __init__(self, stream: TextIO, *, coloured: bool) -> None:
        super().__init__(stream, time.monotonic)
        # Late: rich is heavy, and only a terminal pays for it.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(file=stream, highlight=False, no_color=not coloured)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[counts]}", markup=False),
        )
        self._progress: Progress = Progress(*columns, console=console, transient=True)
        self._task: TaskID | None = None
        self._began = self._before = 0.0
        self._lost = False

    def begin(self, total: int | None, done: int) -> None:
        """Show the bar."""
        super().begin(total, done)
        self._began, self._before = self._now(), done
        self._task = self._progress.add_task("runs", total=total, completed=done, rate="", counts="")
        self._draw(self._progress.start)

    def flush(self) -> None:
        """Move the bar."""
        if self._task is None:
            return
        passed = self._now() - self._began
        rate = f"{(self._done - self._before) / passed:,.1f}/s" if passed > 0 else ""
        counts = self.counts().removeprefix(", ")
        task = self._task
        self._draw(lambda: self._progress.update(task, completed=self._done, rate=rate, counts=counts))

    def end(self) -> None:
        """Take the bar away."""
        self.flush()
        self._draw(self._progress.stop)

    def _print(self, text: str, style: str | None = None) -> None:
        self._draw(lambda: self._progress.console.print(text, style=style, markup=False, soft_wrap=True))

    def _draw(self, act: Callable[[], object]) -> None:
        """Do it where somebody looks: a terminal that was lost takes nothing, and the campaign ends in order."""
        if self._lost:
            return
        try:
            act()
        except OSError:
            self._lost = True
            with suppress(OSError):
                self._progress.stop()


def failure_line(view: RunView, *, final: bool) -> str:
    """A failed attempt in one line: verdict, run and why."""
    again = "" if final else ", tried again"
    why = view.failure.message if view.failure else view.reason or ""
    return visible(f"{view.verdict} {view.key} (attempt {view.attempt}{again}): {cut(why, _WIDTH)}")
