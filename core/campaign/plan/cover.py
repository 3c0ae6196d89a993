"""``combine cover T``: few cells in which every allowed T values of T axes meet at least once.

A tuple is allowed where at least one cell that no exclusion drops holds it.  The result depends on the campaign's
seed and the instance's label alone, and is verified before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, product
from math import prod
from random import Random

from campaign.plan.bounds import bound_cover
from campaign.plan.coverage import Search, numbered
from campaign.plan.identity import Stream
from campaign.plan.space import BUDGET, Component, Constraint, Space, components, nothing_allowed


def cover(space: Space, strength: int, stream: Stream) -> list[tuple[int, ...]]:
    """Choices that cover every allowed tuple of ``strength`` values, fewer than there are axes.

    Raises CoverTooLargeError, and UncountableError where exclusions tie too many combinations together.
    """
    bound_cover(space.scenario)
    allowed = Allowed(space)
    if not allowed.any:
        return []
    rows = _searched(space.sizes, strength, allowed, Random(stream.below(1 << 64)))
    verify(rows, space.sizes, strength, allowed)
    return rows


def _searched(sizes: Sequence[int], strength: int, allowed: Allowed, random: Random) -> list[tuple[int, ...]]:
    """Rows by search; a strength of 1 is one of 2 with an axis more that has one value."""
    padded = (*sizes, 1) if strength == 1 else tuple(sizes)
    bits, _ = numbered(padded)
    wanted = (
        sum(bits[axis][value] for axis, value in zip(axes, values, strict=True))
        for axes in combinations(range(len(padded)), max(strength, 2))
        for values in allowed.tuples(axes, [range(padded[axis]) for axis in axes])
    )
    search = Search(padded, max(strength, 2), wanted, allowed.feasible, random.random)
    search.fill()
    search.reduce(prod(sorted(sizes)[-strength:]) if not allowed.restricted else 1)
    return [tuple(row[: len(sizes)]) for row in search.rows]


class Allowed:
    """Which values can stand together in a cell: those that the tied axes can be completed with, remembered."""

    def __init__(self, space: Space) -> None:
        parts = components(space.sizes, space.constraints)
        self.restricted = bool(parts)
        self._part_of: dict[int, Completion] = {}
        for part in parts:
            self._part_of |= dict.fromkeys(part.axes, Completion(part))
        self._width = len(space.axes)
        empty: list[int | None] = [None] * self._width
        completes = all(part.possible(empty) for part in self._part_of.values())
        self.any = all(space.sizes) and completes and not nothing_allowed(space.constraints)

    def feasible(self, row: Sequence[int | None], changed: int) -> bool:
        """Whether a partial row that was feasible can still be completed after the value of one axis changed."""
        part = self._part_of.get(changed)
        return part is None or part.possible(row)

    def tuples(self, axes: Sequence[int], values: Sequence[Iterable[int]]) -> Iterator[tuple[int, ...]]:
        """The tuples of these axes that at least one allowed cell holds."""
        tied = {id(self._part_of[axis]): self._part_of[axis] for axis in axes if axis in self._part_of}
        row: list[int | None] = [None] * (self._width + 1)
        for point in product(*values):
            for axis, value in zip(axes, point, strict=True):
                row[axis] = value
            if all(part.possible(row) for part in tied.values()):
                yield point


class Completion:
    """The axes of one component: whether some of their values can be completed to an allowed choice."""

    def __init__(self, part: Component) -> None:
        self._axes, self._sizes = part.axes, dict(zip(part.axes, part.sizes, strict=True))
        self._by_axis = {axis: [c for c in part.constraints if axis in c.axes] for axis in part.axes}
        self._known: dict[tuple[int | None, ...], bool] = {}
        self._part, self._asked = part, 0

    def possible(self, row: Sequence[int | None]) -> bool:
        """Whether the values of this component's axes in ``row`` (None: open) can be completed."""
        key = tuple([row[axis] for axis in self._axes])
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._completes(dict(zip(self._axes, key, strict=True)))
        return known

    def _completes(self, values: dict[int, int | None]) -> bool:
        choice = {axis: value for axis, value in values.items() if value is not None}
        if any(self._broken(axis, choice) for axis in choice):
            return False
        free = [axis for axis in self._axes if axis not in choice]
        following = [0] * len(free)
        depth = 0
        while 0 <= depth < len(free):
            axis = free[depth]
            choice.pop(axis, None)
            if following[depth] == self._sizes[axis]:
                following[depth] = 0
                depth -= 1
                continue
            choice[axis] = following[depth]
            following[depth] += 1
            self._count()
            depth += not self._broken(axis, choice)
        return depth == len(free)

    def _count(self) -> None:
        self._asked += 1
        if self._asked > BUDGET // 2:  # asking with half of the values given is slower than counting
            raise self._part.uncountable()

    def _broken(self, axis: int, choice: dict[int, int]) -> bool:
        return any(_forbids(constraint, choice) for constraint in self._by_axis[axis])


def _forbids(constraint: Constraint, choice: dict[int, int]) -> bool:
    """Whether a constraint whose axes all have a value drops this choice."""
    return all(axis in choice for axis in constraint.axes) and constraint.holds(
        tuple(choice[a] for a in constraint.axes)
    )


def verify(rows: Sequence[Sequence[int]], sizes: Sequence[int], strength: int, allowed: Allowed) -> None:
    """Count again, apart from the search, that every row is allowed and every allowed tuple is covered.

    Raises AssertionError, a defect of the search.
    """
    assert all(allowed.feasible(row, axis) for row in rows for axis in range(len(sizes))), "a row is excluded"
    for axes in combinations(range(len(sizes)), strength):
        covered = {tuple([row[axis] for axis in axes]) for row in rows}
        wanted = allowed.tuples(axes, [range(sizes[axis]) for axis in axes])
        assert all(point in covered for point in wanted), f"not every tuple of the axes {axes} is covered"
