"""From a scenario to its cells and runs, lazily: nothing is kept but the way to the cell at hand.

Order: zip (done by ``compile``), exclude, combine, skip, seeds.  Axes expand in the order in which they are
declared, the last one fastest, and seeds are innermost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from math import ceil, floor
from typing import TypeAlias

from msgspec import Struct

from campaign.plan.assignment import Assignment
from campaign.plan.cover import cover
from campaign.plan.identity import Stream, below, drawer, identifier, run_key
from campaign.plan.names import Template
from campaign.plan.sample import sample
from campaign.plan.scenario import Exclusion, Scenario
from campaign.plan.space import SHORT_AXIS, Constraint, Space
from campaign.units import Quantity, Value

#: Jitter is drawn from this many even points within plus and minus its width.
JITTER_POINTS = 2001
_JITTER_STEPS = (JITTER_POINTS - 1) // 2


class Cell(Struct, frozen=True):
    """An instance with one value for each axis; ``values`` are in the order of the axes."""

    scenario: Scenario
    values: Assignment
    name: str


class Run(Struct, frozen=True):
    """A cell and a seed; ``values`` are the cell's, with this run's jitter added where an axis has some."""

    cell: Cell
    seed: int
    key: str
    id: str
    values: Assignment

    @property
    def scenario(self) -> Scenario:
        """The scenario it comes from."""
        return self.cell.scenario


def cells(scenario: Scenario, campaign_seed: int, leaves_out: Sequence[Exclusion] = ()) -> Iterator[Cell]:
    """The cells of a scenario in order: those that ``combine`` chooses, without those that a selection leaves out.

    ``cover`` and ``sample`` draw from the campaign's seed and the instance's label alone.  Raises CampaignError where
    they are too large.
    """
    space = Space(scenario, leaves_out)
    choices = chosen(space, campaign_seed)
    if choices is None:
        return _every_cell(space)
    return (cell_of(space, choice) for choice in choices if not any(each.forbids(choice) for each in space.narrowing))


def cell_of(space: Space, choice: Sequence[int]) -> Cell:
    """The cell of a choice."""
    return Cell(space.scenario, space.values(choice), space.name(choice))


def chosen(space: Space, campaign_seed: int) -> list[tuple[int, ...]] | None:
    """The choices that ``cover`` or ``sample`` makes, in the order of the matrix; None where every allowed one is."""
    how, count = space.scenario.combination.how, space.scenario.combination.count
    if how == "all" or (how == "cover" and count >= len(space.axes)):
        return None
    stream = Stream(campaign_seed, space.scenario.label_text, how)
    choices = cover(space, count, stream) if how == "cover" else sample(space, count, stream)
    return None if choices is None else sorted(choices)


def _every_cell(space: Space) -> Iterator[Cell]:
    scenario, depths, last = space.scenario, space.by_depth(), len(space.axes) - 1
    choice = [0] * len(space.axes)
    if last < 0:
        if not _forbidden(depths[0], choice):
            yield Cell(scenario, {}, space.template.fill([]))
        return
    points, constraints = _last_points(space), depths[last + 1]
    for outer, filled in _prefixes(space, depths, choice, last):
        named = _frame(space.template, filled, last)
        for choice[last], (values, texts) in enumerate(points()):
            if constraints and _forbidden(constraints, choice):
                continue
            yield Cell(scenario, outer | values, named(texts))


def _last_points(space: Space) -> Callable[[], Iterable[tuple[dict[str, Value], tuple[str, ...]]]]:
    """The last axis's points again and again, as values by name and texts; kept where the axis is short."""
    axis, texts = space.axes[-1], space.texts[-1]

    def made() -> Iterator[tuple[dict[str, Value], tuple[str, ...]]]:
        for index, point in enumerate(axis.points):
            yield dict(zip(axis.names, point, strict=True)), texts(index)

    if len(axis.points) > SHORT_AXIS:
        return made
    kept = list(made())
    return lambda: kept


def _forbidden(constraints: list[Constraint], choice: list[int]) -> bool:
    return any(constraint.forbids(choice) for constraint in constraints)


def _prefixes(
    space: Space, depths: list[list[Constraint]], choice: list[int], depth: int
) -> Iterator[tuple[dict[str, Value], list[tuple[str, ...]]]]:
    """Values and texts of the first ``depth`` axes in order, their indexes in ``choice``; excluded branches fall.

    A stack of its own, one axis a level: a spec may have more axes than Python has frames.
    """
    if _forbidden(depths[0], choice):
        return
    way: list[tuple[dict[str, Value], list[tuple[str, ...]]]] = [({}, [])]
    levels: list[Iterator[tuple[int, tuple[Value, ...]]]] = []
    while True:
        if len(way) > depth:
            yield way.pop()
        else:
            levels.append(enumerate(space.axes[len(levels)].points))
        while levels and not _step(space, depths, choice, way, levels):
            levels.pop()
            way.pop()
        if not levels:
            return


def _step(
    space: Space,
    depths: list[list[Constraint]],
    choice: list[int],
    way: list[tuple[dict[str, Value], list[tuple[str, ...]]]],
    levels: list[Iterator[tuple[int, tuple[Value, ...]]]],
) -> bool:
    """Append the next allowed point of the deepest axis to ``way``; False where it has none left."""
    place = len(levels) - 1
    (outer, filled), names, texts = way[place], space.axes[place].names, space.texts[place]
    for index, point in levels[place]:
        choice[place] = index
        if not _forbidden(depths[place + 1], choice):
            way.append((outer | dict(zip(names, point, strict=True)), [*filled, texts(index)]))
            return True
    return False


def _frame(template: Template, filled: list[tuple[str, ...]], last: int) -> Callable[[tuple[str, ...]], str]:
    """The name as a function of the last axis's texts: most cells differ from the one before only there."""
    pieces = [p if isinstance(p, str) else p[1] if p[0] == last else filled[p[0]][p[1]] for p in template.pieces]
    slots = [place for place, piece in enumerate(pieces) if isinstance(piece, int)]
    if len(slots) == 1 and pieces[slots[0]] == 0:
        before, after = "".join(map(str, pieces[: slots[0]])), "".join(map(str, pieces[slots[0] + 1 :]))
        return lambda texts: before + texts[0] + after
    return lambda texts: "".join([piece if isinstance(piece, str) else texts[piece] for piece in pieces])


def runs(
    scenario: Scenario, campaign_name: str, campaign_seed: int, leaves_out: Sequence[Exclusion] = ()
) -> Iterator[Run]:
    """The runs of a scenario in order: each cell with each of its seeds, without those that an exclude drops."""
    identify, jittered = identifier(campaign_name), jitter(scenario, campaign_seed)
    excluding = [exclusion for exclusion in scenario.exclusions if exclusion.uses_seed]
    for cell in cells(scenario, campaign_seed, leaves_out):
        for seed in scenario.seeds:
            if excluding and any(exclusion.test(cell.values, seed) for exclusion in excluding):
                continue
            key = run_key(cell.name, seed)
            yield Run(cell, seed, key, identify(key), jittered(cell.values, key) if jittered else cell.values)


def chains(found: Iterable[Run]) -> Iterator[tuple[Run, ...]]:
    """Runs in order, those of a cell together."""
    return (tuple(those) for _, those in groupby(found, lambda run: run.cell.name))


def run_of(cell: Cell, seed: int, campaign_name: str, campaign_seed: int) -> Run:
    """One run of a cell, whether or not the plan holds it."""
    key, jittered = run_key(cell.name, seed), jitter(cell.scenario, campaign_seed)
    values = jittered(cell.values, key) if jittered else cell.values
    return Run(cell, seed, key, identifier(campaign_name)(key), values)


Numeric: TypeAlias = "Quantity | int | Fraction"
#: The lowest and the highest value allowed.
Bounds: TypeAlias = "tuple[Numeric | None, Numeric | None]"


def jitter(
    scenario: Scenario, campaign_seed: int, limits: Mapping[str, Bounds] | None = None
) -> Callable[[Assignment, str], Assignment] | None:
    """A function from a cell's values and a run's key to the run's values; None where no axis has jitter.

    ``limits`` are bounds by axis name, instead of the axis's own; points past one are not drawn.
    """
    widths = {axis.names[0]: axis.jitter for axis in scenario.axes if axis.jitter is not None}
    if not widths:
        return None
    draws = {name: drawer(campaign_seed, f"jitter.{name}") for name in widths}
    bounds = {axis.names[0]: axis.bounds for axis in scenario.axes} | dict(limits or {})

    def moved(values: Assignment, key: str) -> Assignment:
        changed = dict(values)
        for name, width in widths.items():
            value = values[name]
            if isinstance(value, Quantity | int | Fraction):
                changed[name] = offset(value, width, draws[name](key), bounds.get(name, (None, None)))
        return changed

    return moved


def offset(value: Numeric, width: Numeric, drawn: int, bounds: Bounds = (None, None)) -> Numeric:
    """``value`` moved by one of 2,001 even points within plus and minus ``width``, those past a bound left out.

    Where every point is past one, ``value`` stays as it is, for the limit itself to refuse.
    """
    lowest, highest = bounds
    middle, step = _plain(value), _plain(width) / _JITTER_STEPS
    if not step:
        return value
    first = -_JITTER_STEPS if lowest is None else max(-_JITTER_STEPS, ceil((_plain(lowest) - middle) / step))
    last = _JITTER_STEPS if highest is None else min(_JITTER_STEPS, floor((_plain(highest) - middle) / step))
    if first > last:
        return value
    moved = middle + step * (first + below(drawn, last - first + 1))
    return Quantity(moved, value.dimension, value.unit) if isinstance(value, Quantity) else moved


def reach(value: Numeric, width: Numeric, bounds: Bounds = (None, None)) -> tuple[Numeric, Numeric]:
    """The least and the most that jitter can make of ``value``."""
    return offset(value, width, 0, bounds), offset(value, width, (1 << 64) - 1, bounds)


def _plain(value: Numeric) -> Fraction:
    return value.value if isinstance(value, Quantity) else Fraction(value)
