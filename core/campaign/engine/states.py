"""The states of an attempt and every edge between them; what is not in the table cannot happen.

    queued → admitted → starting → running → judging → done
       ↑        │           └────────┴── lost
       └────────┘ revoked

``docs/explanation/engine.md`` publishes the same table, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache

from campaign.failpoints import armed, reach
from campaign.records import Verdict


class State(StrEnum):
    """Where an attempt stands; the values are what ledger and files hold."""

    QUEUED = "queued"
    ADMITTED = "admitted"
    STARTING = "starting"
    RUNNING = "running"
    JUDGING = "judging"
    DONE = "done"
    LOST = "lost"


_ANY = frozenset(Verdict)
_NEVER_RAN = frozenset({Verdict.CANCELED, Verdict.SKIPPED})
_UNTOLD = frozenset({Verdict.ERROR, Verdict.CANCELED})

#: Every edge; those that lead to ``done`` with the verdicts they may bring.
TRANSITIONS: Mapping[tuple[State, State], frozenset[Verdict]] = {
    (State.QUEUED, State.ADMITTED): frozenset(),
    (State.QUEUED, State.DONE): _NEVER_RAN,
    (State.ADMITTED, State.QUEUED): frozenset(),  # revoked: proved that it never ran
    (State.ADMITTED, State.STARTING): frozenset(),
    (State.STARTING, State.RUNNING): frozenset(),
    (State.STARTING, State.DONE): _UNTOLD,  # a setup error, an orphan
    (State.STARTING, State.LOST): frozenset(),
    (State.RUNNING, State.JUDGING): frozenset(),
    (State.RUNNING, State.DONE): _UNTOLD,  # an orphan without an exit record: nothing to judge
    (State.RUNNING, State.LOST): frozenset(),
    (State.JUDGING, State.DONE): _ANY,
    (State.LOST, State.JUDGING): frozenset(),  # its exit record turned up after all
    (State.LOST, State.DONE): _UNTOLD,  # released by a person
}


class IllegalTransitionError(Exception):
    """A change of state that the table lacks: our own defect; the text is the attempt's story so far."""


class Story:
    """An attempt's states in order, each change checked against the table; holds no more than it needs to tell."""

    __slots__ = ("_name", "_past", "state")

    def __init__(self, name: str, state: State = State.QUEUED) -> None:
        self.state = state
        self._name = name
        self._past: list[State] = [state]

    def move(self, target: State, verdict: Verdict | None = None) -> State:
        """Go to ``target`` and return the state that was left; raises IllegalTransitionError."""
        source, allowed = self.state, TRANSITIONS.get((self.state, target))
        if allowed is None or (target is State.DONE) != (verdict is not None) or (verdict and verdict not in allowed):
            raise IllegalTransitionError(self._tell(target, verdict))
        self.state = target
        self._past.append(target)
        if armed():
            reach(f"decided.{source}.{target}")
        return source

    def _tell(self, target: State, verdict: Verdict | None) -> str:
        wanted = f"{target}({verdict})" if verdict else str(target)
        return f"{self._name}: {' → '.join(self._past)}, and then {wanted}, which no edge allows"


@cache
def path(source: State, target: State) -> tuple[State, ...]:
    """The shortest way from ``source`` to ``target``, both ends left out of it at the front: for catching up.

    After a crash the ledger may lag behind the evidence; each edge between is recorded.  Raises ValueError where
    there is no way.
    """
    ways: list[tuple[State, ...]] = [(source,)]
    for way in ways:
        if way[-1] is target:
            return way[1:]
        ways += [(*way, after) for before, after in TRANSITIONS if before is way[-1] and after not in way]
    raise ValueError(f"no way from {source} to {target}")
