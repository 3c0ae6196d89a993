"""What changed between two plans: cells added, removed, and changed, and by which value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from campaign.plan.explanation import explain_values
from campaign.plan.listing import planned_steps
from campaign.plan.lookup import NameReader
from campaign.plan.matrix import Cell, cell_of, chosen, run_of
from campaign.plan.plan import Plan
from campaign.plan.selection import Selected
from campaign.plan.space import Space

_STEP = "step "

#: What a cell comes to, by name, as texts that can be compared and shown.
Facts = Mapping[str, str]


class Change(Struct, frozen=True, omit_defaults=True):
    """One cell that differs; ``values`` are, for a changed one, (name, before, after), None where it was not there."""

    cell: str
    change: Literal["added", "removed", "changed"]
    values: tuple[tuple[str, str | None, str | None], ...] = ()


def compare(before: Plan, after: Plan) -> Iterator[Change]:
    """The differences: first what ``before`` holds, in its order, then the cells that only ``after`` has.

    Neither plan is ever held in memory; raises CampaignError where a value of a cell cannot be computed.
    """
    index = CellIndex(after)
    for cell in before.cells():
        now = index.cell(cell.name)
        if now is None:
            yield Change(cell.name, "removed")
        elif changed := tuple(differing(facts(cell, before), facts(now, after))):
            yield Change(cell.name, "changed", changed)
    index = CellIndex(before)
    for cell in after.cells():
        if index.cell(cell.name) is None:
            yield Change(cell.name, "added")


class CellIndex:
    """The cells of a plan by name, prepared once."""

    def __init__(self, plan: Plan) -> None:
        self._entries = [_Entry(each, plan.seed) for each in plan.selected]

    def cell(self, name: str) -> Cell | None:
        """The cell of that name; None where the plan does not hold it."""
        return next((cell for entry in self._entries if (cell := entry.cell(name)) is not None), None)


class _Entry:
    def __init__(self, selected: Selected, campaign_seed: int) -> None:
        self._space = Space(selected.scenario, selected.leaves_out)
        self._reader = NameReader(self._space)
        choices = chosen(self._space, campaign_seed)
        self._chosen = None if choices is None else frozenset(choices)

    def cell(self, name: str) -> Cell | None:
        choice = self._reader.choice(name)
        if choice is None or (self._chosen is not None and choice not in self._chosen):
            return None
        constraints = (*self._space.constraints, *self._space.narrowing)
        return None if any(each.forbids(choice) for each in constraints) else cell_of(self._space, choice)


def facts(cell: Cell, plan: Plan) -> Facts:
    """What a cell comes to: its seeds, tags and slots, its values, and its steps as argument vectors.

    Seen with the first of its seeds.
    """
    scenario = cell.scenario
    run = run_of(cell, scenario.seeds[0], plan.name, plan.seed)
    found = {
        "seeds": _seeds(scenario.seeds),
        "tags": ", ".join(scenario.tags),
        "needs": ", ".join(f"{name} = {count}" for name, count in scenario.needs.items()),
    }
    found |= {each.name: each.value for each in explain_values(run, plan.seed)}
    return found | {f"{_STEP}{step.label}": " ".join(step.argv) for step in planned_steps(run, plan.name, plan.seed)}


def _seeds(seeds: object) -> str:
    if isinstance(seeds, range) and seeds.step == 1 and len(seeds) > 1:
        return f"{seeds[0]}..{seeds[-1]}"
    assert isinstance(seeds, list | tuple | range)
    return ", ".join(map(str, seeds))


def differing(before: Facts, after: Facts) -> list[tuple[str, str | None, str | None]]:
    """The names whose values differ, in order of ``before``, new ones last; argument vectors only where none does."""
    changed = list(_differing(before, after))
    return [each for each in changed if not each[0].startswith(_STEP)] or changed


def _differing(before: Facts, after: Facts) -> Iterator[tuple[str, str | None, str | None]]:
    for name, value in before.items():
        if after.get(name) != value:
            yield name, value, after.get(name)
    for name, value in after.items():
        if name not in before:
            yield name, None, value
