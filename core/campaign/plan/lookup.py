"""From the name of a cell back to its choice, without walking through the matrix."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TypeAlias

from campaign.plan.names import axis_units, point_texts
from campaign.plan.scenario import Axis, Scenario
from campaign.plan.space import SHORT_AXIS, Space
from campaign.units import Quantity, UnitError, Value, parse_number, parse_quantity

_LISTED = 1_000_000
_LONGEST_NUMBER = 1000

#: How far a name was read: the next piece, the next character, and the points of axes that still fit.
_Reading: TypeAlias = tuple[int, int, dict[int, frozenset[int]]]


class NameReader:
    """Reads names of cells of one space, piece after piece of their template; prepared once for many names."""

    def __init__(self, space: Space) -> None:
        self._pieces = space.template.pieces
        self._readers = [_Reader(axis) for axis in space.axes]

    def choice(self, name: str) -> tuple[int, ...] | None:
        """The choice whose cell has this name, excluded or not; None where no cell of the space has it."""
        waiting: list[_Reading] = [(0, 0, {})]
        while waiting:
            piece, at, found = waiting.pop()
            if piece < len(self._pieces):
                waiting += self._further(name, piece, at, found)
            elif at == len(name):
                return tuple(min(found[axis]) for axis in range(len(self._readers)))
        return None

    def _further(self, name: str, piece: int, at: int, found: dict[int, frozenset[int]]) -> Iterator[_Reading]:
        """Every way to read the next piece from the next character on."""
        expected = self._pieces[piece]
        if isinstance(expected, str):
            if name.startswith(expected, at):
                yield piece + 1, at + len(expected), found
            return
        axis, place = expected
        reader = self._readers[axis]
        for end in range(at + 1, min(len(name), at + reader.longest) + 1):
            points = reader.points(place, name[at:end])
            if axis in found:
                points &= found[axis]  # another value of the same joint point
            if points:
                yield piece + 1, end, {**found, axis: points}


def may_hold(scenario: Scenario, name: str) -> bool:
    """Whether a cell of that name might be of this scenario: it begins as the label does.  Asked of thousands."""
    at = 0
    for part in scenario.label:
        if not isinstance(part, str):
            break
        if not name.startswith(part, at):
            return False
        at += len(part)
    return True


def named_choice(space: Space, name: str) -> tuple[int, ...] | None:
    """The choice of one name; see ``NameReader``."""
    return NameReader(space).choice(name)


class _Reader:
    """The points of an axis by the text of one of its values."""

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        self._units = axis_units(axis)
        self._by_text: list[dict[str, set[int]]] | None = None
        if len(axis.points) <= SHORT_AXIS or (len(axis.names) > 1 and len(axis.points) <= _LISTED):
            self._by_text = self._listed()
        texts = (text for by_text in self._by_text or () for text in by_text)
        self.longest = max(map(len, texts), default=_LONGEST_NUMBER)

    def _listed(self) -> list[dict[str, set[int]]]:
        by_text: list[dict[str, set[int]]] = [{} for _ in self._axis.names]
        for index, point in enumerate(self._axis.points):
            for place, text in enumerate(point_texts(point, self._units)):
                by_text[place].setdefault(text, set()).add(index)
        return by_text

    def points(self, place: int, text: str) -> frozenset[int]:
        """The points whose value at ``place`` is written so; empty where there is none."""
        if self._by_text is not None:
            return frozenset(self._by_text[place].get(text, ()))
        return self._searched(place, text)

    def _searched(self, place: int, text: str) -> frozenset[int]:
        """The same in a long range, whose values rise or fall evenly: by halving."""
        wanted, points = _number(text), self._axis.points
        if wanted is None:
            return frozenset()
        low, high = 0, len(points) - 1
        rising = _plain(points[0][place]) <= _plain(points[high][place])
        while low < high:
            middle = (low + high) // 2
            if _plain(points[middle][place]) < wanted if rising else _plain(points[middle][place]) > wanted:
                low = middle + 1
            else:
                high = middle
        same = point_texts(points[low], self._units)[place] == text
        return frozenset([low]) if same else frozenset()


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(parse_number(text)) if text[-1:].isdigit() else parse_quantity(text).value
    except (UnitError, ValueError):
        return None


def _plain(value: Value) -> Fraction:
    if isinstance(value, Quantity):
        return value.value
    return Fraction(value) if isinstance(value, int | Fraction) else Fraction(0)
