"""The instances of a plan as rows: axes, how they are combined, and how many cells and runs that makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from campaign.cli.tables import table
from campaign.plan.counts import count
from campaign.plan.names import axis_units, point_texts
from campaign.plan.plan import Plan
from campaign.plan.scenario import Axis, Scenario
from campaign.records.plan import PlanCounts

_SHOWN_VALUES = 4


class AxisRow(Struct, frozen=True):
    """One axis: its names, how many values it has, and the first ones as names of cells write them."""

    names: tuple[str, ...]
    size: int
    values: tuple[str, ...]


class InstanceRow(Struct, frozen=True, kw_only=True):
    """One instance of a plan."""

    instance: str
    group: str
    about: str | None
    tags: tuple[str, ...]
    axes: tuple[AxisRow, ...]
    combine: str
    seeds: int
    cells: int
    runs: int
    excluded: int


def instance_rows(plan: Plan) -> Iterator[InstanceRow]:
    """The instances of which a plan holds something, in order; ``--limit`` aside."""
    for each in plan.selected:
        counted = count([each], plan.seed)
        yield _row(each.scenario, counted.cells, counted.runs, counted.excluded)


def added_up(rows: Sequence[InstanceRow]) -> PlanCounts:
    """The counts of all rows together: nothing is counted, covered or sampled twice."""
    return PlanCounts(
        instances=len(rows),
        cells=sum(row.cells for row in rows),
        runs=sum(row.runs for row in rows),
        excluded=sum(row.excluded for row in rows),
    )


def _row(scenario: Scenario, cells: int, runs: int, excluded: int) -> InstanceRow:
    how, size = scenario.combination.how, scenario.combination.count
    return InstanceRow(
        instance=scenario.label_text,
        group=scenario.group,
        about=scenario.about,
        tags=scenario.tags,
        axes=tuple(_axis(axis) for axis in scenario.axes),
        combine=how if how == "all" else f"{how} {size}",
        seeds=len(scenario.seeds),
        cells=cells,
        runs=runs,
        excluded=excluded,
    )


def _axis(axis: Axis) -> AxisRow:
    units = axis_units(axis)
    shown = range(min(len(axis.points), _SHOWN_VALUES))
    values = tuple("/".join(point_texts(axis.points[index], units)) for index in shown)
    return AxisRow(axis.names, len(axis.points), values)


def rows_table(rows: Sequence[InstanceRow]) -> str:
    """The instances as a table."""
    headers = ("instance", "axes", "combine", "excluded", "cells", "seeds", "runs", "tags")
    cells = [
        (
            row.instance,
            " x ".join(axis_text(axis) for axis in row.axes),
            row.combine,
            row.excluded or "",
            f"{row.cells:_}",
            f"{row.seeds:_}",
            f"{row.runs:_}",
            ", ".join(row.tags),
        )
        for row in rows
    ]
    return table(headers, cells, numbers=("excluded", "cells", "seeds", "runs"))


def axis_text(axis: AxisRow) -> str:
    """``journal(3)``, ``voltage/frequency(2)``."""
    return f"{'/'.join(axis.names)}({axis.size:_})"
