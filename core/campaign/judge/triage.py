"""What a failure means, by the rules of the rule sets that bind a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from campaign.judge.observed import NotApplicable, Observation, Undecided
from campaign.language.expressions import Missing
from campaign.plugins.names import canonical
from campaign.records import Decision, Exit, OracleRecord, Order, Verdict
from campaign.rules.failures import triaged
from campaign.rules.orders import read
from campaign.rules.structs import RuleBook, Triage
from campaign.units import UnitError, Value


def triage(
    book: RuleBook, order: Order, exit: Exit, oracles: Sequence[OracleRecord], decision: Decision
) -> list[Triage]:
    """The triage rules that know why an attempt did not pass, in the order of the rule sets; none for what passed.

    ``when`` may ask what an ``expect`` may, the run's settings, its verdict and its failure.
    """
    if decision.verdict not in (Verdict.FAIL, Verdict.ERROR):
        return []
    observation, said = Observation(order, exit, oracles), _said(decision)

    def lookup(name: str) -> Value:
        if name in said:
            return said[name]
        setting = _setting(order, name)
        if setting is not None:
            return setting
        try:
            return observation(name)
        except (Undecided, NotApplicable) as error:
            raise Missing(name) from error

    return list(triaged(book, lookup))


def _said(decision: Decision) -> Mapping[str, Value]:
    failure = decision.failure
    found: dict[str, Value] = {"verdict": decision.verdict.value}
    if failure is not None:
        found |= {
            "failure.kind": failure.kind.value,
            "failure.message": failure.message,
            "failure.fingerprint": failure.fingerprint,
        }
    return found


def _setting(order: Order, name: str) -> Value | None:
    """A setting or an axis of the run, as a value of its type."""
    kinds = order.rules.kinds.get("", {}) if order.rules is not None else {}
    for known, value in {**order.settings, **order.axes}.items():
        if canonical(known) == canonical(name):
            try:
                return read(kinds.get(known), value)
            except UnitError:
                return None
    return None
