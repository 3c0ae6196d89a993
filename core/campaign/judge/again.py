"""An attempt judged again by what the spec says today: its order of then with the expectations and oracles of now."""

from __future__ import annotations

from msgspec.structs import replace

from campaign.judge.recovery import with_recovery
from campaign.records import (
    MASK,
    Exit,
    FaultOrder,
    MetricOrder,
    Order,
    PatternOrder,
    StepExit,
    StepOrder,
    WatchOrder,
)


def judged_by(recorded: Order, current: Order) -> Order:
    """What was ordered then, with what decides now.

    That is oracles, expectations, metrics, good exits, recovery times, and which faults a watch judges.  What was
    carried out (argument vectors, environments, folders, faults, watches) stays as it was.  Of an order that came in an
    archive, which holds no values of variables, programs that judge get those of today.
    """
    steps = {step.label: step for step in current.steps}
    faults = {fault.label: fault for fault in current.faults}
    watches = {watch.label: watch for watch in recorded.watches}
    return replace(
        recorded,
        oracles=current.oracles,
        expectations=current.expectations,
        patterns=current.patterns,
        plugins=current.plugins,
        signed_by=current.signed_by,
        environment={
            name: current.environment.get(name, value) if value == MASK else value
            for name, value in recorded.environment.items()
        },
        steps=tuple(_step(step, steps.get(step.label)) for step in recorded.steps),
        faults=tuple(_fault(fault, faults.get(fault.label)) for fault in recorded.faults),
        watches=tuple(_watch(watch, watches.get(watch.label)) for watch in current.watches),
    )


def came_in_an_archive(order: Order) -> bool:
    """Whether values of its variables were left out, so that its digest cannot be told any more."""
    return MASK in order.environment.values() or any(MASK in step.env.values() for step in order.steps)


def _step(then: StepOrder, now: StepOrder | None) -> StepOrder:
    return then if now is None else replace(then, metrics=now.metrics, ok_exits=now.ok_exits)


def _fault(then: FaultOrder, now: FaultOrder | None) -> FaultOrder:
    return then if now is None else replace(then, sla_s=now.sla_s)


def _watch(now: WatchOrder, then: WatchOrder | None) -> WatchOrder:
    """What was asked then, as it counts now; one that was not there then saw nothing."""
    return now if then is None else replace(then, faults=now.faults, required=now.required, advisory=now.advisory)


def exits_by(order: Order, exit: Exit) -> Exit:
    """The exit record by what counts now: the steps' exits, and which watches judge which faults."""
    good = {step.label: step.ok_exits for step in order.steps}
    exit = with_recovery(order, exit)
    return replace(exit, steps=tuple(_ended(step, good.get(step.label)) for step in exit.steps))


def _ended(step: StepExit, good: tuple[int, ...] | None) -> StepExit:
    if good is None or step.error is not None or step.exit.timeout or step.exit.code is None:
        return step
    return replace(step, ok=step.exit.code in good)


def not_looked_for(
    recorded: Order, order: Order
) -> tuple[tuple[PatternOrder, ...], dict[str, tuple[MetricOrder, ...]]]:
    """What the output was not searched for when the attempt ran: patterns, and metrics by the label of their step."""
    known = {each.id for each in recorded.patterns}
    read = {step.label: {(each.name, each.pattern) for each in step.metrics} for step in recorded.steps}
    metrics = {
        step.label: tuple(each for each in step.metrics if (each.name, each.pattern) not in read.get(step.label, set()))
        for step in order.steps
    }
    patterns = tuple(each for each in order.patterns if each.id not in known)
    return patterns, {label: found for label, found in metrics.items() if found}
