"""One attempt on its way through the engine: its order, its story and what is known of it so far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from campaign.engine.states import State, Story, path
from campaign.ledger.rows import PLAN, Admission, Ending, Move
from campaign.records import Decision, Exit, OracleRecord, Order

encode = msgspec.json.Encoder().encode


class Flight:
    """An attempt from its admission to its end; every change of state is checked and comes out as a ledger change."""

    __slots__ = (
        *("cause", "data", "doomed", "exit", "exit_data", "lane", "links"),
        *("oracles", "order", "parent", "signature", "story"),
    )

    def __init__(self, order: Order, data: bytes, cause: str, *, lane: int = -1, state: State = State.QUEUED) -> None:
        self.order = order
        self.data = data
        self.cause = cause
        self.lane = lane
        self.parent = order.parent
        self.doomed = False  # an orphan that we told to end
        self.links: list[Flight] = []  # of the first run of a chain: those that follow it
        self.story = Story(f"{order.key} attempt {order.attempt}", state)
        self.exit: Exit | None = None
        self.exit_data: bytes | None = None
        self.oracles: tuple[OracleRecord, ...] = ()
        self.signature: str | None = None

    @property
    def name(self) -> tuple[str, str, int]:
        """Which attempt of its campaign it is: origin, key and number."""
        return self.order.origin, self.order.key, self.order.attempt

    @property
    def planned(self) -> bool:
        """Whether it is the plan's own."""
        return self.order.origin == PLAN

    @property
    def token(self) -> str:
        """The name of the attempt for its supervisor."""
        return self.order.token

    @property
    def place(self) -> str:
        """The token by which it is placed: its own, or that of the first run of its chain."""
        return self.order.token if self.order.link is None else self.order.link.head

    @property
    def heads(self) -> bool:
        """Whether it is placed by itself, and runs of its chain with it."""
        return self.place == self.order.token

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.story.state

    def grant(self, granted: dict[str, tuple[int, ...]], fallback: str | None) -> None:
        """Put the slots that it holds into the order; where there are none the order stays as it was rendered."""
        if granted or fallback:
            self.order = msgspec.structs.replace(self.order, granted=granted, fallback_reason=fallback)
            self.data = encode(self.order)

    def ended(self, exit_: Exit, data: bytes) -> None:
        """Its exit record is there."""
        self.exit, self.exit_data = exit_, data

    def judged(self, oracles: tuple[OracleRecord, ...], signature: str | None) -> None:
        """Its oracles have answered."""
        self.oracles, self.signature = oracles, signature

    def admit(self, at: str) -> Admission:
        """queued → admitted."""
        self.story.move(State.ADMITTED)
        return Admission(order=self.order, data=self.data, cause=self.cause, at=at, parent=self.parent)

    def move(self, target: State, at: str, *, cause: str | None = None, held: str | None = None) -> Move:
        """Go to a state that is not the end."""
        source = self.story.move(target)
        return Move(order=self.order, source=source, target=target, cause=cause or self.cause, at=at, held=held)

    def catch_up(self, target: State, at: str) -> Iterator[Move]:
        """Go to ``target`` by every state between: the evidence was ahead of the ledger."""
        for state in path(self.state, target):
            yield self.move(state, at)

    def end(self, decision: Decision, at: str, **what: Any) -> Ending:
        """→ done."""
        source = self.story.move(State.DONE, decision.verdict)
        exit_ = self.exit
        return Ending(
            order=self.order,
            source=source,
            cause=self.cause,
            at=at,
            decision=decision,
            exit=self.exit_data,
            oracles=self.oracles,
            started_at=exit_.started_at if exit_ else None,
            duration_s=exit_.duration_s if exit_ else None,
            **what,
        )
