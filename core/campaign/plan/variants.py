"""Variants of one run: the same cell, seed and draws with other values of its parameters, for minimizing.

A variant is planned as ``--set`` plans it, so that types, ranges and limits bind it like any other run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.language.limits import choices_of, ends_of
from campaign.language.providers import ProviderLookup
from campaign.plan.matrix import Run
from campaign.plan.plan import Options, Plan, plan_checked
from campaign.plan.program import Environment, Given, Program, Recipe, as_written
from campaign.plan.repro import literal
from campaign.plugins.api import Tunable
from campaign.plugins.names import canonical
from campaign.rules.limits import Given as Limited
from campaign.rules.limits import binding_limits, dimension
from campaign.rules.structs import Limit
from campaign.units import Dimension, Value

#: Whose values are made smaller where ``order`` names none: of tools alone, the quickest gain first.
_UNNAMED = (Dimension.DURATION.value, "int", Dimension.SIZE.value)


def tunables(
    run: Run, names: Sequence[str] = (), limits: Mapping[str, Limit] = MappingProxyType({})
) -> tuple[Tunable, ...]:
    """The parameters of these names that can be made smaller, in that order; without names those of the run's tools.

    What ``limits`` leave of a parameter's values is all that is tried of them.
    A name may be a setting, an axis, or a provider's parameter, qualified or not; what this run lacks is left out.
    """
    program = run.cell.scenario.program
    environment = program.environment(run.values, run.seed, program.builtins)
    found = [_tunable(program, environment, run, name, limits) for name in names or _unnamed(program, run)]
    return tuple(each for each in found if each is not None)


def _unnamed(program: Program, run: Run) -> list[str]:
    given = [each for recipe in _recipes(program, run, ("run", "serve")) for each in recipe.given]
    ordered = sorted(
        (each for each in given if each.binding.parameter.type.name in _UNNAMED),
        key=lambda each: _UNNAMED.index(each.binding.parameter.type.name),
    )
    return list(dict.fromkeys(each.name for each in ordered))


def _recipes(program: Program, run: Run, kinds: Sequence[str] = ()) -> Iterator[Recipe]:
    return (each for each in program.recipes if (not kinds or each.part.kind in kinds) and each.applies(run.values))


def _tunable(
    program: Program, environment: Environment, run: Run, name: str, limits: Mapping[str, Limit]
) -> Tunable | None:
    """A parameter with the narrowest of the ranges of everything that it reaches."""
    reached = [
        (recipe, each)
        for recipe in _recipes(program, run)
        for each in recipe.given
        if _is_reached(recipe, each, canonical(name))
    ]
    key = next((key for key in program.shown if canonical(key) == canonical(name)), None)
    value = environment[key] if key is not None else _first(reached, environment)
    if isinstance(value, bool | str | tuple) or value is None:
        return None
    lows = [low for recipe, each in reached if (low := ends_of(recipe.part, each.binding.parameter)[0]) is not None]
    choices = [each for recipe, given in reached if (each := choices_of(recipe.part, given.binding.parameter))]
    binding = list(_binding(key or name, value, reached, limits))
    lows += [each.low.value for each in binding if each.low and dimension(each.low.value) == dimension(value)]
    choices += [each.allowed.values for each in binding if each.allowed]
    common = [each for each in choices[0] if all(each in other for other in choices)] if choices else []
    allowed: list[Any] = sorted(each for each in common if not isinstance(each, bool | str | tuple))
    return Tunable(name=name, value=value, low=max(lows, default=None), allowed=tuple(allowed))


def _binding(
    name: str, value: Value, reached: Sequence[tuple[Recipe, Given]], limits: Mapping[str, Limit]
) -> Iterator[Limit]:
    """Every limit that binds a value, by its own name or as that of a parameter that it reaches."""
    yield from binding_limits(Limited(name.rpartition(".")[2], value), value, limits)
    for recipe, given in reached:
        parameter = given.binding.parameter
        limited = Limited(given.name, value, provider=recipe.part.facts.name, kind=parameter.type.name)
        yield from binding_limits(limited, value, limits)


def _is_reached(recipe: Recipe, given: Given, name: str) -> bool:
    """Whether a name sets this parameter: its own, qualified or not, or that of the setting it gets its value from."""
    provider, dot, parameter = name.rpartition(".")
    if dot and canonical(recipe.part.facts.name) == provider:
        return canonical(given.name) == parameter
    return name in (canonical(given.name), canonical(given.binding.key or ""))


def _first(reached: Sequence[tuple[Recipe, Given]], environment: Environment) -> Value | None:
    return next((each.value(environment, as_written) for _, each in reached), None)


def variant(plan: Plan, run: Run, values: Mapping[str, Value], providers: Callable[[], ProviderLookup]) -> Run:
    """The run with other values; its cell, key and draws are those of ``run``, whatever the values are.

    Raises CampaignError with why it cannot be: a value outside its range, or one that a limit refuses.
    """
    assert plan.checked is not None
    scope = run.cell.scenario.program.case.merged.scope
    alone = replace(plan.checked, instances=(scope,))
    sets = (*plan.options.sets, *(f"{name}={literal(value)}" for name, value in values.items()))
    before = plan.options
    options = Options(tier=before.tier, campaign_seed=before.campaign_seed, seeds=(run.seed,), sets=sets)
    planned, found = plan_checked(alone, options, providers(), plan.rules)
    if planned is None:
        raise CampaignError(found)
    return _same(planned, run)


def _same(plan: Plan, run: Run) -> Run:
    """The run of ``plan`` in the same cell, but for axes that were set: those give it another name."""
    found = plan.find(run.key) or next(_alike(plan, run), None)
    if found is None:
        raise CampaignError([Diagnostic("CAMP112", f"with these values {run.key} is excluded")])
    return replace(found, cell=replace(found.cell, name=run.cell.name), key=run.key, id=run.id)


def _alike(plan: Plan, run: Run) -> Iterator[Run]:
    for selected in plan.selected:
        pinned = selected.scenario.program.case.values.pinned
        wanted = {name: value for name, value in run.cell.values.items() if canonical(name) not in pinned}
        for each in plan.runs_of(selected) if pinned else ():
            if all(each.cell.values.get(name) == value for name, value in wanted.items()):
                yield each
