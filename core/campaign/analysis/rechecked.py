"""What a campaign's evidence comes to when it is judged again, beside what it came to then; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from campaign.diagnostics import ExitStatus
from campaign.ledger.rows import AttemptRow
from campaign.records import Decision, OracleRecord, Order, Verdict


class Outcome(StrEnum):
    """How a judgement of today stands to the recorded one."""

    SAME = "same"
    FAILS = "now fails"
    PASSES = "now passes"
    OTHERWISE = "fails otherwise"
    UNVERIFIED = "not verified"


class Rechecked(Struct, frozen=True, kw_only=True):
    """One run judged again.

    ``verdict`` and ``reason`` are today's, ``recorded`` and ``recorded_reason`` those of then, which stay.
    ``verified``: it passes, every oracle that counts was asked, one at least, and the evidence is what it was; ``why``
    says why not, where it is not.  ``remarks`` are what else is to be known.
    """

    run: str
    instance: str
    outcome: Outcome
    verdict: str
    reason: str | None = None
    fingerprint: str | None = None
    quarantined: bool = False
    recorded: str
    recorded_reason: str | None = None
    recorded_fingerprint: str | None = None
    passed: bool = False
    verified: bool = False
    why: str | None = None
    triage: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def compare(  # noqa: PLR0913 - what was recorded, what is judged by, what was said, and what is to be known
    row: AttemptRow,
    order: Order,
    oracles: Sequence[OracleRecord],
    decision: Decision,
    *,
    doubts: Sequence[str] = (),
    remarks: Sequence[str] = (),
    triage: Sequence[str] = (),
    quarantined: Container[str] = (),
) -> Rechecked:
    """A judgement of today beside the recorded one; ``doubts`` say why the evidence is not what was judged then."""
    passed, why = decision.verdict is Verdict.PASS, _unverified(order, oracles, decision, doubts)
    failure = decision.failure
    mark = failure.fingerprint if failure is not None else None
    return Rechecked(
        run=f"{row.key}@{row.attempt}",
        instance=row.instance,
        outcome=_outcome(row, decision, why),
        verdict=decision.verdict.value,
        reason=decision.reason or None,
        fingerprint=mark or None,
        quarantined=mark in quarantined,
        recorded=row.verdict or Verdict.ERROR.value,
        recorded_reason=row.reason or None,
        recorded_fingerprint=row.fingerprint or None,
        passed=passed,
        verified=passed and why is None and any(each.ok and not each.advisory for each in oracles),
        why=why or ("no oracle looked at it" if passed and not _counting(order) else None),
        triage=tuple(triage),
        remarks=tuple(remarks),
    )


def _counting(order: Order) -> list[str]:
    return [each.label for each in order.oracles if not each.advisory]


def _unverified(order: Order, oracles: Sequence[OracleRecord], decision: Decision, doubts: Sequence[str]) -> str | None:
    """Why today's judgement cannot be relied on; None where it can."""
    if doubts:
        return "; ".join(doubts)
    if decision.verdict is Verdict.ERROR:
        return decision.reason
    if decision.verdict is not Verdict.PASS:
        return None
    said = {each.label: each for each in oracles}
    silent = (said.get(label) for label in _counting(order))
    return next(
        (f"oracle {each.label}: {each.error or each.skipped}" for each in silent if each and each.ok is None), None
    )


def _outcome(row: AttemptRow, decision: Decision, why: str | None) -> Outcome:
    if why is not None:
        return Outcome.UNVERIFIED
    if decision.verdict == row.verdict:
        same = decision.verdict is not Verdict.FAIL or _same_failure(row, decision)
        return Outcome.SAME if same else Outcome.OTHERWISE
    return Outcome.PASSES if decision.verdict is Verdict.PASS else Outcome.FAILS


def _same_failure(row: AttemptRow, decision: Decision) -> bool:
    """The same fingerprint, or, where that is made otherwise by now, the same words."""
    failure = decision.failure
    return failure is not None and (
        failure.fingerprint == row.fingerprint or (failure.kind == row.kind and failure.message == row.message)
    )


class Totals:
    """Counts of a recheck, run by run."""

    def __init__(self) -> None:
        self.runs = self.passed = self.verified = self.quarantined = 0
        self.outcomes: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self._bad = 0

    def add(self, each: Rechecked) -> None:
        """Count one."""
        self.runs += 1
        self.passed += each.passed
        self.verified += each.verified
        self.quarantined += each.quarantined
        self.outcomes[each.outcome.value] += 1
        self.verdicts[each.verdict] += 1
        unverified = each.outcome is Outcome.UNVERIFIED
        self._bad += not each.quarantined and (unverified or each.verdict == Verdict.FAIL)

    @property
    def status(self) -> ExitStatus:
        """1 where something fails, or could not be told, that no rule set has quarantined by now."""
        return ExitStatus.FAILED if self._bad else ExitStatus.PASSED

    def record(self) -> dict[str, Any]:
        """For ``--format json``."""
        return {
            "runs": self.runs,
            "outcomes": {each.value: self.outcomes[each.value] for each in Outcome},
            "verdicts": {each.value: count for each in Verdict if (count := self.verdicts[each.value])},
            "passed": self.passed,
            "verified": self.verified,
            "quarantined": self.quarantined,
        }
