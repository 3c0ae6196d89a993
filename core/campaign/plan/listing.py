"""A run as ``plan --list`` and ``explain`` show it: what will be done, as far as it is known before it is done.

What only an attempt decides (its working directory, the slots it holds, a served tool's port, a captured variable)
stands as the placeholder that it has in the spec: ``{workdir}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from typing import Any

from msgspec import Struct

from campaign.plan.conditions import render_faults
from campaign.plan.evaluation import Evaluation
from campaign.plan.identity import draw
from campaign.plan.matrix import Run
from campaign.plan.plan import Plan
from campaign.plan.processes import Place, Rendered, render_processes
from campaign.plan.program import as_written
from campaign.plan.render import shared_builtins
from campaign.units import Dimension, Quantity, Value, format_value, to_shown_json


class PlannedStep(Struct, frozen=True):
    """A step as ``plan --list`` shows it: what only an attempt decides stands as its placeholder."""

    label: str
    tool: str
    argv: tuple[str, ...]


class PlannedFault(Struct, frozen=True):
    """A fault as ``plan --list`` shows it; of those that a schedule lays out more than once the label has an index."""

    label: str
    fault: str
    at: str


class ListedRun(Struct, frozen=True, omit_defaults=True):
    """One run, one JSON object a line; quantities are strings as in the language.

    ``axes`` are those of the cell; a run's jitter shows in ``settings``.  ``faults`` are there where a schedule lays
    some of them out.
    """

    key: str
    id: str
    instance: str
    cell: str
    axes: dict[str, Any]
    seed: int
    settings: dict[str, Any]
    steps: tuple[PlannedStep, ...]
    tags: tuple[str, ...]
    needs: Mapping[str, int]
    faults: tuple[PlannedFault, ...] = ()


def listed(run: Run, plan: Plan) -> ListedRun:
    """What is known of a run; raises CampaignError where a value cannot be computed or a tool does not answer."""
    scenario = run.scenario
    return ListedRun(
        key=run.key,
        id=run.id,
        instance=scenario.label_text,
        cell=run.cell.name,
        axes=_as_json(run.cell.values),
        seed=run.seed,
        settings=_as_json(scenario.program.settings(run.values, run.seed)),
        steps=planned_steps(run, plan.name, plan.seed),
        tags=scenario.tags,
        needs=scenario.needs,
        faults=planned_faults(run, plan.name, plan.seed),
    )


def planned_steps(run: Run, campaign_name: str, campaign_seed: int) -> tuple[PlannedStep, ...]:
    """The steps of a run without an attempt: ``{workdir}``, ``{slot.gpu}``, ``{env.HOME}`` stay as they are."""
    program, scenario = run.scenario.program, run.scenario
    known = {**program.builtins, **shared_builtins(run, campaign_name, program)}
    environment = program.environment(run.values, run.seed, known)
    drawn = partial(draw, campaign_seed, run.key)
    place = Place("{workdir}", run.seed, scenario.label_text, run.cell.name, 1, program.tier, drawn)
    processes = render_processes(program, run.values, environment, place, as_written)
    return tuple(
        PlannedStep(_labelled(each), each.recipe.part.facts.name, each.argv)
        for each in processes
        if each.recipe.part.kind == "run"
    )


def planned_faults(run: Run, campaign_name: str, campaign_seed: int) -> tuple[PlannedFault, ...]:
    """The faults of a run with the instants that were drawn for them; none where no schedule lays them out."""
    program = run.scenario.program
    recipes = [each for each in program.recipes if each.part.kind == "fault" and each.applies(run.values)]
    if not recipes or program.schedule is None:
        return ()
    known = {**program.builtins, **shared_builtins(run, campaign_name, program)}
    environment = program.environment(run.values, run.seed, known)
    evaluation = Evaluation(environment, as_written, partial(draw, campaign_seed, run.key))
    orders = render_faults(recipes, program.schedule, evaluation, (), run.seed)
    return tuple(PlannedFault(each.name, each.fault, _instant(each.at_s)) for each in orders)


def _instant(at_s: float) -> str:
    return format_value(Quantity(Fraction(str(at_s)), Dimension.DURATION, "s"))


def _labelled(rendered: Rendered) -> str:
    label = rendered.recipe.part.label
    return label if rendered.index is None else f"{label}[{rendered.index}]"


def _as_json(values: Mapping[str, Value]) -> dict[str, Any]:
    return {name: to_shown_json(value) for name, value in values.items()}
