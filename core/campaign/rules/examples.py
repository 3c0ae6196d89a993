"""What a rule set says of itself: its examples, each held against it, and what no example touches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from campaign.diagnostics import Diagnostic
from campaign.language.expressions import Missing
from campaign.language.patterns import PatternError, compile_pattern, search
from campaign.language.providers import ProviderLookup
from campaign.rules.failures import Triager
from campaign.rules.files import Bound
from campaign.rules.limits import Given, violations
from campaign.rules.match import answers
from campaign.rules.orders import sentence
from campaign.rules.structs import Example, RuleBook, RuleSet
from campaign.units import Value

#: In an example of a failure: the id of the rule that is meant, instead of any.
_AS = "as"


class Outcome(Struct, frozen=True):
    """An example and whether the rule set says of it what it must; ``touched`` are the rules that it exercised."""

    example: Example
    fine: bool
    said: str
    touched: frozenset[str] = frozenset()


class Tested(Struct, frozen=True):
    """The examples of one rule set, and the rules that none of them touches."""

    rule_set: RuleSet
    outcomes: tuple[Outcome, ...]
    untouched: tuple[str, ...]
    rules: int

    @property
    def failures(self) -> Iterator[Diagnostic]:
        """A diagnostic for each example of which the rule set says something else."""
        for each in self.outcomes:
            if not each.fine:
                yield Diagnostic("CAMP330", each.said, each.example.origin.span)


def test(bound: Bound, find: ProviderLookup) -> list[Tested]:
    """Hold the examples of each set that was named against it, with all that it extends."""
    return [_tested(each.rule_set, bound.book, find) for each in bound.sets]


def _tested(rule_set: RuleSet, book: RuleBook, find: ProviderLookup) -> Tested:
    outcomes = tuple(_outcome(example, rule_set, book, find) for example in rule_set.examples)
    rules = [*(f"limits.{key}" for key in rule_set.limits), *(f"triage.{each.id}" for each in rule_set.triage)]
    rules += ["match"] if rule_set.match else []
    touched = frozenset[str]().union(*(each.touched for each in outcomes))
    return Tested(rule_set, outcomes, tuple(rule for rule in rules if rule not in touched), len(rules))


def _outcome(example: Example, rule_set: RuleSet, book: RuleBook, find: ProviderLookup) -> Outcome:
    if example.kind == "values":
        return _of_values(example, book)
    return _of_host(example, rule_set, find) if example.kind == "host" else _of_failure(example, book)


def _of_values(example: Example, book: RuleBook) -> Outcome:
    """All values of an example must pass together, or at least one must be refused."""
    given = [_given(name, value) for name, value in example.given.items()]
    found = list(violations(given, book.limits, book.unbounded))
    if example.wanted:
        said = "; ".join(map(sentence, found))
        return Outcome(example, not found, f"these values must pass: {said}", frozenset())
    touched = frozenset(f"limits.{each.limit.key}" for each in found if each.limit is not None)
    return Outcome(example, bool(found), "these values must be refused, and no limit refuses any", touched)


def _given(name: str, value: Value) -> Given:
    provider, _, own = name.rpartition(".")
    return Given(own, value, provider or None)


def _of_host(example: Example, rule_set: RuleSet, find: ProviderLookup) -> Outcome:
    facts: Mapping[str, Any] = example.given
    said = answers(rule_set, facts, find)
    holds = bool(said) and all(each.holds for each in said)
    objections = "; ".join(str(each) for each in said if not each.holds) or "it has no match"
    why = f"this host must match: {objections}" if example.wanted else "this host must not match, and it does"
    return Outcome(example, holds is example.wanted, why, frozenset(("match",)))


def _of_failure(example: Example, book: RuleBook) -> Outcome:
    wanted = example.given.get(_AS)
    found = [each.id for each in Triager(book.triage.values()).known(lambda name: _observed(name, example.given))]
    holds = bool(found) if wanted is None else wanted in found
    rule = "a rule" if wanted is None else str(wanted)
    why = f"{rule} must know this failure" if example.wanted else f"no rule must know this failure: {', '.join(found)}"
    return Outcome(example, holds is example.wanted, why, frozenset(f"triage.{each}" for each in found))


def _observed(name: str, given: Mapping[str, Value]) -> Value:
    """What an example says of a run, by the names of the language; its ``output`` is searched as a whole."""
    if name.startswith("output "):
        _, how, text = name.split(" ", 2)
        output = str(given.get("output", ""))
        if how == "contains":
            return text in output
        try:
            return any(search(compile_pattern(text), line) for line in output.splitlines() or [""])
        except PatternError:
            return False
    if name not in given:
        raise Missing(name)
    return given[name]
