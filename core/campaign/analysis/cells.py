"""Runs counted by the cell they belong to, in one pass and in bounded memory.

Where an instance has too many cells, the axis with the most values is forgotten (not one that a shmoo would take, as
long as there is another) and the cells that then look alike are added up: what remains is exact, and which axes were
folded is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from campaign.ledger.rows import Glance
from campaign.records import PlanAxis, PlanInstance
from campaign.records.overview import Scale, Tally
from campaign.units import Quantity, UnitError, format_value, parse_number, parse_quantity

#: Cells of one instance before an axis is folded; instances; letters of a value or a label.
MOST_CELLS, MOST_INSTANCES, LONGEST = 50_000, 1_000, 120
#: Values of an axis of a picture.
MOST_SHOWN = 2_000
_PLACES = {"pass": 0, "fail": 1, "error": 2, "canceled": 3, "skipped": 4, None: 5}
_NOTHING = (0, 0, 0, 0, 0, 0)

Counts = list[int]
Labels = tuple[str, ...]


class Sweep(Struct, frozen=True):
    """An axis of the plan, or several that go together, with what it takes in some cell, as labels."""

    names: Labels
    points: tuple[Labels, ...]


class Cells:
    """The cells of one instance: its axes by name, counts by the axes' values, and what was to be run."""

    def __init__(self, instance: str, axes: Labels, keep: Collection[str], planned: tuple[Sweep, ...] = ()) -> None:
        self.instance = instance
        self.axes = axes
        self.planned = planned
        self.folded: list[str] = []
        self.counts: dict[Labels, Counts] = {}
        self.all: Counts = list(_NOTHING)
        self._keep = keep

    def add(self, labels: Labels, verdict: str | None) -> None:
        """Count a run; ``labels`` are the values of the axes that the instance had at first."""
        place = _PLACES.get(verdict, 5)
        self.all[place] += 1
        if self.folded:
            labels = tuple(label for label, name in zip(labels, self._named, strict=True) if name in self.axes)
        found = self.counts.get(labels)
        if found is None:
            found = self.counts[labels] = list(_NOTHING)
        found[place] += 1
        while len(self.counts) > MOST_CELLS and self.axes:
            self._fold()

    def _fold(self) -> None:
        """Forget an axis."""
        if not self.folded:
            self._named = self.axes
        values = {name: {labels[index] for labels in self.counts} for index, name in enumerate(self.axes)}
        wanted = self._keep or best([scale_of(name, each) for name, each in values.items()], 2)
        gone = max(self.axes, key=lambda name: (name not in wanted, len(values[name])))
        self.counts = without(self.axes, self.counts, (gone,))
        self.axes = tuple(name for name in self.axes if name != gone)
        self.folded.append(gone)


def best(scales: Sequence[Scale], count: int) -> list[str]:
    """The numeric axes with the most values that a picture can show, in the order given."""
    numeric = [each for each in scales if each.numeric and 1 < len(each.values) <= MOST_SHOWN]
    chosen = sorted(numeric, key=lambda each: -len(each.values))[:count]
    return [each.name for each in numeric if each in chosen]


def without(axes: Labels, counts: Mapping[Labels, Counts], gone: Collection[str]) -> dict[Labels, Counts]:
    """The counts, added up over the axes that are ``gone``."""
    kept = [index for index, name in enumerate(axes) if name not in gone]
    summed: dict[Labels, Counts] = {}
    for labels, each in counts.items():
        total = summed.setdefault(tuple(labels[index] for index in kept), list(_NOTHING))
        for place, number in enumerate(each):
            total[place] += number
    return summed


class CellTally:
    """Counts glances by instance and cell; ``keep`` are axes that are folded last, ``planned`` what was to be run."""

    def __init__(self, keep: Collection[str] = (), planned: Iterable[PlanInstance] = ()) -> None:
        self.instances: dict[tuple[str, Labels], Cells] = {}
        self.left_out = 0
        self._keep = frozenset(keep)
        for each in planned:
            if each.sweeps and len(self.instances) < MOST_INSTANCES:
                instance, axes = label_of(each.instance), tuple(map(label_of, each.axes))
                self.instances[instance, axes] = Cells(instance, axes, self._keep, tuple(map(_sweep, each.sweeps)))

    def add(self, glance: Glance) -> None:
        """Count a run, by the attempt that decides it."""
        if not glance.decides:
            return
        axes = tuple(glance.axes)
        cells = self.instances.get((glance.instance, axes))
        if cells is None:
            if len(self.instances) >= MOST_INSTANCES:
                self.left_out += 1
                return
            cells = self.instances[glance.instance, axes] = Cells(glance.instance, axes, self._keep)
        cells.add(tuple([label_of(value) for value in glance.axes.values()]), glance.verdict)


def _sweep(axis: PlanAxis) -> Sweep:
    points = (tuple(map(label_of, point)) for point in axis.points)
    return Sweep(tuple(map(label_of, axis.names)), tuple(point for point in points if len(point) == len(axis.names)))


def bounded(glances: Iterable[Glance]) -> Iterator[Glance]:
    """The same attempts, with names of instances and axes short enough to be kept and shown."""
    for glance in glances:
        if len(glance.instance) > LONGEST or any(len(name) > LONGEST for name in glance.axes):
            axes = {label_of(name): value for name, value in glance.axes.items()}
            yield replace(glance, instance=label_of(glance.instance), axes=axes)
        else:
            yield glance


def tally_of(counts: Iterable[int]) -> Tally:
    """Counts as a record."""
    return Tally(*counts)


def label_of(value: Any) -> str:
    """An axis value as people read it; one that is too long keeps its beginning and a hash."""
    text = value if type(value) is str else _written(value)
    return text if len(text) <= LONGEST else shortened(text)


def shortened(text: str) -> str:
    """A long text as its beginning and a hash that tells it from others with that beginning."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{text[: LONGEST - 10]}…{digest}"


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return format_value(value) if isinstance(value, bool | int) else str(value)


def scale_of(name: str, values: Iterable[str]) -> Scale:
    """The distinct ``values`` in order: by number where each is a number or a quantity of one dimension."""
    distinct = tuple(dict.fromkeys(values))
    numbers = [number_of(value) for value in distinct]
    kinds = {kind for kind, _ in numbers}
    if len(kinds) != 1 or None in kinds:
        return Scale(name, distinct)
    order = sorted(range(len(distinct)), key=lambda index: numbers[index][1])
    return Scale(name, tuple(distinct[index] for index in order), True)


def number_of(text: str) -> tuple[str | None, Fraction]:
    """The dimension and the number (in its base unit) that a value is, ``(None, 0)`` where it is none."""
    try:
        return "", Fraction(parse_number(text))
    except UnitError:
        pass  # no plain number: perhaps one with a unit
    try:
        found: Quantity = parse_quantity(text)
    except UnitError:
        return None, Fraction(0)
    return found.dimension.value, found.value
