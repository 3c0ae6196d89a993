"""From an attempt with traces to the order that carries them out again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import IO

from msgspec.structs import replace

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.plugins import traces
from campaign.readable import open_regular
from campaign.records import Exit, FaultOrder, Order, ReplayOrder, StepExit, StepOrder
from campaign.supervise.folders import closing_fd, create_file, open_below, open_folder, write_all

_CHUNK_BYTES = 1 << 20


def retraced(order: Order, ended: Exit, directory: str, note: Callable[[str], None]) -> Order:
    """The order with every step replayed from its trace that has one, as ``directory`` holds them; the rest as it is.

    A trace that cannot be carried out is told to ``note``, and its step is executed again.  So is everything where the
    attempt was stopped: no trace shows that something took too long.
    """
    if ended.stopped is not None:
        return order
    exits = {(each.label, each.index): each for each in ended.steps}
    found: dict[str, ReplayOrder] = {}
    steps = []
    for step in order.steps:
        exit_ = exits.get((step.label, step.index))
        replay = None if exit_ is None else _replay(step, exit_, directory, note)
        if replay is not None:
            found[named(step)] = replay
            step = carrying_out(step, replay)  # noqa: PLW2901 - the same step, otherwise started
        steps.append(step)
    if not found:
        return order
    faults = tuple(_fault(each, order, ended, directory, found) for each in order.faults)
    return replace(order, steps=tuple(steps), faults=faults)


def carrying_out(step: StepOrder, replay: ReplayOrder) -> StepOrder:
    """A step that was traced, carrying out the trace ``replay`` instead; it writes none of its own."""
    assert step.trace is not None
    return replace(step, argv=step.trace.replay, template=(), trace=None, replay=replay)


def named(step: StepOrder | StepExit) -> str:
    """The label, with the index of a repeated step."""
    return step.label if step.index is None else f"{step.label}[{step.index}]"


def digest_of(path: str) -> str:
    """The digest of a file; raises OSError, also for what is no file."""
    with open(open_regular(path), "rb") as file:
        return _digest(file, lambda _: None)


def _digest(file: IO[bytes], take: Callable[[bytes], None]) -> str:
    state = blake2b(digest_size=16)
    while piece := file.read(_CHUNK_BYTES):
        state.update(piece)
        take(piece)
    return state.hexdigest()


def _replay(step: StepOrder, ended: StepExit, directory: str, note: Callable[[str], None]) -> ReplayOrder | None:
    if step.trace is None or ended.trace is None or not step.trace.replay:
        return None
    why = "its end is missing" if ended.trace.truncated else "it ran out of time" if ended.exit.timeout else None
    try:
        digest = digest_of(os.path.join(directory, ended.trace.path)) if why is None else ""
    except OSError as error:
        digest, why = "", error.strerror or str(error)
    if why is not None:
        note(f"{named(step)} is executed again, not replayed from its trace: {why}")
        return None
    path = ended.trace.path
    return ReplayOrder(path=path, source=path, digest=digest, to_the_end=not ended.excused)


# --- faults -----------------------------------------------------------------------------------------------------------


def _fault(
    fault: FaultOrder, order: Order, ended: Exit, directory: str, replays: Mapping[str, ReplayOrder]
) -> FaultOrder:
    """What a fault is where its target carries out a trace: the end of it, or something that may come too late."""
    aimed = fault.target or fault.after or order.steps[0].label
    step = next((each for each in ended.steps if aimed in {each.label, named(each)} and named(each) in replays), None)
    if step is None:
        return fault
    seen = [
        each for each in ended.faults if each.injected_at_s is not None and each.target in {step.label, named(step)}
    ]
    last = max(seen, key=lambda each: each.injected_at_s or 0.0, default=None)
    ends = last is not None and last.label == fault.label and step.excused and step.exit.signal is not None
    died = _died(os.path.join(directory, replays[named(step)].source))
    return replace(fault, in_trace="end" if ends and died else "effect")


def _died(path: str) -> bool:
    """Whether a trace of our own format ends with the death of its tool, so that a replay dies there."""
    try:
        return traces.header(path).died
    except (traces.TraceError, OSError):
        return False


# --- the file ---------------------------------------------------------------------------------------------------------


def lay_out(order: Order, directory: str) -> None:
    """Put the traces that an order's steps carry out into their places; ``directory`` is where they come from.

    Raises CampaignError where one is not there any more, or is another one.
    """
    for step in order.steps:
        if step.replay is not None:
            try:
                _copy(step.replay, directory, order)
            except OSError as error:
                why = f"the trace of {named(step)} cannot be copied: {error.strerror or error}"
                raise CampaignError([Diagnostic("CAMP590", why, status=ExitStatus.SETUP)]) from error


def _copy(replay: ReplayOrder, directory: str, order: Order) -> None:
    *folders, name = replay.path.split("/")
    fd = open_folder(order.directories.public, order.campaign)
    for each in folders:
        with closing_fd(fd):
            fd = open_below(fd, each)
    with closing_fd(fd), open(open_regular(os.path.join(directory, replay.source)), "rb") as file:
        target = create_file(fd, name)
        with closing_fd(target):
            if _digest(file, lambda piece: write_all(target, piece)) != replay.digest:
                raise OSError(f"{replay.source} has changed")
            file.seek(0)
            if replay.to_the_end and traces.ended(file.read(traces.HEADER_BYTES)) == traces.OPEN:
                os.pwrite(target, traces.ENDED, traces.STATE_AT)
