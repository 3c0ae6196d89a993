"""``run.json`` as a planner writes it: what an attempt came to, and what rule sets and other attempts make of that.

Everything comes from the ledger, so that a planner that takes over tells the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from campaign.analysis.beside import minimized
from campaign.analysis.failures import Classes, Quarantines, may_have_failed_before
from campaign.engine.project import Projector
from campaign.judge.triage import triage
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import PLAN, AttemptRecord, Sighting
from campaign.records import Decision, Exit, OracleRecord, Order, RunView
from campaign.rules.structs import RuleBook


class Facts(Struct, frozen=True):
    """An attempt that is done: what was asked for, what happened, what was made of it, and where it comes from."""

    order: Order
    exit: Exit | None
    oracles: tuple[OracleRecord, ...]
    decision: Decision | None
    cause: str
    parent: str | None = None


def facts_of(record: AttemptRecord) -> Facts:
    """The same, as the ledger holds it."""
    return Facts(
        record.order, record.exit, record.oracles, record.decision, cause=record.row.cause, parent=record.row.parent
    )


class Teller:
    """Makes the views of one campaign."""

    def __init__(self, ledger: str, projector: Projector, book: RuleBook, quarantined: Quarantines) -> None:
        """``ledger`` is a path; what is ``quarantined`` was so on the day on which the campaign began."""
        self.ledger, self._projector, self._book = ledger, projector, book
        self._classes = Classes(self._first, quarantined)

    def view(self, facts: Facts, *, recovered: bool = False) -> RunView:
        """An attempt as ``run.json`` tells of it; ``recovered``: a later one of its run passed.  Raises LedgerError."""
        decision = self._classes.told(facts.order, facts.decision, recovered=recovered)
        view = self._projector.view(
            facts.order, facts.exit, facts.oracles, decision, cause=facts.cause, parent=facts.parent
        )
        return self._triaged(view, facts)

    def retold(self, facts: Facts) -> Iterator[tuple[str, RunView]]:
        """Where a run passes after all: the folders of the attempts before, and what is told of them by now."""
        if facts.order.origin != PLAN or not may_have_failed_before(facts.order, facts.decision):
            return
        order = facts.order
        with LedgerReader(self.ledger) as ledger:
            for row in ledger.attempts(order.campaign, order.key, order.origin):
                if row.attempt < order.attempt and row.fingerprint:
                    record = ledger.record(row.token)
                    if record is not None:
                        view = self.view(facts_of(record), recovered=True)
                        yield row.directory, replace(view, minimized=minimized(ledger, row.token))

    def _triaged(self, view: RunView, facts: Facts) -> RunView:
        """With the ids of the triage rules that know the failure."""
        if view.failure is None or facts.exit is None or facts.decision is None or not self._book.triage:
            return view
        found = triage(self._book, facts.order, facts.exit, facts.oracles, facts.decision)
        failure = replace(view.failure, triage=tuple(each.id for each in found))
        return replace(view, failure=failure)

    def _first(self, fingerprint: str) -> Sighting | None:
        with LedgerReader(self.ledger) as ledger:
            return ledger.first_of(fingerprint)
