"""What a rule set says of itself: its examples, each held against it, and what no example touches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from campaign.diagnostics import Diagnostic
from campaign.language.expressions import Missing
from campaign.language.files import Reader, resolve_path
from campaign.language.names import shown
from campaign.language.patterns import search
from campaign.language.providers import ProviderLookup
from campaign.plugins.names import canonical
from campaign.rules.failures import Triager
from campaign.rules.files import Bound
from campaign.rules.limits import Given, violations
from campaign.rules.match import answers
from campaign.rules.orders import sentence
from campaign.rules.structs import Example, RuleBook, RuleSet
from campaign.rules.told import values_of
from campaign.units import Value

#: In an example of a run: the id of the rule that is meant, instead of any; a ``run.json`` that has the other values.
AS, RECORD = "as", "record"


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


def test(bound: Bound, find: ProviderLookup, read: Reader) -> list[Tested]:
    """Hold the examples of each set that was named against it, with all that it extends; ``read`` reads records."""
    return [_tested(each.rule_set, bound.book, find, read) for each in bound.sets]


def _tested(rule_set: RuleSet, book: RuleBook, find: ProviderLookup, read: Reader) -> Tested:
    outcomes = tuple(_outcome(example, rule_set, book, find, read) for example in rule_set.examples)
    rules = [*(f"limits.{key}" for key in rule_set.limits), *(f"triage.{each.id}" for each in rule_set.triage)]
    rules += ["match"] if rule_set.match else []
    touched = frozenset[str]().union(*(each.touched for each in outcomes))
    return Tested(rule_set, outcomes, tuple(rule for rule in rules if rule not in touched), len(rules))


def _outcome(example: Example, rule_set: RuleSet, book: RuleBook, find: ProviderLookup, read: Reader) -> Outcome:
    if example.kind == "values":
        return _of_values(example, book)
    return _of_host(example, rule_set, find) if example.kind == "host" else _of_run(example, book, read)


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


def _of_run(example: Example, book: RuleBook, read: Reader) -> Outcome:
    wanted = example.given.get(AS)
    try:
        given = {**_recorded(example, read), **example.given}
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return Outcome(example, False, f"the record {shown(str(example.given[RECORD]))} cannot be read: {why}")
    found = [each.id for each in Triager(book.triage.values()).known(lambda name: _observed(name, given))]
    holds = bool(found) if wanted is None else wanted in found
    rule = "a rule" if wanted is None else str(wanted)
    known = f"no rule must know this run: {', '.join(found)}" if wanted is None else f"{rule} must not know this run"
    why = f"{rule} must know this run{_instead(found)}" if example.wanted else known
    return Outcome(example, holds is example.wanted, why, frozenset(f"triage.{each}" for each in found))


def _instead(found: Sequence[str]) -> str:
    return f", and not only {', '.join(found)}" if found else ""


def _recorded(example: Example, read: Reader) -> Mapping[str, Value]:
    """The values of the record that an example names, relative to the rule set; raises OSError and ValueError."""
    path = example.given.get(RECORD)
    return {} if path is None else values_of(read(resolve_path(str(path), example.origin.span.file)))


def _observed(name: str, given: Mapping[str, Value]) -> Value:
    """What an example says of a run, by the names of the language."""
    if name.startswith("output "):
        _, how, text = name.split(" ", 2)
        lines = _lines(str(given.get("output", "")))
        return any(text in line if how == "contains" else search(text, line) for line in lines)
    if name in given:
        return given[name]
    for known, value in given.items():
        if canonical(known) == canonical(name):  # settings are known by any spelling
            return value
    raise Missing(name)


def _lines(output: str) -> list[str]:
    """An output as a run's is searched: line by line, as valid UTF-8; the end of the last line begins no other."""
    text = output.encode("utf-8", "replace").decode().replace("\r\n", "\n")
    return text.removesuffix("\n").split("\n") if text else []
