"""The verdict of an attempt: a pure function of what was asked for, what happened and what the oracles said.

Every rule of ``docs/reference/verdicts.md`` is one generator that yields what it objects to.  The objections combine
fail > error > pass; of equal ones the first in order of time gives the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from campaign.judge.expectations import Holds, Outcome, evaluate_expectation
from campaign.judge.fingerprint.regrouping import regrouped
from campaign.judge.fingerprint.signature import fingerprint, grounds_of, signed
from campaign.judge.observed import Observation, ending, named, timed_out, within_sla
from campaign.judge.recovery import blind, objection_of
from campaign.records import (
    Decision,
    Excerpt,
    Exit,
    Failure,
    FailureKind,
    FaultExit,
    OracleOrder,
    OracleRecord,
    Order,
    Reason,
    StepExit,
    Stop,
    Verdict,
    WatchExit,
    WatchOrder,
    mask_text,
    secrets_of,
)

_LONGEST = 1000  # of a reason or a message, in characters


class Objection(Struct, frozen=True):
    """One thing that keeps a run from passing.

    ``subject`` is what objects and how, the same in every run (an expectation as written, ``step writer exit 1``);
    it enters the fingerprint as it is, ``message`` only masked.  ``excerpt`` is what the output of what objects, or of
    what it objects to, says of the cause.  ``reason`` is what people read, where it tells which one of several it was.
    """

    verdict: Verdict
    kind: FailureKind
    subject: str
    message: str
    excerpt: Excerpt | None = None
    reason: str | None = None


def decide(order: Order, exit: Exit, oracles: Sequence[OracleRecord] = (), *, signature: str | None = None) -> Decision:
    """What an attempt comes to, with its reason in one line and its fingerprint.

    ``signature`` is a plugin's own name for the failure (``campaign_fingerprint``); where given, it decides which
    failures are the same.
    """
    left = next(_not_undone(exit), None)
    if left is not None:  # is said before anything that would hide it
        guard = next((each.message for each in _stopped(exit) if each.kind is FailureKind.GUARD), None)
        return _decision(order, left, f"{left.message}; {guard}" if guard else left.message, signature)
    if exit.stopped in (Stop.CANCEL, Stop.INTERRUPT):
        interrupted = exit.stopped is Stop.INTERRUPT
        return Decision(Verdict.CANCELED, Reason.INTERRUPTED if interrupted else Reason.CANCELED)
    broken = next(_broken(exit), None)
    if broken is not None:
        return _decision(order, broken, broken.message, signature)
    observation = Observation(order, exit, oracles)
    outcomes = [evaluate_expectation(expectation, observation) for expectation in order.expectations]
    objections = list(_objections(order, exit, oracles, outcomes))
    if not objections:
        return Decision(Verdict.PASS)
    failing = (each for each in objections if each.verdict is Verdict.FAIL)
    first = next(failing, objections[0])
    return _decision(order, first, _reason(first, outcomes), signature)


def _objections(
    order: Order, exit: Exit, oracles: Sequence[OracleRecord], outcomes: Sequence[Outcome]
) -> Iterator[Objection]:
    """Everything that keeps the run from passing, in order of time."""
    yield from _faults(order, exit)
    yield from _stopped(exit)
    yield from _timeouts(order, exit, outcomes)
    if all(outcome.holds is Holds.IDLE for outcome in outcomes):
        yield from _exits(exit)
    yield from _not_started(exit)
    yield from _survivors(exit)
    yield from _watches(order, exit)
    yield from _oracles(order, exit, oracles)
    yield from _slas(order, exit)
    yield from _expectations(exit, outcomes, all_injected=not any(_not_injected(order, exit)))


# --- nothing to judge -------------------------------------------------------------------------------------------


def _broken(exit: Exit) -> Iterator[Objection]:
    if exit.setup_error is not None and exit.stopped is Stop.SAFETY:
        yield Objection(Verdict.ERROR, FailureKind.GUARD, "limits", exit.setup_error)
    elif exit.setup_error is not None:
        yield Objection(Verdict.ERROR, FailureKind.SETUP, "setup", exit.setup_error)
    lapsed = next((hold for hold in exit.holds if hold.lapsed), None)
    if lapsed is not None and exit.stopped is not Stop.SAFETY:  # what it stood on was gone
        message = f"the hold {lapsed.label} {lapsed.error}"
        yield Objection(Verdict.ERROR, FailureKind.SETUP, f"hold {lapsed.label}", message)
    if exit.internal_error is not None:
        yield Objection(Verdict.ERROR, FailureKind.INTERNAL, "internal", exit.internal_error)


# --- how it ended -----------------------------------------------------------------------------------------------


def _stopped(exit: Exit) -> Iterator[Objection]:
    if exit.stopped is Stop.SAFETY:
        objecting = next((each for each in exit.guards if each.breached_at_s is not None), None)
        subject = f"guard {objecting.label}" if objecting else "guard"
        why = f"{subject} stopped the run: {objecting.message}" if objecting else "a guard stopped the run"
        yield Objection(Verdict.FAIL, FailureKind.GUARD, subject, why)
    if exit.stopped is Stop.SERVICE:
        alive = [each for each in exit.services if not each.excused]
        ended = min(alive, key=lambda each: each.started_at_s + each.duration_s, default=None)  # the others followed
        label = f"served tool {ended.label}" if ended else "a served tool"
        how = f": {ending(ended.exit)}" if ended else ""
        kind = FailureKind.SIGNAL if ended and ended.exit.signal else FailureKind.EXIT
        yield Objection(Verdict.FAIL, kind, f"{label}{how}", f"{label} ended by itself{how}", exit.excerpt)


def _timeouts(order: Order, exit: Exit, outcomes: Sequence[Outcome]) -> Iterator[Objection]:
    """A timeout is a failure, unless an expectation that applies speaks of it: then that one says what it means."""
    last = exit.steps[-1] if exit.steps else None
    late = next((step for step in exit.steps if step.counts and step.exit.timeout and not _asked(outcomes, step)), None)
    if exit.stopped is Stop.TIMEOUT and not _asked(outcomes, last):
        step = f" in step {named(last)}" if last else ""
        message = f"timeout after {order.timeout_s:g} s{step}"
        yield Objection(Verdict.FAIL, FailureKind.TIMEOUT, f"run{step}", message, exit.excerpt)
    elif late is not None:
        limit = next((step.timeout_s for step in order.steps if step.label == late.label), None)
        after = f" after {limit:g} s" if limit is not None else ""
        message = f"timeout{after} of step {named(late)}"
        yield Objection(Verdict.FAIL, FailureKind.TIMEOUT, f"step {late.label}", message, exit.excerpt)


def _asked(outcomes: Sequence[Outcome], step: StepExit | None) -> bool:
    """Whether something is expected of the attempt's timeout, or of that of this step."""
    names = {"exit.timeout"}
    if step is not None:
        names |= {f"step.{step.label}.exit.timeout", f"step.{named(step)}.exit.timeout"}
    return any(outcome.holds is not Holds.IDLE and not names.isdisjoint(outcome.names) for outcome in outcomes)


def _exits(exit: Exit) -> Iterator[Objection]:
    """Where nothing is expected, every step that counts must have ended well; a timeout is told as what it is."""
    for step in exit.steps:
        if step.excused or step.ok or not step.counts or step.error is not None or timed_out(exit, step):
            continue
        how = ending(step.exit)
        kind = FailureKind.SIGNAL if step.exit.signal else FailureKind.EXIT
        message = f"{how} of step {named(step)}"
        yield Objection(Verdict.FAIL, kind, f"step {step.label} {how}", message, exit.excerpt)


def _not_started(exit: Exit) -> Iterator[Objection]:
    for step in (*exit.services, *exit.steps):
        if step.error is not None:
            message = f"step {named(step)} could not be started: {step.error}"
            yield Objection(Verdict.ERROR, FailureKind.SETUP, f"step {step.label}", message)


def _survivors(exit: Exit) -> Iterator[Objection]:
    if not exit.tree_empty:
        message = "processes of the run survived being killed, so its evidence may still change"
        yield Objection(Verdict.ERROR, FailureKind.LOST, "tree", message)


# --- faults -----------------------------------------------------------------------------------------------------


def _faults(order: Order, exit: Exit) -> Iterator[Objection]:
    for label, why in _not_injected(order, exit):
        yield Objection(Verdict.ERROR, FailureKind.SETUP, f"fault {label}", f"fault {label} {why}")


def _not_injected(order: Order, exit: Exit) -> Iterator[tuple[str, str]]:
    """The faults that never happened, or not for their time, and why: such a run is no valid trial."""
    seen = {fault.name: fault for fault in exit.faults}
    for fault in order.faults:
        found = seen.get(fault.name)
        if found is not None and found.lapsed:
            yield fault.name, found.error or ""
        elif found is not None and found.error is not None:
            yield fault.name, f"could not be injected: {found.error}"
        elif (found is None or found.injected_at_s is None) and fault.in_trace is None:
            yield fault.name, f"was to come at {fault.at_s:g} s, after the tools had ended"


def _not_undone(exit: Exit) -> Iterator[Objection]:
    for fault in exit.faults:
        if fault.undo_failed is not None:
            message = f"fault {fault.name} could not be undone: {fault.undo_failed}"
            yield Objection(Verdict.FAIL, FailureKind.INTERNAL, f"undo {fault.label}", message)
    for hold in exit.holds:
        if hold.undo_failed is not None:
            message = f"the hold {hold.label} could not be taken off: {hold.undo_failed}"
            yield Objection(Verdict.FAIL, FailureKind.INTERNAL, f"undo {hold.label}", message)


def _slas(order: Order, exit: Exit) -> Iterator[Objection]:
    seen: dict[str, FaultExit] = {fault.name: fault for fault in exit.faults}
    for fault in order.faults:
        found = seen.get(fault.name)
        if fault.sla_s is None or found is None or found.injected_at_s is None or within_sla(fault, found):
            continue
        if found.lapsed:
            continue  # told already: nobody knows what there was to recover from
        untold = blind(order, exit, fault.label)
        if untold is not None:
            message = f"cannot tell whether fault {fault.name} was recovered from: {untold}"
            yield Objection(Verdict.ERROR, FailureKind.ORACLE, f"fault {fault.label} not watched", message)
            continue
        what = _unkept(found)
        message, reason = (f"fault {name} {what}: its sla is {fault.sla_s:g} s" for name in (fault.label, fault.name))
        yield Objection(Verdict.FAIL, FailureKind.SLA, f"fault {fault.label} {what}", message, reason=reason)


def _unkept(fault: FaultExit) -> str:
    """How an ``sla`` was not kept; what never broke did not recover either, and is told apart."""
    if fault.recovered_at_s is not None:
        return "recovered too late"
    return (
        "was never detected, so it broke nothing that a watch saw" if fault.detected_at_s is None else "never recovered"
    )


# --- watches ----------------------------------------------------------------------------------------------------


def _watches(order: Order, exit: Exit) -> Iterator[Objection]:
    """What they found wrong that no fault explains; one that could not be asked leaves it open."""
    seen = {watch.label: watch for watch in exit.watches}
    for watch in order.watches:
        if not watch.advisory and exit.steps:
            yield from _watch(watch, seen.get(watch.label), exit.faults)


def _watch(watch: WatchOrder, seen: WatchExit | None, faults: Sequence[FaultExit]) -> Iterator[Objection]:
    subject = f"watch {watch.label}"
    if seen is None or not (seen.samples or seen.error or seen.skipped):
        yield Objection(Verdict.ERROR, FailureKind.ORACLE, subject, f"{subject} was not asked")
        return
    objection = objection_of(watch, seen, faults)
    if objection is not None and objection.ok is False:
        message = f"{subject} at {objection.at_s:.3f} s: {objection.message or 'not ok'}"
        yield Objection(Verdict.FAIL, FailureKind.ORACLE, subject, message)
    elif objection is not None:
        message = f"{subject} could not judge at {objection.at_s:.3f} s: {objection.message}"
        yield Objection(Verdict.ERROR, FailureKind.ORACLE, subject, message)
    if seen.error is not None:
        yield Objection(Verdict.ERROR, FailureKind.ORACLE, subject, f"{subject} could not be asked: {seen.error}")
    if seen.skipped is not None and watch.required:
        yield Objection(Verdict.ERROR, FailureKind.SETUP, subject, f"{subject} is not available: {seen.skipped}")


# --- oracles and expectations -----------------------------------------------------------------------------------


def _oracles(order: Order, exit: Exit, oracles: Sequence[OracleRecord]) -> Iterator[Objection]:
    said = {record.label: record for record in oracles}
    for oracle in order.oracles:
        if not oracle.advisory and exit.clock == "real":
            yield from _oracle(oracle, said.get(oracle.label))


def _oracle(oracle: OracleOrder, record: OracleRecord | None) -> Iterator[Objection]:
    subject = f"oracle {oracle.label}"
    if record is None:
        yield Objection(Verdict.ERROR, FailureKind.ORACLE, subject, f"{subject} was not asked")
    elif record.error is not None:
        yield Objection(Verdict.ERROR, FailureKind.ORACLE, subject, f"{subject} could not judge: {record.error}")
    elif record.ok is False:
        message = f"{oracle.label}: {record.message or 'not ok'}"
        yield Objection(Verdict.FAIL, FailureKind.ORACLE, subject, message, record.excerpt)
    elif record.ok is None and oracle.required:
        why = f": {record.skipped}" if record.skipped else ""
        yield Objection(Verdict.ERROR, FailureKind.SETUP, subject, f"{subject} is not available{why}")


def _expectations(exit: Exit, outcomes: Sequence[Outcome], *, all_injected: bool) -> Iterator[Objection]:
    """What was expected and is not so; of a run whose fault never came, expectations prove nothing."""
    for outcome in outcomes:
        subject = f"expect {outcome.expectation.text}"
        if exit.steps and any(name.startswith("exit.") for name in outcome.names):
            subject += f" {ending(exit.steps[-1].exit)}"  # a crash and an exit 1 are two bugs
        if outcome.holds is Holds.NO and all_injected:
            yield Objection(Verdict.FAIL, FailureKind.EXPECT, subject, outcome.sentence, exit.excerpt)
        elif outcome.holds is Holds.UNDECIDED:
            message = f"cannot tell whether {outcome.expectation.text}: {outcome.detail}"
            yield Objection(Verdict.ERROR, FailureKind.EXPECT, subject, message)


# --- words ------------------------------------------------------------------------------------------------------


def _decision(order: Order, objection: Objection, reason: str, signature: str | None) -> Decision:
    kind, secrets = f"{objection.verdict} {objection.kind}", secrets_of(order)  # an expectation's words may hold one
    if signature is None:
        subject, message = mask_text(objection.subject, secrets), mask_text(objection.message, secrets)
        grounds = grounds_of(kind, subject, message, _own_names(order), objection.excerpt)
    else:
        grounds = signed(kind, signature)
    own = fingerprint(grounds)
    known = regrouped(own, order)
    failure = Failure(
        kind=objection.kind,
        message=one_line(mask_text(objection.message, secrets)),
        fingerprint=known,
        grounds=grounds if known == own else replace(grounds, was=own),
    )
    return Decision(objection.verdict, one_line(mask_text(reason, secrets)), failure)


def _own_names(order: Order) -> tuple[str, ...]:
    places = order.directories
    return (order.key, order.cell, order.id, order.token, order.campaign, places.public, places.private, places.work)


def _reason(objection: Objection, outcomes: Sequence[Outcome]) -> str:
    """The objection's message, or the author's own words where an expectation speaks of the same oracle."""
    if objection.kind is not FailureKind.ORACLE or objection.verdict is not Verdict.FAIL:
        return objection.reason or objection.message
    names = {"oracle.ok", f"oracle.{objection.subject.partition(' ')[2]}.ok"}
    spoken = (each.sentence for each in outcomes if each.holds is Holds.NO and not names.isdisjoint(each.names))
    return next(spoken, objection.message)


def one_line(text: str) -> str:
    """``text`` on one line, at most 1,000 characters, so that no message can flood a record or a table."""
    line = " ".join(text[: 4 * _LONGEST].split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
