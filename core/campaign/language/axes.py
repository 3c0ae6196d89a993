"""The points of an axis: from a list, from a range without ever being listed, or tied together.

Everything here is exact: ``850mV..1050mV step 10mV`` has 21 points, and a range of 10^12 takes no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TypeAlias, overload

from campaign.units import Dimension, Quantity, Value

Point: TypeAlias = tuple[Value, ...]

#: More points than this are refused in one axis: no ``len`` can count them.
MAXIMUM_POINTS = 1 << 62


class AxisError(ValueError):
    """Values that make no axis; the text is a sentence for the user."""


class Stretch(Sequence[Point]):
    """The points ``first, first + step, …`` of an inclusive range, computed when asked for."""

    __slots__ = ("_count", "_first", "_quantity", "_step")

    def __init__(self, first: Any, last: Any, step: Any) -> None:
        count = steps(first, last, step)
        if count > MAXIMUM_POINTS:
            raise AxisError("this range has more points than can be counted")
        self._count = count
        self._quantity = (first.dimension, first.unit) if isinstance(first, Quantity) else None
        self._first: int | Fraction = _plain(first)
        self._step: int | Fraction = _plain(step)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | Sequence[Point]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._count))]
        if index < 0:
            index += self._count
        if not 0 <= index < self._count:
            raise IndexError(index)
        number = self._first + index * self._step
        return (number if self._quantity is None else Quantity(number, *self._quantity),)

    def __contains__(self, point: object) -> bool:
        if not isinstance(point, tuple) or len(point) != 1:
            return False
        return self.index_of(point[0]) >= 0

    def index_of(self, value: Value) -> int:
        """Where a value stands in the range, -1 where it does not."""
        plain = _plain(value)
        if not isinstance(plain, int | Fraction):
            return -1
        index = Fraction(plain - self._first) / Fraction(self._step)
        return index.numerator if index.denominator == 1 and 0 <= index < self._count else -1


class Tied(Sequence[Point]):
    """Axes of equal length walked side by side: a joint axis."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Sequence[Sequence[Point]]) -> None:
        self._columns = tuple(columns)

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | Sequence[Point]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return tuple(value for column in self._columns for value in column[index])


class Pinned(Sequence[Point]):
    """A joint axis in which some names hold one value while the others go on."""

    __slots__ = ("_pinned", "_points")

    def __init__(self, points: Sequence[Point], pinned: dict[int, Value]) -> None:
        self._points = points
        self._pinned = pinned

    def __len__(self) -> int:
        return len(self._points)

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | Sequence[Point]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return tuple(self._pinned.get(place, value) for place, value in enumerate(self._points[index]))


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Quantity) else value


def steps(first: Any, last: Any, step: Any) -> int:
    """How many points ``first..last step step`` has; raises AxisError for none and for a step of nothing."""
    start, end, stride = Fraction(_plain(first)), Fraction(_plain(last)), Fraction(_plain(step))
    if not stride:
        raise AxisError("the step of a range is not zero")
    count = (end - start) // stride + 1
    if count < 1:
        raise AxisError("this range is empty: its step leads away from its end")
    return int(count)


def pinned(points: Sequence[Point], values: dict[int, Value]) -> Sequence[Point]:
    """``points`` with some places fixed; points that have become equal are there once."""
    if len(points) and len(points[0]) == len(values):
        return (tuple(values[place] for place in range(len(values))),)
    if len(points) > 100_000:
        return Pinned(points, values)
    seen: dict[Point, None] = dict.fromkeys(Pinned(points, values))
    return tuple(seen)


def in_unit(values: Sequence[Value]) -> tuple[Value, ...]:
    """Quantities as an axis writes them: in the unit of its first literal."""
    first = values[0] if values else None
    if not isinstance(first, Quantity):
        return tuple(values)
    return tuple(_in_unit(value, first) for value in values)


def _in_unit(value: Value, first: Quantity) -> Value:
    if isinstance(value, Quantity) and value.dimension is first.dimension:
        return value.with_unit(first.unit)
    if first.dimension is Dimension.RATIO and isinstance(value, int | Fraction) and not isinstance(value, bool):
        return Quantity(value, first.dimension, first.unit)
    return value
