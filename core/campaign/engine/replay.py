"""A replay: an attempt is carried out again as it was, from its traces where it has some, and compared with then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from campaign.engine.retrace import retraced
from campaign.engine.sidework import Came, Ground, Trial, Work
from campaign.ledger.rows import AttemptRecord
from campaign.records import Exit, FaultExit, FaultOrder, Order, Verdict

#: A fault that was injected so near to its instant is injected at that instant again, in seconds.
_PUNCTUAL_S = 0.02


def work(ground: Ground) -> Work:
    """Carry it out ``times`` times, in parallel as far as there is room; what each came to."""
    assert ground.parent is not None
    parent = ground.parent
    order = as_it_was(parent.order, parent.exit, parent.row.directory, ground.note)
    trials = [Trial(order=order, parent=parent) for _ in range(int(ground.request.settings.get("times", 1)))]
    came: list[Came] = []
    wanted = trials
    while len(came) < len(trials):
        answer = yield wanted
        wanted = []
        if answer is not None:
            came.append(answer)
    return {"runs": [_told(parent, each) for each in sorted(came, key=lambda each: each.order.attempt)]}


def as_it_was(order: Order, ended: Exit | None, directory: str, note: Callable[[str], None]) -> Order:
    """The order that does again what an attempt did: the same processes, and faults at the instants that they had.

    Where ``directory``, the attempt's own, holds traces, these are carried out; why one is not goes to ``note``.
    """
    if ended is None:
        return order
    injected = {each.name: each for each in ended.faults}
    faults = tuple(
        replace(each, at_s=_instant(each, injected[each.name], ended)) if each.name in injected else each
        for each in order.faults
    )
    return retraced(replace(order, faults=faults), ended, directory, note)


def _instant(planned: FaultOrder, fault: FaultExit, ended: Exit) -> float:
    """When a fault was really injected, in seconds after its step began; as planned where it was about then."""
    began = [step.started_at_s for step in ended.steps if planned.after in {None, step.label}]
    if fault.injected_at_s is None or not began:
        return planned.at_s
    really = max(0.0, fault.injected_at_s - began[0])
    return planned.at_s if abs(really - planned.at_s) <= _PUNCTUAL_S else round(really, 6)


def _told(parent: AttemptRecord, came: Came) -> dict[str, Any]:
    order, failure = came.order, came.decision.failure
    then = parent.decision.failure.fingerprint if parent.decision and parent.decision.failure else None
    if came.decision.verdict is Verdict.PASS:
        outcome = "passed"
    elif came.decision.verdict is Verdict.CANCELED:
        outcome = "canceled"
    else:
        outcome = "same" if failure is not None and failure.fingerprint == then else "other"
    return {
        "name": f"{order.key}@{order.origin}-{order.attempt}",
        "verdict": came.decision.verdict,
        "outcome": outcome,
        "message": failure.message if failure else None,
        "fingerprint": failure.fingerprint if failure else None,
        "directory": order.directories.public,
        "from_trace": any(step.replay is not None for step in order.steps),
    }
