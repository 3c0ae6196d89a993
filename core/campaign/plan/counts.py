"""How many cells and runs there are, exactly and without expanding more than the excludes make necessary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, islice
from math import prod

from campaign.plan.matrix import chosen
from campaign.plan.matrix import runs as runs_of
from campaign.plan.selection import Selected
from campaign.plan.space import Constraint, Space, components, nothing_allowed
from campaign.records.plan import PlanCounts


def count_allowed(sizes: Sequence[int], constraints: Sequence[Constraint]) -> int:
    """How many choices the constraints leave: axes that none depends on are multiplied, not walked.

    Raises UncountableError.
    """
    if nothing_allowed(constraints):
        return 0
    parts = components(sizes, constraints)
    tied = {axis for part in parts for axis in part.axes}
    free = prod(size for axis, size in enumerate(sizes) if axis not in tied)
    return free * prod(sum(1 for _ in part.choices()) for part in parts) if free else 0


def count(selected: Iterable[Selected], campaign_seed: int, limit: int | None = None) -> PlanCounts:
    """Instances, cells, runs and excluded cells of what is meant, of its first ``limit`` runs where one is given.

    Raises CampaignError where that is too much.
    """
    instances = cells = runs = excluded = 0
    for each in selected:
        if limit is not None and runs >= limit:
            break
        space = Space(each.scenario, each.leaves_out)
        own_cells, own_runs, own_excluded = _counted(space, campaign_seed)
        if limit is not None and runs + own_runs > limit:
            own_cells, own_runs = _first(each, campaign_seed, limit - runs), limit - runs
        instances, cells, runs = instances + 1, cells + own_cells, runs + own_runs
        excluded += own_excluded
    return PlanCounts(instances=instances, cells=cells, runs=runs, excluded=excluded)


def _first(each: Selected, campaign_seed: int, limit: int) -> int:
    """How many cells the first ``limit`` runs of a scenario have."""
    seeds = len(each.scenario.seeds)
    if not any(exclusion.uses_seed for exclusion in each.scenario.exclusions):
        return -(-limit // seeds)
    names = (run.cell.name for run in islice(runs_of(each.scenario, "", campaign_seed, each.leaves_out), limit))
    return sum(1 for _ in groupby(names))


def _counted(space: Space, campaign_seed: int) -> tuple[int, int, int]:
    """Cells and runs of one scenario, and the cells that an exclude drops of those that the selection means."""
    choices = chosen(space, campaign_seed)
    if choices is not None and not space.constraints:
        return (*_of_chosen(space, choices), 0)
    constraints = (*space.constraints, *space.narrowing)
    cells = count_allowed(space.sizes, constraints)
    excluded = count_allowed(space.sizes, space.narrowing) - cells if space.constraints else 0
    if choices is not None:
        return (*_of_chosen(space, choices), excluded)
    seeds = len(space.scenario.seeds)
    runs = count_allowed((*space.sizes, seeds), (*constraints, *space.seeded)) if space.seeded else cells * seeds
    return cells, runs, excluded


def _of_chosen(space: Space, choices: Iterable[tuple[int, ...]]) -> tuple[int, int]:
    kept = [choice for choice in choices if not any(each.forbids(choice) for each in space.narrowing)]
    seeds = range(len(space.scenario.seeds))
    if not space.seeded:
        return len(kept), len(kept) * len(seeds)
    runs = ((*choice, seed) for choice in kept for seed in seeds)
    return len(kept), sum(1 for run in runs if not any(each.forbids(run) for each in space.seeded))
