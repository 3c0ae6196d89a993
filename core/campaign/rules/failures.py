"""Failures that a rule book knows: those that are quarantined, and what a kind of failure means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct

from campaign.language.expressions import Closure, EvaluationError, children, compile_expression, references
from campaign.language.syntax import Binary, Expr, Name
from campaign.plugins.names import canonical
from campaign.rules.structs import Quarantine, RuleBook, Triage
from campaign.units import UnitError, Value


def quarantined(book: RuleBook, day: str) -> Mapping[str, Quarantine]:
    """What does not count on a day (UTC, ``2027-01-31``), by fingerprint; the last day of one is still in it."""
    return {mark: each for mark, each in book.quarantine.items() if day <= each.until}


def merged(book: RuleBook) -> dict[str, str]:
    """The fingerprint that stands for each one that rules make one with others: of those the first that is named."""
    first: dict[str, str] = {}
    for rule in book.merges:
        known = [first.get(each, each) for each in rule.same]
        for each in rule.same:
            first.setdefault(each, each)
        first = {each: known[0] if stands in known else stands for each, stands in first.items()}
    return {each: stands for each, stands in first.items() if each != stands}


def split(book: RuleBook) -> dict[str, tuple[str, ...]]:
    """By what each failure is told apart, by the fingerprint that it has once others are one with it."""
    one, names = merged(book), dict[str, list[str]]()
    for rule in book.splits:
        names.setdefault(one.get(rule.fingerprint, rule.fingerprint), []).append(canonical(rule.by))
    return {each: tuple(sorted(set(by))) for each, by in names.items()}


class Triager:
    """Triage rules, compiled once for many runs."""

    def __init__(self, rules: Iterable[Triage]) -> None:
        self._tests = [_Test(rule, compile_expression(rule.tree, _asked), _needed(rule.tree)) for rule in rules]

    @property
    def names(self) -> frozenset[str]:
        """Everything that the rules ask for."""
        found = (each for test in self._tests for each in references(test.rule.tree))
        return frozenset(each.text if isinstance(each, Name) else each.name for each in found)

    def __bool__(self) -> bool:
        return bool(self._tests)

    def without(self, absent: frozenset[str]) -> Triager:
        """The rules that can hold of runs that lack these names; those that need one of them cannot."""
        left = Triager(())
        left._tests = [test for test in self._tests if test.needs.isdisjoint(absent)]
        return left

    def known(self, lookup: Callable[[str], Value]) -> Iterator[Triage]:
        """The rules whose condition holds; ``lookup`` gives the values of a run by name and raises LookupError.

        A rule that asks for what a run lacks, or that cannot be computed, does not hold.
        """
        for test in self._tests:
            try:
                if test.holds(lookup) is True:
                    yield test.rule
            except (LookupError, EvaluationError, UnitError):
                continue


class _Test(Struct, frozen=True):
    """A rule, compiled, and the names without which it cannot hold."""

    rule: Triage
    holds: Closure
    needs: frozenset[str]


def _needed(expr: Expr) -> frozenset[str]:
    """The names that are asked whatever the others come to: of ``and`` and ``or`` the left side is."""
    found: list[str] = []
    waiting = [expr]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Name):
            found.append(current.text)
        elif isinstance(current, Binary) and current.operator in ("and", "or"):
            waiting.append(current.left)
        else:
            waiting += children(current)
    return frozenset(found)


def _asked(name: str) -> Closure:
    return lambda lookup: lookup(name)
