"""What a planner writes down for people and tools to read, and what it tells the plugins' hooks.

All of it can be made again from the ledger: what fails costs a complaint and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from campaign.analysis.beside import minimized
from campaign.analysis.smallest import counts
from campaign.engine.audience import Events
from campaign.engine.project import EVENTS, RUN, Projector
from campaign.engine.replay import as_it_was
from campaign.engine.script import NAME, Signals, replay_script
from campaign.engine.telling import Facts, Teller, facts_of
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import PLAN, AttemptRecord
from campaign.records import RunView, Verdict
from campaign.records.event import EventView

_MOST_COMPLAINTS = 5


class Scribe:
    """Writes down what becomes of a campaign; the first few complaints go to ``note``."""

    def __init__(
        self, projector: Projector, teller: Teller, events: Events, *, signals: Signals, note: Callable[[str], None]
    ) -> None:
        """``signals`` say what a fault does to its target, for the scripts that replay."""
        self._projector, self._teller = projector, teller
        self._events, self._signals, self._note = events, signals, note
        self._complaints = 0

    def append(self, events: Sequence[EventView]) -> None:
        """Events that were committed; what they tell of is written already."""
        self._write(EVENTS, lambda: self._projector.append(events))

    def told(self, facts: Facts) -> RunView:
        """Write down what an attempt came to, and in other words by now what those before it came to."""
        view = self._teller.view(facts)
        self._put(facts.order.directories.public, view)
        self._leave_script(facts)
        for earlier, told in self._teller.retold(facts):
            self._put(earlier, told, decides=False)
        if facts.order.origin == PLAN:
            self.tell("campaign_run_finished", campaign=facts.order.campaign, run=view)
        return view

    def minimized(self, parent: AttemptRecord | None, told: dict[str, Any]) -> None:
        """Write down what an attempt was minimized to."""
        if parent is None:
            return
        with LedgerReader(self._teller.ledger) as ledger:
            earlier = minimized(ledger, parent.row.token)
            last = list(ledger.attempts(parent.row.campaign, parent.row.key))[-1].token
        view = msgspec.structs.replace(
            self._teller.view(facts_of(parent)), minimized=told if counts(told, earlier) else earlier
        )
        self._put(parent.row.directory, view, decides=parent.row.token == last)

    def catch_up(self, campaign: str) -> int:
        """Write down what was recorded and perhaps not written: an earlier planner's last moments; its last event."""
        seen = self._projector.last_event()
        with LedgerReader(self._teller.ledger) as ledger:
            for event in ledger.events(campaign, seen):
                seen = event.seq
                if event.to_state == "done":
                    self._project(ledger, event)
                self.append([event])
        return seen

    def _project(self, ledger: LedgerReader, event: EventView) -> None:
        for row in ledger.attempts(event.campaign, event.key, event.origin):
            record = ledger.record(row.token) if row.attempt == event.attempt else None
            if record is not None:
                self.told(facts_of(record))

    def tell(self, hook: str, **arguments: Any) -> None:
        """Tell the plugins that listen to this hook."""
        if self._events.hears(hook):
            for diagnostic in self._events.emit(hook, **arguments):
                self._complain(str(diagnostic))

    def _leave_script(self, facts: Facts) -> None:
        """How it fails again without campaign."""
        decision, ended = facts.decision, facts.exit
        if facts.order.clock == "virtual":
            return  # nothing was started that could be started again
        if decision is not None and ended is not None and decision.verdict in {Verdict.FAIL, Verdict.ERROR}:
            public = facts.order.directories.public
            order = as_it_was(facts.order, ended, public, lambda _why: None)
            text = replay_script(order, ended, decision, self._signals)
            self._write(os.path.join(public, NAME), lambda: self._projector.script(public, NAME, text))

    def _put(self, public: str, view: RunView, *, decides: bool = True) -> None:
        self._write(os.path.join(public, RUN), lambda: self._projector.run(public, view, decides=decides))

    def _write(self, file: str, projection: Callable[[], None]) -> None:
        """A projection that fails costs a complaint and nothing else: the ledger has it all."""
        try:
            projection()
        except OSError as error:
            path = os.path.join(self._projector.folder, file)
            self._complain(f"{path}, a file for readers, could not be written: {error.strerror}")

    def _complain(self, text: str) -> None:
        self._complaints += 1
        if self._complaints <= _MOST_COMPLAINTS:
            self._note(text)
