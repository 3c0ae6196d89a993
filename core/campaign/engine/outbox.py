"""What the core wants done: ledger changes first and durably, then commands to the executor and words to planners."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from campaign.engine import protocol
from campaign.ledger.rows import Change, Move
from campaign.records import Exit, Order, Stop


class Begin(Struct, frozen=True):
    """Carry an admitted order out; ``data`` is that order as JSON."""

    order: Order
    data: bytes


class Ask(Struct, frozen=True):
    """Have an attempt judged whose exit record is there."""

    order: Order
    exit: Exit


class Halt(Struct, frozen=True):
    """End an attempt that runs."""

    order: Order
    reason: Stop


Command: TypeAlias = Begin | Ask | Halt


class Outbox:
    """``changes`` first, then ``commands``, and what each campaign's planner is told: now, and after so many seconds.

    ``rests`` are the attempts whose cooldown begins, with its seconds; ``over`` are the campaigns that are at their
    end, or left as they are.
    """

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.endings: list[tuple[str, protocol.Finished]] = []
        self.commands: list[Command] = []
        self.says: list[tuple[str, protocol.FromEngine]] = []
        self.later: list[tuple[float, str, protocol.Again]] = []
        self.rests: list[tuple[float, str]] = []
        self.over: list[str] = []

    @property
    def pressing(self) -> bool:
        """Whether someone waits for it: not where attempts have merely come a step further."""
        if self.commands or self.says or self.later or self.rests or self.over:
            return True
        return any(type(each) is not Move for each in self.changes)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.changes or self.pressing)
