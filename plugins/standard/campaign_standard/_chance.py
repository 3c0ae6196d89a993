"""Random numbers from one that was drawn for a run: the same on every machine, of every Python, to the last bit."""

from __future__ import annotations

from collections.abc import MutableSequence
from hashlib import blake2b
from typing import TypeVar

_T = TypeVar("_T")
_BITS = 64


class Chance:
    """BLAKE2b over a counter, keyed with the number that was drawn (0 to 2^64-1)."""

    def __init__(self, drawn: int) -> None:
        self._key = drawn.to_bytes(_BITS // 8, "big")
        self._count = 0

    def _next(self) -> int:
        hashed = blake2b(
            self._count.to_bytes(8, "big"), digest_size=_BITS // 8, key=self._key, person=b"campaign.sched"
        )
        self._count += 1
        return int.from_bytes(hashed.digest(), "big")

    def below(self, bound: int) -> int:
        """One of 0..bound-1, each as likely as another but for ``bound / 2^64``; 0 where there is none."""
        return self._next() * bound >> _BITS

    def shuffle(self, items: MutableSequence[_T]) -> None:
        """Every order as likely as another (Fisher and Yates)."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]

    def exponential(self, mean: int) -> int:
        """A waiting time whose mean is ``mean``, rounded down to a whole one.

        Von Neumann's way, with comparisons alone: no logarithm, whose last bit is another one elsewhere.
        """
        whole = 0
        while True:
            first = last = self._next()
            falling = 1
            while (drawn := self._next()) < last:
                last, falling = drawn, falling + 1
            if falling % 2:
                return whole * mean + (first * mean >> _BITS)
            whole += 1
