"""Faults that overlap on one thing: whose inverse may be carried out now, so that none undoes another."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from campaign.records.order import Overlap


class InForce(Struct, frozen=True):
    """A fault in force: how it overlaps, the names of what it changes, and whether its time is up."""

    overlaps: Overlap
    shares: frozenset[str]
    over: bool = False


def awaited(faults: Sequence[InForce], index: int) -> tuple[int, ...]:
    """Which of ``faults``, all that are in force by their injection, the inverse of one has to wait for.

    One that ``stacks`` waits for those that were injected on top of it; one that ``counts`` also for those beneath it
    whose time is not up; one that ``adds`` for none.
    """
    this = faults[index]
    above = [each for each in range(index + 1, len(faults)) if _overlap(this, faults[each])]
    if this.overlaps != "counts":
        return tuple(above)
    beneath = [each for each in range(index) if _overlap(this, faults[each]) and not faults[each].over]
    return (*beneath, *above)


def _overlap(one: InForce, other: InForce) -> bool:
    return "adds" not in {one.overlaps, other.overlaps} and not one.shares.isdisjoint(other.shares)
