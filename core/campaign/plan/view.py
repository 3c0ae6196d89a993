"""What ``plan.json`` tells of instances: their axes with the values that some cell has, and what of them is skipped."""

from __future__ import annotations

from itertools import islice
from math import prod

from campaign.plan.assignment import Assignment
from campaign.plan.duties import skipped_by
from campaign.plan.matrix import cells
from campaign.plan.plan import Plan
from campaign.plan.scenario import Axis
from campaign.plan.selection import Selected
from campaign.plugins.wildcards import matches
from campaign.records.plan import PlanAxis, PlanInstance, PlanSkip
from campaign.rules.structs import RuleBook, Skip
from campaign.units import Value, to_json

#: Values of an axis that are told, instances of which they are, and cells that are looked at, of all of them together.
MOST_VALUES, _MOST_INSTANCES, _MOST_ASKED = 2_000, 1_000, 10_000


def planned_instances(plan: Plan) -> tuple[PlanInstance, ...]:
    """The instances of which a plan holds something, in order."""
    whole = plan.options.limit is None  # how far a limit reaches is not known before all is counted
    found, asked = [], 0
    for number, each in enumerate(plan.selected):
        size = prod(len(axis.points) for axis in each.scenario.axes)
        exact = asked + size <= _MOST_ASKED
        asked += size if exact else 0
        found.append(_instance(each, _sweeps(each, plan.seed, exact) if whole and number < _MOST_INSTANCES else ()))
    return tuple(found)


def _instance(selected: Selected, sweeps: tuple[PlanAxis, ...]) -> PlanInstance:
    scenario = selected.scenario
    return PlanInstance(
        instance=scenario.label_text,
        about=scenario.about,
        group=scenario.group,
        tags=scenario.tags,
        axes=tuple(name for axis in scenario.axes for name in axis.names),
        sweeps=sweeps,
    )


def _sweeps(selected: Selected, seed: int, exact: bool) -> tuple[PlanAxis, ...]:
    """The axes with the points that some cell has; where there are too many cells, those that none can have go."""
    scenario = selected.scenario
    if exact:
        every = list(cells(scenario, seed, selected.leaves_out))
        return tuple(_axis(axis, {_point(axis, cell.values) for cell in every}) for axis in scenario.axes)
    if scenario.combination.how == "sample" or any(len(axis.points) > MOST_VALUES for axis in scenario.axes):
        return ()
    return tuple(_axis(axis, _not_excluded(selected, axis)) for axis in scenario.axes)


def _axis(axis: Axis, points: set[tuple[Value, ...]]) -> PlanAxis:
    return PlanAxis(axis.names, tuple(tuple(map(to_json, point)) for point in axis.points if point in points))


def _point(axis: Axis, values: Assignment) -> tuple[Value, ...]:
    return tuple(values[name] for name in axis.names)


def _not_excluded(selected: Selected, axis: Axis) -> set[tuple[Value, ...]]:
    """The points of an axis that no exclusion drops whatever the other axes are."""
    excluding = (*selected.scenario.exclusions, *selected.leaves_out)
    alone = [each for each in excluding if each.names and each.names <= set(axis.names) and not each.uses_seed]
    values = {point: dict(zip(axis.names, point, strict=True)) for point in axis.points}
    return {point for point, own in values.items() if not any(each.test(own, 0) for each in alone)}


def planned_skips(plan: Plan) -> tuple[PlanSkip, ...]:
    """What the rule sets keep from running: whole instances, and cells of others by the pattern that names them."""
    book = plan.rules.book if plan.rules is not None else RuleBook()
    left = [Selected(each.scenario) for each in plan.left_out if each.ruled]
    return tuple(
        _skip(each.scenario.label_text, rule)
        for each in (*left, *plan.selected)
        for rule in skipped_by(each.scenario, book)
        if rule.cell is None or _drops(rule.cell, each, plan.seed)
    )


def _drops(pattern: str, selected: Selected, seed: int) -> bool:
    """Whether a pattern fits some cell, as far as that can be told quickly."""
    others = tuple(each for each in selected.leaves_out if each.why is None)
    asked = list(islice(cells(selected.scenario, seed, others), _MOST_ASKED))
    return len(asked) == _MOST_ASKED or any(matches(pattern, cell.name) for cell in asked)


def _skip(instance: str, rule: Skip) -> PlanSkip:
    origin = rule.origin
    return PlanSkip(
        instance=instance,
        cells=rule.cell,
        why=origin.why or "",
        issue=rule.issue,
        rule_set=origin.rule_set,
        place=str(origin.span),
    )
