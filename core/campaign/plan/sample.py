"""``combine sample N``: a seeded sample of cells without repeats, all of them where there are fewer.

The allowed cells are numbered without listing them: each group of axes that exclusions tie together is listed on
its own, all other axes are free, and a cell's number is written in that mixed radix.  So a sample out of 10^12 cells
costs no more than its own size.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from math import prod

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.plan.identity import Stream
from campaign.plan.scenario import Scenario
from campaign.plan.space import Component, Space, components, nothing_allowed

#: A larger sample is refused: unlike the whole matrix, it has to be held in memory.
MOST_SAMPLED = 1_000_000


class SampleTooLargeError(CampaignError):
    """A sample with so many cells that it cannot be held in memory."""

    def __init__(self, scenario: Scenario) -> None:
        summary = f"combine sample {scenario.combination.count} of {scenario.label_text}: at most {MOST_SAMPLED:,}"
        hint = "take a smaller sample, or `combine all`, which needs no memory"
        super().__init__([Diagnostic("CAMP205", summary, scenario.span, hint)])


class Numbering:
    """A one-to-one map from 0..total-1 to the allowed choices of a space; raises UncountableError when made."""

    def __init__(self, space: Space) -> None:
        parts = components(space.sizes, space.constraints)
        bound = {axis for part in parts for axis in part.axes}
        self._free = [(axis, size) for axis, size in enumerate(space.sizes) if axis not in bound]
        self._tied = [(part, _listed(part)) for part in parts]
        self._width = len(space.axes)
        sizes = [size for _, size in self._free] + [len(listed) for _, listed in self._tied]
        self.total = 0 if nothing_allowed(space.constraints) else prod(sizes)

    def choice(self, number: int) -> tuple[int, ...]:
        """The choice of that number."""
        choice = [0] * self._width
        for axis, size in self._free:
            number, choice[axis] = divmod(number, size)
        for part, listed in self._tied:
            number, place = divmod(number, len(listed))
            for axis, index in zip(part.axes, _digits(listed[place], part.sizes), strict=True):
                choice[axis] = index
        return tuple(choice)


def _listed(part: Component) -> Sequence[int]:
    """The allowed choices of a component, each packed into one number."""
    packed = (_packed([choice[axis] for axis in part.axes], part.sizes) for choice in part.choices())
    return array("Q", packed) if prod(part.sizes) < 1 << 64 else list(packed)


def _packed(digits: Sequence[int], sizes: Sequence[int]) -> int:
    number = 0
    for digit, size in zip(digits, sizes, strict=True):
        number = number * size + digit
    return number


def _digits(number: int, sizes: Sequence[int]) -> Iterator[int]:
    digits = []
    for size in reversed(sizes):
        number, digit = divmod(number, size)
        digits.append(digit)
    return reversed(digits)


def sample(space: Space, count: int, stream: Stream) -> list[tuple[int, ...]] | None:
    """``count`` allowed choices without repeats, each set of them equally likely; None (all) where there are no more.

    Robert Floyd's algorithm: as many draws as choices (Bentley, Programming Pearls, CACM 30(9), 1987).  Raises
    SampleTooLargeError and UncountableError.
    """
    numbering = Numbering(space)
    if count >= numbering.total:
        return None
    if count > MOST_SAMPLED:
        raise SampleTooLargeError(space.scenario)
    drawn: set[int] = set()
    for highest in range(numbering.total - count, numbering.total):
        number = stream.below(highest + 1)
        drawn.add(highest if number in drawn else number)
    return [numbering.choice(number) for number in drawn]
