"""A shmoo: what the runs came to over two axes, a panel for each combination of the further ones; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, product
from math import prod

from campaign.analysis.cells import Cells, Counts, Labels, Sweep, best, number_of, scale_of, tally_of, without
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.records.overview import Choice, Panel, Scale, Shmoo
from campaign.units import Dimension

#: Points of one panel, and of all: a picture with more cannot be read, or be opened.
MOST_POINTS, MOST_DRAWN = 40_000, 60_000


def shmoo_of(instances: Iterable[Cells], choice: Choice) -> Shmoo | None:
    """The shmoo of what was counted; None where no instance has two axes that fit.

    Raises CampaignError (CAMP589) where the choice names an axis that there is not.
    """
    found = [cells for cells in instances if cells.counts or cells.planned]
    scales = _scales(found)
    _check(choice, scales)
    axes = _axes(found, scales, choice)
    if axes is None:
        return None
    x, y = axes
    shown = [cells for cells in found if x in cells.axes and y in cells.axes]
    across, up = _own(shown, x), _own(shown, y)
    if len(across.values) * len(up.values) > MOST_POINTS:
        return None
    most = max(1, min(choice.panels, MOST_DRAWN // (len(across.values) * len(up.values))))
    summed: dict[str, None] = {}
    panels = [panel for cells in shown for panel in _panels(cells, across, up, most, summed)]
    return Shmoo(
        x=across,
        y=up,
        panels=tuple(panels[:most]),
        summed=tuple(dict.fromkeys((*(name for cells in shown for name in cells.folded), *summed))),
        left_out=max(0, len(panels) - most),
    )


def _scales(found: Sequence[Cells]) -> dict[str, Scale]:
    """Every axis over all instances, in the order in which they are declared."""
    names = dict.fromkeys(name for cells in found for name in cells.axes)
    return {name: _own([cells for cells in found if name in cells.axes], name) for name in names}


def _own(found: Sequence[Cells], name: str) -> Scale:
    """The values of an axis: those that were to be run, and those that were."""
    planned = chain.from_iterable(_planned_values(cells, name) for cells in found)
    labels = ((cells.axes.index(name), cells.counts) for cells in found)
    run = chain.from_iterable((each[index] for each in counts) for index, counts in labels)
    return scale_of(name, chain(planned, run))


def _planned_values(cells: Cells, name: str) -> list[str]:
    """What an axis takes in some cell of the plan."""
    places = ((sweep.names.index(name), sweep.points) for sweep in cells.planned if name in sweep.names)
    return [point[index] for index, points in places for point in points]


def _check(choice: Choice, scales: dict[str, Scale]) -> None:
    for name in (choice.x, choice.y):
        if name is not None and name not in scales:
            there = f"there are {', '.join(scales)}" if scales else "it has none"
            raise CampaignError([Diagnostic("CAMP589", f"no axis of this campaign is called {name}", hint=there)])
    if choice.x is not None and choice.x == choice.y:
        raise CampaignError([Diagnostic("CAMP589", f"{choice.x} cannot be both axes of a shmoo")])


def _axes(found: Sequence[Cells], scales: dict[str, Scale], choice: Choice) -> tuple[str, str] | None:
    """The two axes, across and up: those of the choice, else the first instance's best two.

    Of these a voltage stands upwards, as labs draw it, else the outer one.
    """
    for cells in found:
        names = [name for name in cells.axes if name not in (choice.x, choice.y)]
        missing = (choice.x, choice.y).count(None)
        rest = best([scales[name] for name in names], missing) or (names if missing < 2 else [])
        if any(name is not None and name not in cells.axes for name in (choice.x, choice.y)):
            continue
        wanted = [choice.y, choice.x]
        free = iter(rest)
        up, across = (name if name is not None else next(free, None) for name in wanted)
        if up is not None and across is not None:
            upright = missing < 2 or _is_voltage(scales[up]) or not _is_voltage(scales[across])
            return (across, up) if upright else (up, across)
    if choice.x is not None and choice.y is not None:
        raise CampaignError([Diagnostic("CAMP589", f"no scenario has both {choice.x} and {choice.y} as axes")])
    return None


def _is_voltage(scale: Scale) -> bool:
    return number_of(scale.values[0])[0] == Dimension.VOLTAGE


def _panels(cells: Cells, across: Scale, up: Scale, most: int, summed: dict[str, None]) -> Iterable[Panel]:
    """An instance's panels; axes are added up, the one with the most values first, until there are few enough."""
    axes, counts = cells.axes, cells.counts
    further = [name for name in axes if name not in (across.name, up.name)]
    values = {name: {labels[axes.index(name)] for labels in counts} for name in further}
    sizes = {name: len(each.union(_planned_values(cells, name))) for name, each in values.items()}
    while further and prod(sizes[name] for name in further) > most:
        gone = max(further, key=lambda name: sizes[name])
        summed[gone] = None
        counts = without(axes, counts, (gone,))
        axes = tuple(name for name in axes if name != gone)
        further.remove(gone)
    return _drawn(cells, axes, counts, across, up)


def _to_be_run(cells: Cells, further: Sequence[str], across: Scale, up: Scale) -> Iterable[Labels]:
    """The panels of the plan: every combination of the ``further`` axes, where these go with neither of the two."""
    sweeps = [sweep for sweep in cells.planned if not set(further).isdisjoint(sweep.names)]
    names = [name for sweep in sweeps for name in sweep.names if name in further]
    with_own = any(name in sweep.names for sweep in sweeps for name in (across.name, up.name))
    if not cells.planned or with_own or not set(further).issubset(names):
        return
    for points in product(*(_without(sweep, further) for sweep in sweeps)):
        found = dict(zip(names, chain.from_iterable(points), strict=True))
        yield tuple(found[name] for name in further)


def _without(sweep: Sweep, kept: Sequence[str]) -> Iterable[Labels]:
    """The points of a sweep with the names alone that are ``kept``, each once."""
    places = [index for index, name in enumerate(sweep.names) if name in kept]
    return dict.fromkeys(tuple(point[index] for index in places) for point in sweep.points)


def _drawn(cells: Cells, axes: Labels, counts: dict[Labels, Counts], across: Scale, up: Scale) -> list[Panel]:
    columns = {value: index for index, value in enumerate(across.values)}
    rows = {value: index for index, value in enumerate(up.values)}
    at, over = axes.index(across.name), axes.index(up.name)
    names = [name for name in axes if name not in (across.name, up.name)]
    grids: dict[Labels, list[list[Counts | None]]] = {}
    for fixed in _to_be_run(cells, names, across, up):
        grids[fixed] = [[None] * len(columns) for _ in rows]
    for labels, each in counts.items():
        fixed = tuple(label for index, label in enumerate(labels) if index not in (at, over))
        grid = grids.get(fixed)
        if grid is None:
            grid = grids[fixed] = [[None] * len(columns) for _ in rows]
        grid[rows[labels[over]]][columns[labels[at]]] = each
    return [
        Panel(
            instance=cells.instance,
            axes=dict(zip(names, fixed, strict=True)),
            points=tuple(tuple(None if each is None else tally_of(each) for each in row) for row in grid),
        )
        for fixed, grid in grids.items()
    ]
