"""``run.json``: what people and other tools read of one attempt; pure, and cheap, for it is made for every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from campaign.judge.metrics import read_metric
from campaign.judge.observed import watch_record, within_sla
from campaign.judge.recovery import blind
from campaign.records import (
    Decision,
    Exit,
    Failure,
    FailureView,
    FaultExit,
    FaultOrder,
    FaultView,
    GuardExit,
    GuardView,
    HoldExit,
    HoldView,
    HostView,
    OracleRecord,
    OracleView,
    Order,
    Resources,
    RunView,
    ServiceOrder,
    StepExit,
    StepOrder,
    StepView,
    TraceExit,
    TraceView,
    Verdict,
    WatchExit,
    WatchOrder,
    WatchView,
    mask_text,
    secrets_of,
    show_late,
    shown_environment,
    watch_path,
)
from campaign.units import UnitError, to_json

#: Changes of a watch that its view lists.
MOST_CHANGES = 50


def run_view(  # noqa: PLR0913 - three facts, the rest named and with a default
    order: Order,
    exit: Exit | None,
    oracles: Sequence[OracleRecord],
    decision: Decision | None,
    *,
    state: str = "done",
    host_id: str | None = None,
    flaky: bool = False,
    provenance: Mapping[str, Any] | None = None,
) -> RunView:
    """The record of one attempt; ``exit`` is missing where nothing was started, ``decision`` before it is judged.

    ``passed``: the verdict is pass.  ``verified``: it is, and an oracle looked at the evidence and found it well.
    ``flaky``: it passed after an earlier attempt of the same run had not.
    """
    passed = decision is not None and decision.verdict is Verdict.PASS
    return RunView(
        id=order.id,
        key=order.key,
        campaign=order.campaign,
        instance=order.instance,
        cell=order.cell,
        axes=order.axes,
        settings=order.settings,
        seed=order.seed,
        tier=order.tier,
        tags=order.tags,
        attempt=order.attempt,
        origin=order.origin,
        state=state,
        verdict=None if decision is None else decision.verdict.value,
        reason=None if decision is None else decision.reason or None,
        failure=None if decision is None or decision.failure is None else _failure(decision.failure),
        passed=passed,
        verified=passed and any(record.ok and not record.advisory for record in oracles),
        flaky=passed and flaky,
        oracles=tuple(_oracle(record) for record in oracles),
        provenance=dict(provenance or {}),
        **({} if exit is None else _carried_out(order, exit, host_id)),
    )


def _carried_out(order: Order, exit: Exit, host_id: str | None) -> dict[str, Any]:
    """The part of the record that an exit record gives."""
    granted = exit.granted or order.granted
    steps = _processes(order, exit, order.steps, exit.steps)
    services = _processes(order, exit, order.services, exit.services)
    return {
        "started_at": exit.started_at,
        "finished_at": exit.finished_at,
        "duration_s": exit.duration_s,
        "clock": exit.clock,
        "steps": steps,
        "services": services,
        "trace": next((each.trace for each in (*steps, *services) if each.trace is not None), None),
        "holds": tuple(map(_hold, exit.holds)),
        "guards": tuple(map(_guard, exit.guards)),
        "faults": _faults(order, exit),
        "watches": tuple(_watch(each, exit) for each in order.watches if exit.clock == "real"),
        "resources": Resources(
            requested={**order.needs, **order.prefers},
            granted=granted,
            fallback_reason=order.fallback_reason,
        ),
        "output": exit.output,
        "host": HostView(id=host_id, boot_id=exit.boot_id),
    }


def _failure(failure: Failure) -> FailureView:
    return FailureView(
        kind=failure.kind.value,
        message=failure.message,
        fingerprint=failure.fingerprint or None,
        classification=failure.classification,
        duplicate_of=failure.duplicate_of,
    )


# --- processes --------------------------------------------------------------------------------------------------


def _processes(
    order: Order, exit: Exit, asked: Sequence[StepOrder | ServiceOrder], ended: Sequence[StepExit]
) -> tuple[StepView, ...]:
    if not ended:
        return ()
    orders = {(each.label, getattr(each, "index", None)): each for each in asked}
    secrets = secrets_of(order)
    return tuple(_process(secrets, exit.late, orders.get((each.label, each.index)), each) for each in ended)


def _process(
    secrets: Sequence[str], late: Mapping[str, str], asked: StepOrder | ServiceOrder | None, ended: StepExit
) -> StepView:
    return StepView(
        label=ended.label,
        index=ended.index,
        tool=ended.tool,
        argv=tuple(mask_text(show_late(word, late), secrets) for word in ended.argv),
        env={} if asked is None else shown_environment(asked.env, late, secrets),
        exit=ended.exit,
        started_at_s=ended.started_at_s,
        duration_s=ended.duration_s,
        ok=ended.ok,
        output_path=ended.output.path,
        metrics=_metrics(asked, ended.metrics) if ended.metrics else {},
        error=None if ended.error is None else mask_text(ended.error, secrets),
        trace=None if ended.trace is None else _trace(secrets, late, asked, ended.trace),
    )


def _trace(
    secrets: Sequence[str], late: Mapping[str, str], asked: StepOrder | ServiceOrder | None, left: TraceExit
) -> TraceView:
    """A truncated trace has no arguments that would carry it out: what came after it is not known."""
    replay = () if asked is None or asked.trace is None or left.truncated else asked.trace.replay
    return TraceView(
        path=left.path,
        bytes=left.bytes,
        truncated=left.truncated,
        replay=tuple(mask_text(show_late(word, late), secrets) for word in replay),
    )


def _metrics(asked: StepOrder | ServiceOrder | None, printed: Mapping[str, str]) -> dict[str, Any]:
    types = {metric.name: metric.type for metric in asked.metrics} if isinstance(asked, StepOrder) else {}
    return {name: _metric(text, types.get(name, "decimal")) for name, text in printed.items()}


def _metric(text: str, kind: str) -> object:
    """A metric as JSON; what cannot be read as its type stands as it was printed."""
    try:
        return to_json(read_metric(text, kind))
    except UnitError:
        return text


# --- faults, holds, guards and oracles --------------------------------------------------------------------------------


def _faults(order: Order, exit: Exit) -> tuple[FaultView, ...]:
    if not order.faults:
        return ()
    found = {fault.name: fault for fault in exit.faults}
    return tuple(_fault(fault, found.get(fault.name), _is_watched(order, exit, fault)) for fault in order.faults)


def _is_watched(order: Order, exit: Exit, fault: FaultOrder) -> bool:
    """Whether a watch looked that would have seen it."""
    watched = exit.watches and any(watch.judges(fault.label) for watch in order.watches)
    return bool(watched) and blind(order, exit, fault.label) is None


def _fault(asked: FaultOrder, seen: FaultExit | None, watched: bool) -> FaultView:
    if seen is None:
        return FaultView(
            name=asked.fault, label=asked.label, planned_at_s=asked.at_s, sla_s=asked.sla_s, index=asked.index
        )
    judged = asked.sla_s is not None and seen.injected_at_s is not None
    return FaultView(
        name=asked.fault,
        label=asked.label,
        planned_at_s=seen.planned_at_s,
        injected_at_s=seen.injected_at_s,
        detected_at_s=seen.detected_at_s,
        recovered_at_s=seen.recovered_at_s,
        sla_s=asked.sla_s,
        within_sla=within_sla(asked, seen) if judged else None,
        target=seen.target,
        notes=_notes(seen, watched),
        error=seen.error or seen.undo_failed,
        index=asked.index,
    )


def _notes(seen: FaultExit, watched: bool) -> str | None:
    """What its plugin says; and what never broke is told apart from what never recovered."""
    broke_nothing = watched and seen.injected_at_s is not None and seen.detected_at_s is None
    told = [
        *filter(None, [seen.notes]),
        *(["never detected: it broke nothing that a watch saw"] if broke_nothing else []),
    ]
    return "; ".join(told) or None


def _hold(seen: HoldExit) -> HoldView:
    return HoldView(
        name=seen.fault,
        label=seen.label,
        put_on_at_s=seen.put_on_at_s,
        taken_off_at_s=seen.taken_off_at_s,
        target=seen.target,
        notes=seen.notes,
        error=seen.undo_failed or seen.error,
    )


def _guard(seen: GuardExit) -> GuardView:
    return GuardView(
        name=seen.oracle,
        label=seen.label,
        samples=seen.samples,
        message=seen.message,
        breached_at_s=seen.breached_at_s,
    )


def _watch(asked: WatchOrder, exit: Exit) -> WatchView:
    seen = next((each for each in exit.watches if each.label == asked.label), WatchExit(asked.label, asked.oracle))
    record = watch_record(asked, exit)
    return WatchView(
        name=asked.oracle,
        label=asked.label,
        ok=record.ok,
        message=record.message,
        advisory=asked.advisory,
        every_s=asked.every_s,
        samples=seen.samples,
        missed=seen.missed,
        first_at_s=seen.first_at_s,
        last_at_s=seen.last_at_s,
        longest_s=seen.longest_s,
        changes=len(seen.changes),
        timeline=seen.changes[:MOST_CHANGES],
        left_out=seen.left_out,
        error=record.error,
        skipped=seen.skipped,
        path=watch_path(asked.label) if seen.changes else None,
    )


def _oracle(record: OracleRecord) -> OracleView:
    return OracleView(
        name=record.oracle,
        label=record.label,
        ok=record.ok,
        message=record.message,
        exit_code=record.exit_code,
        advisory=record.advisory,
        error=record.error,
        skipped=record.skipped,
        paths=record.paths,
    )
