"""The smallest failing value of one parameter: its lowest value first, then bisection, then a last check.

Where every value above a failing one fails too, the smallest is found in at most log2(range) + 2 runs, one at a time:
one for the lowest value, so that a parameter that has no part in the failure costs one run; as many as a bisection of
the rest takes; and where that leaves one over, one half of what was found, for there may be gaps.  A bisection asks for
half the value wherever that costs it nothing, so that it finds nothing larger than halving on and on would have found.

With more slots, each round cuts what is left into as many parts and one more: fewer rounds, but more runs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from msgspec import Struct

from campaign.plugins.api import Quantity, Tunable, UnitError

#: An int, a Fraction or a Quantity; within one parameter all of one kind.
Number: TypeAlias = Any
#: Yields batches of points, is sent whether each fails.
Points = Generator["list[int]", "list[bool]", int]

_DURATIONS = ("d", "h", "m", "s", "ms", "us", "ns")
_DIGITS = 9


class Scale(Struct, frozen=True):
    """The values that a parameter can take, by number from 0 to ``top``: the lowest one to the one that it has.

    Evenly ``step`` apart, counted downwards from ``high``; or those of ``allowed``.
    """

    low: Number
    high: Number
    top: int
    step: Number
    allowed: tuple[Number, ...] = ()

    def value(self, point: int) -> Number:
        """The value at a point."""
        if self.allowed:
            return self.allowed[point]
        return self.low if point == 0 else self.high - self.step * (self.top - point)

    def half(self, point: int) -> int:
        """The point of half the value at ``point`` or just below; -1 where there is none."""
        wanted = self.value(point) * Fraction(1, 2)
        return bisect_right(range(point), wanted, key=self.value) - 1


def scale_of(parameter: Tunable) -> Scale:
    """The values of a parameter: in steps of the finer of the units in which it and its lowest value are written.

    So ``3s`` is made smaller by whole seconds, by milliseconds where the lowest value is ``1ms``; ``1.5s`` by tenths.
    Without a lowest value that is one step.
    """
    high: Number = parameter.value
    if parameter.allowed:
        allowed = tuple(each for each in parameter.allowed if each <= high)
        return Scale(allowed[0], high, len(allowed) - 1, 1, allowed)
    step = _step(high) if parameter.low is None else min(_step(high), _step(parameter.low))
    if isinstance(high, Quantity) and isinstance(step, Quantity) and high.unit:
        high = high.with_unit(step.unit)
    low: Number = step if parameter.low is None else parameter.low
    if low >= high:
        return Scale(high, high, 0, step)
    steps = Fraction((high - low) * Fraction(1) / step)  # two quantities divide to a plain number
    return Scale(low, high, -int(-steps // 1), step)


def _step(value: Number) -> Number:
    """One of the last digit of a value as it is written."""
    if isinstance(value, int):
        return 1
    if not isinstance(value, Quantity):
        return _digit(value)
    for unit in [value.unit] if value.unit else _DURATIONS:
        number = value.number(unit)
        if value.unit or number.denominator == 1:
            return Quantity.of(_digit(number), unit)
    raise UnitError(f"{value} is finer than nanoseconds")


def _digit(number: Fraction) -> Fraction:
    digits = (digits for digits in range(_DIGITS) if (number * 10**digits).denominator == 1)
    return Fraction(1, 10 ** next(digits, _DIGITS))


def smallest(scale: Scale, slots: int) -> Points:
    """The lowest failing point that is found; ``scale.top`` fails."""
    if scale.top == 0:
        return 0
    known: dict[int, bool] = {}
    found = yield from _bracketed(-1, scale.top, scale, slots, known)
    while (last := _last(found, scale, known, slots)) is not None:
        if not (yield from _tell([last], known))[0]:
            break
        below = max((point for point, fails in known.items() if point < last and not fails), default=-1)
        found = yield from _bracketed(below, last, scale, slots, known)
    return found


def _bracketed(low: int, high: int, scale: Scale, slots: int, known: dict[int, bool]) -> Points:
    """The lowest failing point between one that does not fail (-1: none is known) and one that does."""
    while high - low > 1:
        points = sorted({0, *_cuts(0, high, slots - 1)} if low < 0 else _between(low, high, scale, slots))
        answers = yield from _tell(points, known)
        failing = [point for point, fails in zip(points, answers, strict=True) if fails]
        high = min(failing, default=high)
        low = max((point for point in points if point < high), default=low)
        if high == 0:
            break
    return high


def _between(low: int, high: int, scale: Scale, slots: int) -> Iterator[int]:
    """Where to ask between two points: half the value where that takes no more rounds than the middle, or even cuts."""
    half, most = scale.half(high), 1 << (high - low - 1).bit_length() - 1
    if slots == 1 and max(half - low, high - half) <= most:
        return iter([half])
    return _cuts(low, high, slots)


def _cuts(low: int, high: int, count: int) -> Iterator[int]:
    points = {low + (high - low) * cut // (count + 1) for cut in range(1, count + 1)}
    return (point for point in points if low < point < high)


def _tell(points: Sequence[int], known: dict[int, bool]) -> Generator[list[int], list[bool], list[bool]]:
    answers = yield list(points)
    known.update(zip(points, answers, strict=True))
    return answers


def _last(found: int, scale: Scale, known: Mapping[int, bool], slots: int) -> int | None:
    """Where to look once more: at the largest half of a half of the start below, or at half of what was found."""
    if found == 0 or (slots == 1 and all_fell(known, found) and len(known) >= scale.top.bit_length() + 1):
        return None
    point = scale.top
    while point >= found:
        point = scale.half(point)
    return next((each for each in (point, scale.half(found)) if each >= 0 and each not in known), None)


def all_fell(known: Mapping[int, bool], found: int) -> bool:
    """Whether every answer fits a parameter whose values fail from ``found`` on."""
    return all(fails == (point >= found) for point, fails in known.items())
