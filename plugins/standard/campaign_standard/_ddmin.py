"""Delta debugging of a list: the walk of classic ddmin, whose foreseeable steps are not run.

The walk is that of A. Zeller and R. Hildebrandt, «Simplifying and Isolating Failure-Inducing Input», IEEE TSE 28
(2002): of n even parts of the list first each alone, then all but each; what fails is gone on with; where nothing
does, twice as many parts.  Where more elements never make a failure go away, two things need no run: a selection
inside one that did not fail does not fail either, and one around a failing one fails.  So the first walk takes every
step that classic ddmin takes and runs only those that it cannot foresee, about a third: parts alone hardly ever fail
(M. Zhang et al., «Toward a Better Understanding of Probabilistic Delta Debugging», 2024).  Not every failure is so well
behaved; therefore a second walk, over what is left, foresees nothing: it ends one-minimal whatever the failure is.

Sets of elements are the bits of a whole number.
"""

from __future__ import annotations

from collections.abc import Generator

from msgspec import Struct

#: Yields batches of selections (indexes), is sent whether each still fails.
Selections = Generator["list[tuple[int, ...]]", "list[bool]", tuple[int, ...]]


class Walk(Struct, frozen=True):
    """A place in the walk of ddmin: the elements that are left, into how many parts they are cut, the next question.

    Question ``at`` is the part of that number alone; from ``parts`` on, all but one part.
    """

    left: tuple[int, ...]
    bits: int
    parts: int = 2
    at: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing is left to ask: single elements have been tried."""
        return self.parts > len(self.left)

    @property
    def alone(self) -> bool:
        """Whether a part alone is asked for, not all but that part."""
        return self.at < self.parts

    def asked(self) -> int:
        """The selection that is asked for, as bits."""
        first, end = self._part()
        part = self.bits & ((1 << self.left[end - 1] + 1) - (1 << self.left[first]))
        return part if self.alone else self.bits & ~part

    def selection(self) -> tuple[int, ...]:
        """The same, as indexes."""
        first, end = self._part()
        return self.left[first:end] if self.alone else self.left[:first] + self.left[end:]

    def after(self, fails: bool) -> Walk:
        """The place that follows when what was asked for fails or does not."""
        if fails:
            return Walk(self.selection(), self.asked(), 2 if self.alone else max(self.parts - 1, 2))
        last = self.parts if self.parts == 2 else 2 * self.parts  # all but one of two parts is the other one
        if self.at + 1 < last:
            return Walk(self.left, self.bits, self.parts, self.at + 1)
        finest = self.parts >= len(self.left)
        return Walk(self.left, self.bits, 2 * self.parts if finest else min(2 * self.parts, len(self.left)))

    def _part(self) -> tuple[int, int]:
        """Where the part asked for begins and ends: even parts, the larger ones last."""
        size, larger = divmod(len(self.left), self.parts)
        number, smaller = self.at % self.parts, self.parts - larger
        first = number * size + max(0, number - smaller)
        return first, first + size + (number >= smaller)


class Outcomes:
    """What is known of selections: those that were run, and what follows from them."""

    def __init__(self, foresees: bool, known: dict[int, bool] | None = None) -> None:
        self.foresees = foresees
        self.known: dict[int, bool] = {}
        self.passed: list[int] = []  # none inside another
        self.failed: list[int] = []
        for bits, fails in (known or {}).items():
            self.add(bits, fails)

    def copy(self) -> Outcomes:
        """The same, to suppose more."""
        other = Outcomes(self.foresees)
        other.known, other.passed, other.failed = dict(self.known), list(self.passed), list(self.failed)
        return other

    def add(self, bits: int, fails: bool) -> None:
        """A selection was run."""
        self.known[bits] = fails
        if fails:
            self.failed.append(bits)
        else:
            self.passed = [each for each in self.passed if each & ~bits]
            self.passed.append(bits)

    def of(self, bits: int) -> bool | None:
        """Whether a selection fails; None where that cannot be told without a run."""
        if bits in self.known or not self.foresees:
            return self.known.get(bits)
        if any(not bits & ~passed for passed in self.passed):
            return False
        return True if any(not failed & ~bits for failed in self.failed) else None

    def likely(self, walk: Walk) -> bool:
        """A guess whether what ``walk`` asks for fails: so where it leaves out at most half of any set that is needed.

        What a selection that did not fail had left out is such a set: something in it is needed.
        """
        if walk.alone:
            return False
        removed = walk.bits & ~walk.asked()
        needed = (walk.bits & ~passed for passed in self.passed)
        return not any((each & removed).bit_count() * 2 > each.bit_count() for each in needed)


def minimal(length: int, slots: int) -> Selections:
    """The indexes of a one-minimal selection out of ``length`` elements, all of which together fail."""
    everything = tuple(range(length))
    outcomes = Outcomes(foresees=True)
    left = yield from _walked(everything, outcomes, slots)
    return (yield from _walked(left, Outcomes(False, outcomes.known), slots))


def _walked(left: tuple[int, ...], outcomes: Outcomes, slots: int) -> Selections:
    """The whole walk over ``left``."""
    walk = _forward(Walk(left, sum(1 << index for index in left)), outcomes)
    while not walk.over:
        asked = _ahead(walk, outcomes, slots)
        answers = yield [each.selection() for each in asked]
        for each, fails in zip(asked, answers, strict=True):
            outcomes.add(each.asked(), fails)
        walk = _forward(walk, outcomes)
    return walk.left


def _forward(walk: Walk, outcomes: Outcomes) -> Walk:
    """The first place from here on whose answer is not known."""
    while not walk.over and (fails := outcomes.of(walk.asked())) is not None:
        walk = walk.after(fails)
    return walk


def _ahead(walk: Walk, outcomes: Outcomes, slots: int) -> list[Walk]:
    """The next place, and for idle slots those that will follow if the guesses on the way are right."""
    found, supposed = [walk], outcomes.copy()
    while len(found) < slots:
        guess = supposed.likely(walk)
        supposed.add(walk.asked(), guess)
        walk = _forward(walk.after(guess), supposed)
        if walk.over:
            break
        found.append(walk)
    return found
