"""Failures by their fingerprint: which are new, known, quarantined or flaky, and of which one each is a duplicate.

Everything is told from the ledger and from the rule sets that bind a campaign, so that it comes out the same whoever
tells it, and however often: what was judged first is first for ever.

``quarantined``  a rule set says so, on the day on which the campaign began; it goes before every other class
``flaky``        the run passed on a later attempt; of a fingerprint: every run that it came in did
``known``        another campaign of the workspace saw it first
``new``          this campaign saw it first; what follows in the same campaign stays new
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from campaign.analysis.ruled import RuleBooks
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignRow, FailureRow, Sighting
from campaign.records import Decision, Order, QuarantineView, UniqueFailure, Verdict
from campaign.rules.structs import Quarantine

#: The quarantines in force, by fingerprint.
Quarantines = Mapping[str, Quarantine]
#: Cells of a failure that are named.
_MOST_CELLS = 10


def classify(row: FailureRow, quarantined: Quarantines) -> str:
    """The class of a fingerprint, of a campaign or of all."""
    if row.fingerprint in quarantined:
        return "quarantined"
    if row.recovered == row.count:
        return "flaky"
    return "known" if row.known else "new"


def duplicate_of(row: FailureRow) -> str | None:
    """The attempt that failed so before the first one of ``row``, where there is one."""
    return None if row.first == row.origin else row.origin.run


def unique_failure(row: FailureRow, run_root: str, quarantined: Quarantines) -> UniqueFailure:
    """A failure as ``summary.json`` tells it; its evidence relative to ``run_root``."""
    known = quarantined.get(row.fingerprint)
    return UniqueFailure(
        fingerprint=row.fingerprint,
        verdict=row.verdict,
        kind=row.kind,
        message=row.message,
        count=row.count,
        runs=row.runs,
        first=row.first.name,
        classification=classify(row, quarantined),
        duplicate_of=duplicate_of(row),
        quarantine=quarantine_view(known) if known is not None else None,
        evidence=os.path.relpath(row.directory, run_root),
    )


class Told(Struct, frozen=True, kw_only=True):
    """A failure as ``campaign failures`` lists it; ``over``: its quarantine has ended by now.

    ``cells`` are the first that it came in.
    """

    row: FailureRow
    classification: str
    duplicate_of: str | None
    quarantine: QuarantineView | None = None
    over: bool = False
    cells: tuple[str, ...] = ()


def tell(ledger: LedgerReader, campaign: CampaignRow | None, today: str) -> Iterator[Told]:
    """The failures of a campaign, or of all, the most frequent first; raises LedgerError.

    Of all campaigns, each is told as in the campaign that saw it last.  ``today`` (UTC, ``2027-01-31``) decides
    whether a quarantine is over.
    """
    books = RuleBooks(ledger)
    within = campaign.id if campaign is not None else None
    for row in ledger.failures(within):
        last = campaign or ledger.campaign(row.last.campaign)
        rule = books.of(last).quarantine.get(row.fingerprint) if last is not None else None
        held = rule is not None and last is not None and last.created_at[:10] <= rule.until
        yield Told(
            row=row,
            classification=classify(row, {row.fingerprint: rule} if rule is not None and held else {}),
            duplicate_of=duplicate_of(row),
            quarantine=quarantine_view(rule) if rule is not None else None,
            over=rule is not None and rule.until < today,
            cells=tuple(ledger.cells_of(row.fingerprint, within, _MOST_CELLS)),
        )


def quarantine_view(rule: Quarantine) -> QuarantineView:
    """A quarantine as records tell it."""
    return QuarantineView(issue=rule.issue, owner=rule.owner, until=rule.until, rule_set=rule.origin.rule_set)


class Classes:
    """Tells the class of attempts one by one; remembers who was first, for that never changes."""

    def __init__(self, find: Callable[[str], Sighting | None], quarantined: Quarantines) -> None:
        """``find`` asks the ledger for the first attempt of a fingerprint."""
        self._find, self._quarantined = find, quarantined
        self._first: dict[str, Sighting] = {}

    def told(self, order: Order, decision: Decision | None, *, recovered: bool) -> Decision | None:
        """A decision with the class of its failure and what that is a duplicate of; ``recovered``: its run passed."""
        failure = decision.failure if decision is not None else None
        if decision is None or failure is None or not failure.fingerprint:
            return decision
        first = self._first_of(failure.fingerprint)
        here = (order.campaign, order.key, order.origin, order.attempt)
        original = first is None or here == (first.campaign, first.key, first.origin, first.attempt)
        told = replace(
            failure,
            classification=self._class(failure.fingerprint, first, order.campaign, recovered),
            duplicate_of=None if original or first is None else first.run,
        )
        return replace(decision, failure=told)

    def _class(self, fingerprint: str, first: Sighting | None, campaign: str, recovered: bool) -> str:
        if fingerprint in self._quarantined:
            return "quarantined"
        if recovered:
            return "flaky"
        return "new" if first is None or first.campaign == campaign else "known"

    def _first_of(self, fingerprint: str) -> Sighting | None:
        known = self._first.get(fingerprint) or self._find(fingerprint)
        if known is not None:
            self._first[fingerprint] = known
        return known


def may_have_failed_before(order: Order, decision: Decision | None) -> bool:
    """Whether what earlier attempts of a run came to is told in other words by now: it passed, and not at once."""
    return decision is not None and decision.verdict is Verdict.PASS and order.attempt > 1
