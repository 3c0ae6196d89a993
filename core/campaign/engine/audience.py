"""Who is told how a campaign goes while it goes: a person, and the plugins' hooks."""

from __future__ import annotations

from typing import Any, Protocol

from campaign.diagnostics import Diagnostic
from campaign.records import RunView
from campaign.records.event import EventView


class Watcher(Protocol):
    """Who shows a campaign's progress to a person."""

    def begin(self, total: int | None, done: int) -> None:
        """So many runs are planned, ``done`` of them were done before."""

    def moved(self, event: EventView) -> None:
        """An attempt changed its state; that is recorded."""

    def finished(self, view: RunView, *, final: bool) -> None:
        """An attempt is done; ``final``: it decides its run."""

    def flush(self) -> None:
        """Everything that is known by now was told."""

    def note(self, text: str) -> None:
        """A line for the person."""

    def end(self) -> None:
        """Nothing more comes."""


class Events(Protocol):
    """Who is told of events: the plugins' hooks."""

    def hears(self, hook: str) -> bool:
        """Whether anyone listens to this hook."""

    def emit(self, hook: str, **arguments: Any) -> list[Diagnostic]:
        """Tell everyone; what went wrong."""
