"""A run as ``plan --list`` and ``explain`` show it: what will be done, as far as it is known before it is done.

What only an attempt decides (its working directory, the slots it holds, a served tool's port, a captured variable)
stands as the placeholder that it has in the spec: ``{workdir}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from campaign.plan.matrix import Run
from campaign.plan.plan import Plan
from campaign.plan.render import PlannedStep, planned_steps
from campaign.units import Value, to_shown_json


class ListedRun(Struct, frozen=True):
    """One run, one JSON object a line; quantities are strings as in the language.

    ``axes`` are those of the cell; a run's jitter shows in ``settings``.
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
    )


def _as_json(values: Mapping[str, Value]) -> dict[str, Any]:
    return {name: to_shown_json(value) for name, value in values.items()}
