"""Schedules: when faults without an instant come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from campaign.plugins.layout import Placement, Spread
from campaign.plugins.providers import Provider


class Schedule(Provider):
    """A strategy that lays faults without an instant out over a time span."""

    #: The span where the spec names none: ``"10m"``; None where it has to.
    over: ClassVar[str | None] = None

    def lay_out(self, spread: Spread) -> Sequence[Placement]:
        """The injections, at most 10,000; a fault may come more than once, in any order.

        Called in the planner for every run.  Pure: drawn from ``spread.random`` or ``spread.seed`` alone, no clock, no
        I/O.  UnableError says why these faults cannot be laid out so.
        """
        raise NotImplementedError(f"{type(self).__name__}.lay_out")
