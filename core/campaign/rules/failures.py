"""Failures that a rule book knows: those that are quarantined, and what a kind of failure means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from campaign.language.expressions import Closure, EvaluationError, Missing, compile_expression
from campaign.rules.structs import Quarantine, RuleBook, Triage
from campaign.units import UnitError, Value


def quarantined(book: RuleBook, day: str) -> Mapping[str, Quarantine]:
    """What does not count on a day (UTC, ``2027-01-31``), by fingerprint; the last day of one is still in it."""
    return {mark: each for mark, each in book.quarantine.items() if day <= each.until}


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
