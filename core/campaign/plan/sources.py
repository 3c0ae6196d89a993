"""Where the values of a scenario come from, as limits ask about them: axes, settings, every provider's parameters.

Each source knows on which axes it depends, so that values are checked for those axes' points and not for every cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from campaign.diagnostics import CampaignError, Span
from campaign.language.expressions import EvaluationError
from campaign.language.instances import Case
from campaign.language.items import Binding, Part, depends_on_late
from campaign.language.limits import place_in_sweep
from campaign.language.scopes import Definition
from campaign.language.typecheck import Type
from campaign.language.values import SEED
from campaign.plan.assignment import Assignment
from campaign.plan.program import Environment, Program, Recipe, as_written
from campaign.plan.program import Given as Bound
from campaign.plan.scenario import Scenario
from campaign.plugins.names import canonical
from campaign.rules.limits import Given
from campaign.units import Value

#: Gives the values of a source for a cell's axes and a seed; more than one where a step's own ``sweep`` sets it.
Values = Callable[[Assignment, int], Sequence[Value]]


class Source(Struct, frozen=True, kw_only=True):
    """One name that values reach.

    ``axes`` are the names of axes that it depends on, ``seeded`` whether on the seed too; ``late`` where only an
    attempt decides it.  ``kind`` is the name of its type where that is known.  ``place`` says where a value stands.
    ``reaches`` are the providers that get it as it is; what such a one gets is ``covered`` by the setting or axis.
    ``physical`` is what a provider writes to the world.
    """

    name: str
    provider: str | None
    kind: str | None
    axes: frozenset[str]
    seeded: bool
    late: bool
    values: Values
    place: Callable[[Value], Span | None]
    label: str | None = None
    reaches: tuple[str, ...] = ()
    covered: bool = False
    physical: bool = False

    def given(self, value: Value) -> Given:
        """A value of it, as limits judge it."""
        return Given(self.name, value, self.provider, self.kind, self.reaches, self.physical)

    @property
    def shown(self) -> str:
        """Its name for people: ``voltage``, ``memtester.size``."""
        return self.name if self.provider is None else f"{self.provider}.{self.name}"


def sources(scenario: Scenario) -> list[Source]:
    """Every source of a scenario: axes first, then settings, then what reaches each provider."""
    program = scenario.program
    recipes = (*program.recipes, *((program.schedule,) if program.schedule is not None else ()))
    return [*_settings(program, scenario), *(each for recipe in recipes for each in sources_of(program, recipe))]


# --- axes and settings ------------------------------------------------------------------------------------------


def _settings(program: Program, scenario: Scenario) -> Iterator[Source]:
    """Axes and settings; both are nodes of the case."""
    axes = [name for axis in scenario.axes for name in axis.names]
    values = program.case.values
    reached = _reached(program.case)
    for name in axes:
        node = values.nodes.get(values.refer(name, in_text=False) or name)
        yield Source(
            name=name,
            provider=None,
            kind=_kind(node.type) if node is not None else None,
            axes=frozenset((name,)),
            seeded=False,
            late=False,
            values=partial(_axis_value, name),
            place=partial(_axis_place, program.case, name, scenario),
            reaches=reached.get(canonical(name), ()),
        )
    for key in program.shown:
        if key not in axes:
            node = values.nodes[key]
            provider, _, name = node.name.rpartition(".")
            yield Source(
                name=name,
                provider=provider or None,
                kind=_kind(node.type),
                values=_of_key(program, key),
                place=_always(_setting_place(node.definition)),
                reaches=reached.get(canonical(key), ()),
                **_depends(node.varies),
            )


def _reached(case: Case) -> dict[str, tuple[str, ...]]:
    """The providers that get a setting or an axis as it is, under its own name, by canonical name."""
    found: dict[str, tuple[str, ...]] = {}
    for part in (*case.parts, *((case.schedule,) if case.schedule is not None else ())):
        for binding in part.bindings.values():
            if part.placed.condition is None and _as_it_is(binding):
                key = canonical(binding.parameter.name)
                found[key] = (*found.get(key, ()), part.facts.name)
    return found


def _as_it_is(binding: Binding) -> bool:
    """Whether a parameter gets the setting or axis of its own name, in whatever spelling."""
    return binding.key is not None and canonical(binding.key) == canonical(binding.parameter.name)


def _axis_value(name: str, axes: Assignment, seed: int) -> Sequence[Value]:
    del seed
    return (axes[name],)


def _axis_place(case: Case, name: str, scenario: Scenario, value: Value) -> Span | None:
    """Where a value of an axis stands in its ``sweep``, or in the setting that holds it at one value."""
    node = case.values.nodes.get(case.values.refer(name, in_text=False) or name)
    return _written(node.definition if node is not None else None, name, value, case) or scenario.span


def _written(definition: Definition | None, name: str, value: Value, case: Case) -> Span | None:
    if definition is None:
        return None
    sweep = definition.sweep
    if sweep is None:
        return definition.setting.value.span if definition.setting is not None else definition.span
    places = [word.text for word in sweep.names]
    found = place_in_sweep(sweep, places.index(name), value, case) if name in places else None
    return found or definition.span


def _of_key(program: Program, key: str) -> Values:
    evaluate = program.evaluator((key,))
    return lambda axes, seed: (evaluate(axes, seed)[key],)


def _setting_place(definition: Definition | None) -> Span | None:
    if definition is None:
        return None
    setting = definition.setting
    return (setting.value.span if setting is not None else None) or definition.span


def _always(span: Span | None) -> Callable[[Value], Span | None]:
    return lambda _: span


def _depends(varies: frozenset[str]) -> dict[str, Any]:
    """The fields of a source that say on what it depends."""
    return {
        "axes": frozenset(each for each in varies if not each.startswith("@")),
        "seeded": SEED in varies,
        "late": depends_on_late(varies),
    }


def _kind(type_: Type) -> str | None:
    """The name of a type whose single values are of that type; None where only a value tells."""
    return None if type_.name in ("any", "list", "tuple") else type_.name


# --- providers --------------------------------------------------------------------------------------------------


def sources_of(program: Program, recipe: Recipe) -> Iterator[Source]:
    """What reaches the parameters of one provider."""
    part = recipe.part
    condition = part.placed.condition
    needed = frozenset() if condition is None else frozenset((condition.axis,))
    for given in recipe.given:
        binding = given.binding
        yield Source(
            name=given.name,
            provider=part.facts.name,
            kind=_kind(binding.parameter.type),
            values=_where(recipe, _of_parameter(program, given)),
            place=partial(_parameter_place, program.case, part, given),
            label=part.label,
            covered=condition is None and not binding.parameter.physical and _covered(binding),
            physical=binding.parameter.physical,
            **_depends(binding.varies | needed),
        )
    yield from _repeated(program.case, recipe, needed)


def _covered(binding: Binding) -> bool:
    """Whether the setting or axis says it all of a parameter."""
    return _as_it_is(binding) and _kind(binding.type) == _kind(binding.parameter.type)


def _of_parameter(program: Program, given: Bound) -> Values:
    if given.constant is not None:
        return partial(_these, (given.value({}, as_written),))
    binding, values = given.binding, program.case.values
    keys = [binding.key] if binding.key is not None else list(values.behind(binding.expr)) if binding.expr else []
    evaluate: Callable[[Assignment, int], Environment] = program.evaluator(keys)

    def found(axes: Assignment, seed: int) -> Sequence[Value]:
        try:
            return (given.value(evaluate(axes, seed), as_written),)
        except CampaignError as error:  # the parameter does not take it, which is said elsewhere
            raise EvaluationError(str(error)) from None

    return found


def _where(recipe: Recipe, values: Values) -> Values:
    """Nothing where a cell lacks the item."""
    if recipe.part.placed.condition is None:
        return values
    return lambda axes, seed: values(axes, seed) if recipe.applies(axes) else ()


def _parameter_place(case: Case, part: Part, given: Bound, value: Value) -> Span | None:
    binding = given.binding
    node = case.values.nodes.get(binding.key) if binding.key is not None else None
    if node is not None and node.definition is not None and node.definition.sweep is not None:
        return _written(node.definition, node.name, value, case)
    return binding.span or given.binding.parameter.span or part.placed.span


def _repeated(case: Case, recipe: Recipe, needed: frozenset[str]) -> Iterable[Source]:
    """What a step's own ``sweep`` gives its parameters: each value of each, whatever the others are."""
    part = recipe.part
    for axis in part.repeats:
        for place, key in enumerate(axis.names):
            parameter = part.facts.parameters[key]
            values = tuple(dict.fromkeys(point[place] for point in axis.points))
            yield Source(
                name=parameter.name,
                provider=part.facts.name,
                kind=_kind(parameter.type),
                axes=needed,
                seeded=False,
                late=False,
                values=_where(recipe, partial(_these, values)),
                place=lambda value, sweep=axis.sweep, place=place: place_in_sweep(sweep, place, value, case),  # type: ignore[misc]
                label=part.label,
                physical=parameter.physical,
            )


def _these(values: Sequence[Value], axes: Assignment, seed: int) -> Sequence[Value]:
    del axes, seed
    return values
