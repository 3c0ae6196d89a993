"""Where every value of a run comes from: the file and line that wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

from msgspec import Struct

from campaign.diagnostics import Span
from campaign.plan.evaluation import Evaluation
from campaign.plan.identity import draw, drawn_instant, instant_purpose
from campaign.plan.matrix import Run
from campaign.plan.program import Environment, Program, Recipe, as_written
from campaign.plan.scenario import Axis
from campaign.plan.schedule import lay_out, waits
from campaign.plan.slas import sla_of
from campaign.rules.structs import RuleBook
from campaign.units import Quantity, Value, format_exact

_DEFAULT = "default"


class Explained(Struct, frozen=True):
    """One value; ``name`` is ``LABEL.name`` for a provider's parameter, without ``span`` where that is its default."""

    kind: Literal["axis", "setting", "parameter"]
    name: str
    value: str
    span: Span | None = None
    note: str | None = None


def explain_values(run: Run, campaign_seed: int, book: RuleBook | None = None) -> tuple[Explained, ...]:
    """Axes, settings and every provider's parameters of a run; raises CampaignError for what cannot be computed.

    ``book`` has the rule sets that bind it, which may give a fault less time.
    """
    program = run.scenario.program
    environment = program.environment(run.values, run.seed, program.builtins)
    axes = {name: axis for axis in run.scenario.axes for name in axis.names}
    drawn = partial(draw, campaign_seed, run.key)
    return (
        *(_axis(run, name, axis) for name, axis in axes.items()),
        *_settings(program, program.settings(run.values, run.seed), axes),
        *(
            each
            for recipe in program.recipes
            if recipe.applies(run.values)
            for each in _recipe(recipe, environment, drawn)
        ),
        *_schedule(run, program, environment, drawn),
        *_slas(run, program, book or RuleBook()),
    )


def _slas(run: Run, program: Program, book: RuleBook) -> Iterator[Explained]:
    """The times that rule sets give the faults of a run; the spec's own holds where it is shorter."""
    for recipe in program.recipes:
        part = recipe.part
        sla = sla_of(part.label, part.facts.name, book) if part.kind == "fault" and recipe.applies(run.values) else None
        if sla is not None:
            note = f"at most, says the rule set {sla.origin.rule_set}"
            yield Explained("parameter", f"{part.label}.sla", format_exact(sla.within), sla.origin.span, note)


def _schedule(run: Run, program: Program, environment: Environment, drawn: Callable[[str], int]) -> Iterator[Explained]:
    """The strategy's own values, and the instant of every fault that it laid out."""
    schedule = program.schedule
    if schedule is None:
        return
    yield from _recipe(schedule, environment, drawn)
    waiting = [each for each in program.recipes if waits(each) and each.applies(run.values)]
    note = f"laid out by {schedule.part.facts.name}"
    for each in lay_out(schedule, waiting, Evaluation(environment, as_written, drawn), run.seed):
        yield Explained("parameter", f"{each.name}.at", format_exact(each.at), schedule.part.placed.span, note)


def _axis(run: Run, name: str, axis: Axis) -> Explained:
    nominal = run.cell.values[name]
    note = None if axis.jitter is None else f"{format_exact(nominal)} jitter {format_exact(axis.jitter)}"
    return Explained("axis", name, format_exact(run.values[name]), axis.declared[-1], note)


def _settings(program: Program, settings: Mapping[str, Value], axes: Mapping[str, Axis]) -> Iterator[Explained]:
    for name, value in settings.items():
        if name not in axes:
            definition = program.case.values.nodes[name].definition
            yield Explained("setting", name, format_exact(value), definition.span if definition else None)


def _recipe(recipe: Recipe, environment: Environment, drawn: Callable[[str], int]) -> Iterator[Explained]:
    part = recipe.part
    spans = {binding.parameter.name: binding.span for binding in part.bindings.values()}
    for name, value in recipe.values(environment, as_written).items():
        span = spans.get(name)
        yield Explained("parameter", f"{part.label}.{name}", format_exact(value), span, None if span else _DEFAULT)
    for name, closures in recipe.engine.items():
        ends = [closure(environment) for closure in closures]
        note = _instant(part.label, ends, drawn) if name == "at" else None
        yield Explained(
            "parameter", f"{part.label}.{name}", "..".join(map(format_exact, ends)), part.engine[name].span, note
        )


def _instant(label: str, ends: Sequence[Value], drawn: Callable[[str], int]) -> str | None:
    """Which instant of a range was drawn for this run."""
    first, last = ends[0], ends[-1]
    if len(ends) < 2 or not isinstance(first, Quantity) or not isinstance(last, Quantity):
        return None
    instant = drawn_instant(first.value, last.value, drawn(instant_purpose(label)))
    return f"drawn: {Quantity(instant, first.dimension, 's')}"
