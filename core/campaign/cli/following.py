"""How far a campaign is that another process carries out, and what keeps it from going on."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from typing import TextIO

from campaign.cli.progress import PlainProgress, watcher
from campaign.cli.tokens import Tokens, TokenWatcher
from campaign.engine.lengthy import Lengthy
from campaign.engine.wire import Progress
from campaign.engine.workspace import STALE_S, Workspace
from campaign.judge.view import run_view
from campaign.ledger.opening import LedgerMissingError
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import PAUSE, CampaignRow, ControlRow
from campaign.records import Verdict
from campaign.records.event import EventView


class Follower:
    """Shows what the daemon tells: a live bar on a terminal, now and then a line elsewhere; ``tale`` tells tokens."""

    def __init__(
        self, workspace: str, row: CampaignRow, stream: TextIO | None, *, live: bool, tale: Tale | None = None
    ) -> None:
        self._watcher = watcher(stream, os.environ, live=live)
        self._total = row.total
        self._begun = False
        self._tale = tale
        self._obstacles = Obstacles(workspace, row.id)
        self._lengthy = Lengthy(Workspace(workspace).ledger, row.id, time.monotonic)

    def show(self, progress: Progress) -> None:
        """It is that far."""
        done = sum(progress.verdicts.values())
        if not self._begun:
            self._begun = True
            self._watcher.begin(self._total, done)
        self._watcher.stands(done, {name: n for name, n in progress.verdicts.items() if name != Verdict.PASS})
        self._watcher.flush()
        self.look()

    def look(self) -> None:
        """See what the ledger has meanwhile, and say what is in the way."""
        for text in (*self._obstacles.news(), *self._lengthy.news()):
            self._watcher.note(text)
            if self._tale is not None:
                self._tale.watcher.note(text)
        if self._tale is not None:
            self._tale.go_on()

    def end(self) -> None:
        """Nothing more comes."""
        if self._tale is not None:
            self._tale.go_on()
        if self._begun:
            self._watcher.end()


class Obstacles:
    """What keeps a campaign from going on, each said once for as long as it is there."""

    def __init__(self, workspace: str, campaign: str) -> None:
        self._place, self._campaign = Workspace(workspace), campaign
        self._said: set[str] = set()

    def news(self) -> list[str]:
        """What is in the way and was not a moment ago."""
        found = list(self._found())
        new = [text for text in found if text not in self._said]
        self._said = set(found)
        return new

    def _found(self) -> Iterator[str]:
        with LedgerReader(self._place.ledger) as ledger:
            controls = [row for row in ledger.controls() if row.verb == PAUSE and row.campaign in ("", self._campaign)]
        yield from map(_paused, controls)
        age = self._place.heartbeat_s()
        if age is not None and age > STALE_S:
            yield f"whoever carries it out has given no sign for {STALE_S:g} s: campaign status shows how it is"


def _paused(row: ControlRow) -> str:
    """What is paused, and how it is resumed."""
    if not row.campaign:
        return "everything is paused: campaign resume --all"
    if not row.prefix:
        return f"{row.campaign} is paused: campaign resume {row.campaign}"
    again = f"campaign resume {row.campaign} --group {shlex.quote(row.prefix)}"
    return f"{row.prefix} of {row.campaign} is paused: {again}"


class Tale:
    """The tokens of a campaign that a daemon carries out, told from the ledger as it grows."""

    def __init__(self, tokens: Tokens, workspace: str, campaign: str | None) -> None:
        """Tell what comes from now on; ``campaign`` is the one that goes on, None for a new one."""
        self.watcher = TokenWatcher(tokens, PlainProgress(None, time.monotonic))
        self._path = Workspace(workspace).ledger
        self._campaign = ""
        self._after, self._done = 0, 0
        try:
            with LedgerReader(self._path) as ledger:
                self._after = ledger.last_event()
                self._done = sum(ledger.decided(campaign).values()) if campaign is not None else 0
        except LedgerMissingError:
            pass  # all that it will hold is new

    def begin(self, campaign: str, total: int | None) -> None:
        """This is what the daemon calls it."""
        self._campaign = campaign
        self.watcher.begin(total, self._done)

    def go_on(self) -> None:
        """Tell what was recorded since."""
        with LedgerReader(self._path) as ledger:
            for event in ledger.events(self._campaign, self._after):
                self._after = event.seq
                self.watcher.moved(event)
                if event.to_state == "done":
                    self._finished(ledger, event)
        self.watcher.flush()

    def _finished(self, ledger: LedgerReader, event: EventView) -> None:
        for row in ledger.attempts(event.campaign, event.key):
            record = ledger.record(row.token) if (row.origin, row.attempt) == (event.origin, event.attempt) else None
            if record is not None:
                view = run_view(record.order, record.exit, record.oracles, record.decision, flaky=row.flaky)
                self.watcher.finished(view, final=row.again is None)
