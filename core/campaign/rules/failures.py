"""Failures that a rule book knows: those that are quarantined, and what a kind of failure means."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from campaign.language.expressions import Closure, EvaluationError, Missing, compile_expression
from campaign.rules.structs import RuleBook, Triage
from campaign.units import UnitError, Value


def quarantined(book: RuleBook, day: str) -> frozenset[str]:
    """The fingerprints that do not count on a day (``2027-01-31``); the last day of a quarantine is still in it."""
    return frozenset(each.fingerprint for each in book.quarantine.values() if day <= each.until)


def triaged(book: RuleBook, lookup: Callable[[str], Value]) -> Iterator[Triage]:
    """The rules whose condition holds; ``lookup`` gives the values of a run by name and raises LookupError.

    A rule that asks for what a run lacks, or that cannot be computed, does not hold.
    """
    for rule in book.triage.values():
        test: Closure = compile_expression(rule.tree, lambda name: lambda _: lookup(name))
        try:
            if test(None) is True:
                yield rule
        except (Missing, LookupError, EvaluationError, UnitError):
            continue
