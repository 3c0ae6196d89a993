"""The search behind ``combine cover``: rows greedily, then fewer of them by tabu search.

Every value of every axis is one bit, so a row (one value for each axis) is a number and so is a tuple of T values.
For each T-1 values the tally keeps, as one mask, the values with which they are not covered yet, and another of
those with which they are covered just once.  What a change of a row gains and loses is then a few ``&`` and
``bit_count``.  The greedy part is that of AETG (Cohen et al., IEEE TSE 23(7), 1997), the reduction the tabu search
of Nurmela (Discrete Applied Mathematics 138, 2004).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from math import comb
from typing import TypeVar

#: Rows tried for each row that is kept, and steps of search without success before the last row is put back.
CANDIDATES = 6
PATIENCE = 1500
#: What all steps together may cost, in rows looked at; a second or two.  Counted, so that it is the same everywhere.
EFFORT = 4_000_000
_TUPLE_COST = 8  # what a tuple whose count changes costs, in rows looked at
_MANY_TUPLES = 200_000  # from here on a single candidate a row, to stay within seconds
_TABU_STEPS = 5
_COMPARED_ROWS = 64

#: Whether a row, perhaps with values missing (None), can be (part of) an allowed one, after axis ``changed`` changed.
Feasible = Callable[[Sequence[int | None], int], bool]
T = TypeVar("T")
#: A number 0 <= x < 1, the next one of a seeded generator.
Random = Callable[[], float]


def unions(bits: Iterable[int], size: int) -> Iterator[int]:
    """Every union of ``size`` different bits."""
    return map(sum, combinations(bits, size))


def parts(mask: int) -> Iterator[int]:
    """The single bits of a mask, lowest first."""
    while mask:
        low = mask & -mask
        yield low
        mask ^= low


class Tally:
    """How often each wanted tuple is covered, as masks over the tuples of one value fewer."""

    def __init__(self, strength: int, wanted: Iterable[int]) -> None:
        self.strength = strength
        self.missing: dict[int, int] = {}
        self.single: dict[int, int] = {}
        self.open: list[int] = []
        self._places: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        for tuple_ in wanted:
            self._set_open(tuple_)

    def worth(self, table: dict[int, int], bit: int, others: Sequence[int], mask: int) -> int:
        """How many tuples of ``table`` hold ``bit`` and otherwise only ``others``, whose union is ``mask``."""
        if self.strength == 2:
            return (table.get(bit, 0) & mask).bit_count()
        found = sum((table.get(bit | rest, 0) & mask).bit_count() for rest in unions(others, self.strength - 2))
        return found // (self.strength - 1)  # each tuple was met once for each of its other values

    def add(self, tuples: Iterable[int]) -> None:
        """These tuples are covered once more."""
        for tuple_ in tuples:
            count = self._counts.get(tuple_, 0) + 1
            self._counts[tuple_] = count
            if count == 1:
                self._close(tuple_)
            if count <= 2:
                _flip(self.single, tuple_)

    def remove(self, tuples: Iterable[int]) -> None:
        """These tuples are covered once less."""
        for tuple_ in tuples:
            count = self._counts[tuple_] - 1
            self._counts[tuple_] = count
            if count == 0:
                self._set_open(tuple_)
            if count <= 1:
                _flip(self.single, tuple_)

    def _set_open(self, tuple_: int) -> None:
        self._places[tuple_] = len(self.open)
        self.open.append(tuple_)
        _flip(self.missing, tuple_)

    def _close(self, tuple_: int) -> None:
        place, last = self._places.pop(tuple_), self.open.pop()
        if last != tuple_:
            self.open[place] = last
            self._places[last] = place
        _flip(self.missing, tuple_)


def _flip(table: dict[int, int], tuple_: int) -> None:
    for bit in parts(tuple_):
        rest = tuple_ ^ bit
        table[rest] = table.get(rest, 0) ^ bit


class Search:
    """Rows that cover the wanted tuples of ``strength`` values over axes of these sizes."""

    def __init__(
        self, sizes: Sequence[int], strength: int, wanted: Iterable[int], feasible: Feasible, random: Random
    ) -> None:
        self.bits, self.axis_of = numbered(sizes)
        self.strength = strength
        self.rows: list[list[int]] = []
        self._masks: list[int] = []
        self._tally = Tally(strength, wanted)
        self._feasible = feasible
        self._random = random
        self._effort = EFFORT
        self._change_cost = _TUPLE_COST * comb(len(sizes) - 1, strength - 1)

    # --- greedy --------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Add rows until everything wanted is covered."""
        tries = max(1, min(CANDIDATES, _MANY_TUPLES // (len(self._tally.open) + 1)))
        while self._tally.open:
            row = max((self._candidate() for _ in range(tries)), key=lambda candidate: candidate[0])[1]
            self.rows.append(row)
            self._masks.append(sum(self._row_bits(row)))
            self._tally.add(unions(self._row_bits(row), self.strength))

    def _candidate(self) -> tuple[int, list[int]]:
        """One row round a random open tuple, each further value the one that covers most; and how much it covers."""
        row: list[int | None] = [None] * len(self.bits)
        start = self._any(self._tally.open)
        for bit in parts(start):
            axis, value = self.axis_of[bit]
            row[axis] = value
        chosen, mask, covered = list(parts(start)), start, 1
        for axis in self._shuffled([axis for axis, value in enumerate(row) if value is None]):
            gain, value = self._best_value(row, axis, chosen, mask)
            row[axis] = value
            covered += gain
            chosen.append(self.bits[axis][value])
            mask |= self.bits[axis][value]
        return covered, [value for value in row if value is not None]

    def _best_value(self, row: list[int | None], axis: int, chosen: list[int], mask: int) -> tuple[int, int]:
        """The feasible value of an axis that covers most together with those chosen, ties by chance; one exists."""
        tally, bits = self._tally, self.bits[axis]
        gains = [tally.worth(tally.missing, bit, chosen, mask) for bit in bits]
        turn = int(self._random() * len(bits))
        for value in sorted((*range(turn, len(bits)), *range(turn)), key=gains.__getitem__, reverse=True):
            row[axis] = value
            if self._feasible(row, axis):
                return gains[value], value
        raise AssertionError("a feasible row can always be completed")

    # --- fewer rows ----------------------------------------------------------------------------------------------

    def reduce(self, enough: int) -> None:
        """Take rows away one by one, as long as the others can be changed to cover everything, down to ``enough``."""
        best = [list(row) for row in self.rows]
        while len(self.rows) > max(enough, 1):
            self._drop(self._least_needed())
            if not self._repair():
                break
            best = [list(row) for row in self.rows]
        self.rows = best

    def _least_needed(self) -> int:
        """The row that alone covers fewest tuples, of a few where there are many."""
        step = max(1, len(self.rows) // _COMPARED_ROWS)
        return min(range(0, len(self.rows), step), key=self._alone)

    def _alone(self, index: int) -> int:
        bits, mask = self._row_bits(self.rows[index]), self._masks[index]
        return sum(self._tally.worth(self._tally.single, bit, _without(bits, bit), mask ^ bit) for bit in bits)

    def _drop(self, index: int) -> None:
        row = self.rows.pop(index)
        self._masks.pop(index)
        self._tally.remove(unions(self._row_bits(row), self.strength))

    def _repair(self) -> bool:
        """Change rows until everything is covered again; False when patience is at its end."""
        tabu: dict[tuple[int, int], int] = {}
        for step in range(PATIENCE):
            if not self._tally.open:
                return True
            self._effort -= len(self.rows) + self._change_cost
            if self._effort < 0:
                return False
            wanted = self._any(self._tally.open)
            move = self._best_move(wanted, tabu, step)
            for index, old in [self._change(*move)] if move else self._force(wanted):
                tabu[index, old] = step + _TABU_STEPS + int(self._random() * 2 * _TABU_STEPS)
        return not self._tally.open

    def _best_move(self, wanted: int, tabu: dict[tuple[int, int], int], step: int) -> tuple[int, int] | None:
        """The change of one value (row, new bit) that covers ``wanted`` and loses least; None if no row is so near."""
        best: list[tuple[int, int]] = []
        lowest = 0
        still_open = len(self._tally.open)
        for index, mask in enumerate(self._masks):
            bit = wanted & ~mask
            if bit & (bit - 1) or not self._allowed(index, bit):
                continue
            cost = self._cost(index, bit)
            if tabu.get((index, bit), 0) > step and still_open + cost > 0:
                continue
            if not best or cost < lowest:
                best, lowest = [], cost
            if cost == lowest:
                best.append((index, bit))
        return self._any(best) if best else None

    def _cost(self, index: int, bit: int) -> int:
        """How many more tuples are open after ``bit`` has replaced its axis's value in a row."""
        row, tally = self.rows[index], self._tally
        axis = self.axis_of[bit][0]
        old = self.bits[axis][row[axis]]
        others = _without(self._row_bits(row), old) if self.strength > 2 else ()
        mask = self._masks[index] ^ old
        return tally.worth(tally.single, old, others, mask) - tally.worth(tally.missing, bit, others, mask)

    def _force(self, wanted: int) -> list[tuple[int, int]]:
        """Put all of ``wanted`` into a random row, where that is allowed; the row and the bits that had to go."""
        index = int(self._random() * len(self.rows))
        before, after = self._row_bits(self.rows[index]), list(self.rows[index])
        for bit in parts(wanted):
            axis, value = self.axis_of[bit]
            after[axis] = value
        if not all(self._feasible(after, self.axis_of[bit][0]) for bit in parts(wanted)):
            return []
        # All at once: a row that holds only some of it might be excluded, and its tuples unknown to the tally.
        self._tally.remove(unions(before, self.strength))
        self._tally.add(unions(self._row_bits(after), self.strength))
        self.rows[index], self._masks[index] = after, sum(self._row_bits(after))
        return [(index, bit) for bit in before if not bit & self._masks[index]]

    def _allowed(self, index: int, bit: int) -> bool:
        row, (axis, value) = self.rows[index], self.axis_of[bit]
        old, row[axis] = row[axis], value
        allowed = self._feasible(row, axis)
        row[axis] = old
        return allowed

    def _change(self, index: int, bit: int) -> tuple[int, int]:
        """Put a value into a row; the row and the bit that had to go."""
        row, (axis, value) = self.rows[index], self.axis_of[bit]
        old = self.bits[axis][row[axis]]
        rest = list(unions(_without(self._row_bits(row), old), self.strength - 1))
        self._tally.remove([old | others for others in rest])
        self._tally.add([bit | others for others in rest])
        row[axis] = value
        self._masks[index] ^= old | bit
        return index, old

    # --- small parts ---------------------------------------------------------------------------------------------

    def _row_bits(self, row: Sequence[int]) -> list[int]:
        return [bits[value] for bits, value in zip(self.bits, row, strict=True)]

    def _any(self, items: Sequence[T]) -> T:
        return items[int(self._random() * len(items))]

    def _shuffled(self, items: list[int]) -> list[int]:
        for last in range(len(items) - 1, 0, -1):
            other = int(self._random() * (last + 1))
            items[last], items[other] = items[other], items[last]
        return items


def _without(bits: Iterable[int], bit: int) -> list[int]:
    return [other for other in bits if other != bit]


def numbered(sizes: Sequence[int]) -> tuple[list[list[int]], dict[int, tuple[int, int]]]:
    """A bit for each value of each axis, and back from the bit to axis and value."""
    bits: list[list[int]] = []
    start = 0
    for size in sizes:
        bits.append([1 << (start + value) for value in range(size)])
        start += size
    return bits, {bit: (axis, value) for axis, own in enumerate(bits) for value, bit in enumerate(own)}
