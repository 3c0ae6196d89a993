"""The held conditions of a plan for people: by which provider, what they set, and what limits that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice, product
from math import prod

from msgspec import Struct

from campaign.language.expressions import EvaluationError
from campaign.plan.assignment import Assignment
from campaign.plan.matrix import Run
from campaign.plan.scenario import Scenario
from campaign.plan.sources import Source, sources_of
from campaign.rules.limits import binding_limits, leaves, limit_text
from campaign.rules.structs import Guard, RuleBook
from campaign.units import Value, format_exact

#: Combinations of axis values that one parameter is asked about, and values of it that are shown.
_MOST_ASKED, _MOST_SHOWN = 200, 4


class HeldValue(Struct, frozen=True):
    """A parameter of a hold: the first of its values and the last, how many there are, and what each limit allows.

    ``count`` is missing where there are too many combinations of axes to be asked; then the last is not known either.
    """

    name: str
    values: tuple[str, ...]
    count: int | None
    limits: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.count is None:
            return f"{self.name} = {', '.join(self.values)} …"
        if self.count == len(self.values):
            return f"{self.name} = {', '.join(self.values)}"
        return f"{self.name} = {', '.join(self.values[:-1])} … {self.values[-1]} ({self.count})"


class Held(Struct, frozen=True):
    """A held condition of an instance."""

    instance: str
    label: str
    hold: str
    values: tuple[HeldValue, ...]


class Guarded(Struct, frozen=True):
    """What is watched while a run lasts; ``place`` is where the rule set says so."""

    oracle: str
    every: str
    settings: dict[str, str]
    rule_set: str
    place: str


def held_in(scenario: Scenario, book: RuleBook, run: Run | None = None) -> Iterator[Held]:
    """The holds of an instance, or of one run of it."""
    program = scenario.program
    for recipe in program.recipes:
        if recipe.part.kind == "hold" and (run is None or recipe.applies(run.values)):
            values = (_value(source, scenario, book, run) for source in sources_of(program, recipe))
            part = recipe.part
            yield Held(scenario.label_text, part.label, part.facts.name, tuple(values))


def _value(source: Source, scenario: Scenario, book: RuleBook, run: Run | None) -> HeldValue:
    if source.late:
        return HeldValue(source.name, ("known when it starts",), 1)
    values = tuple(_every(source, scenario, run))
    shown = tuple(map(format_exact, values))
    limits = tuple(_limits(source, values, book))
    if run is None and _combined(source, scenario) > _MOST_ASKED:
        return HeldValue(source.name, shown[:_MOST_SHOWN], None, limits)
    short = shown if len(shown) <= _MOST_SHOWN else (*shown[: _MOST_SHOWN - 1], shown[-1])
    return HeldValue(source.name, short, len(shown), limits)


def _combined(source: Source, scenario: Scenario) -> int:
    return prod(len(axis.points) for axis in scenario.axes if not source.axes.isdisjoint(axis.names))


def _every(source: Source, scenario: Scenario, run: Run | None) -> Iterable[Value]:
    """The values that a parameter takes, each once, as far as that is quickly told."""
    found: dict[Value, None] = {}
    for values, seed in ((run.values, run.seed),) if run is not None else _combinations(source, scenario):
        try:
            found.update(dict.fromkeys(source.values(values, seed)))
        except EvaluationError:
            continue  # told where it is rendered
    return found


def _combinations(source: Source, scenario: Scenario) -> Iterator[tuple[Assignment, int]]:
    """The values of the axes that a source depends on, in every combination, with a seed."""
    axes = [axis for axis in scenario.axes if not source.axes.isdisjoint(axis.names)]
    for points in islice(product(*(axis.points for axis in axes)), _MOST_ASKED):
        pairs = (zip(axis.names, point, strict=True) for axis, point in zip(axes, points, strict=True))
        yield dict(chain.from_iterable(pairs)), scenario.seeds[0]


def _limits(source: Source, values: Iterable[Value], book: RuleBook) -> Iterator[str]:
    """What the limits that bind a parameter allow, each once."""
    found: Mapping[str, str] = {
        limit.key: f"{limit.name}: {limit_text(limit)}"
        for value in values
        for leaf in leaves(value)
        for limit in binding_limits(source.given(value), leaf, book.limits)
    }
    return iter(found.values())


def guarded_by(book: RuleBook) -> tuple[Guarded, ...]:
    """What the rule sets have watched."""
    return tuple(map(_guard, book.guards))


def _guard(guard: Guard) -> Guarded:
    settings = {name: str(value) for name, value in guard.settings.items()}
    origin = guard.origin
    return Guarded(guard.oracle, format_exact(guard.every), settings, origin.rule_set, str(origin.span))
