"""The faults of an attempt: armed once their target runs, injected at their instant, taken back come what may."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from enum import Enum, auto

from campaign.proc import Process
from campaign.records import FaultExit, FaultOrder, Order, fill_json
from campaign.supervise import undo
from campaign.supervise.claim import Claim
from campaign.supervise.hostmessages import Acted, Arm, Armed, Failed, Inject, Reply
from campaign.supervise.loop import Timer
from campaign.supervise.running import Running
from campaign.supervise.station import Station
from campaign.supervise.takeback import DEADLINE_S, journal, strike, take_back

#: How often a fault looks whether its target is there again.
_LOOK_AGAIN_S = 0.02


class State(Enum):
    """Where a fault stands."""

    PLANNED = auto()
    ARMING = auto()
    ARMED = auto()
    INJECTING = auto()
    IN_FORCE = auto()
    CLEARING = auto()
    OVER = auto()


_AHEAD = frozenset({State.PLANNED, State.ARMING, State.ARMED})
_ACTED = frozenset({State.INJECTING, State.IN_FORCE, State.CLEARING})


class FaultRun:
    """One fault on its way: ``planned → arming → armed → injecting → in force → clearing → over``.

    ``due`` is its instant on the loop's clock, known once the step has started that it counts from.
    """

    def __init__(self, order: FaultOrder) -> None:
        self.order = order
        self.state = State.PLANNED
        self.target: Running | None = None
        self.due: float | None = None
        self.undo: undo.UndoEntry | None = None
        self.journalled = False
        self.hit: tuple[Process, ...] = ()
        self.timer: Timer | None = None
        self.injected_at: float | None = None
        self.cleared_at: float | None = None
        self.notes: str | None = None
        self.error: str | None = None
        self.undo_failed: str | None = None

    def fail(self, why: str) -> None:
        """It was not injected, and will not be."""
        self.error = why
        self.state = State.OVER

    def note(self, text: str) -> None:
        """Something more to say of it."""
        self.notes = text if self.notes is None else f"{self.notes}, {text}"

    def miss(self, why: str) -> None:
        """Its instant came too late: that is an error, unless the trace that its target carries out has its effect."""
        if self.order.in_trace == "effect":
            self.notes, self.state = why, State.OVER
        else:
            self.fail(why)


class Faults:
    """All faults of one attempt; ``changed`` is called whenever one of them has moved on.

    ``late`` are the late values known so far, which others add to.
    """

    def __init__(
        self, order: Order, station: Station, claim: Claim, late: Mapping[str, str], changed: Callable[[], None]
    ) -> None:
        self._order, self._station, self._claim, self._late = order, station, claim, late
        self._changed = changed
        self._runs = [FaultRun(each) for each in order.faults]
        self._closed = self._ending = False
        #: Starts a served tool again, and calls back once it is ready.
        self.restart: Callable[[Running, Callable[[], None]], None] = _not_at_all

    @property
    def any(self) -> bool:
        """Whether the order has faults at all."""
        return bool(self._runs)

    @property
    def acting(self) -> bool:
        """Whether a fault is being injected right now: its answer says whose end it excuses."""
        return any(run.state is State.INJECTING for run in self._runs)

    @property
    def passing(self) -> bool:
        """Whether one is in force that will be over by itself, after which its target may be started again."""
        return any(run.state in _ACTED and (run.order.for_s is not None or run.order.restarts) for run in self._runs)

    @property
    def settled(self) -> bool:
        """Whether all of them are over: the host owes no answer and nothing is in force."""
        return all(run.state is State.OVER for run in self._runs)

    def hit(self, process: Process | None) -> bool:
        """Whether a fault hit this very process."""
        return process is not None and any(process in run.hit for run in self._runs)

    def started(self, running: Running, at: float) -> None:
        """A step or served tool has started, ``at`` that instant: a fault may count from it, or aim at it."""
        for run in self._runs:
            if run.state in _AHEAD and run.target is not None and run.target.order is running.order:
                self._aim_anew(run)
            if run.due is None and self._counts_from(run.order, running):
                run.due = at + run.order.at_s
            if run.target is None and self._aims_at(run.order, running):
                run.target = running
            ready = run.state is State.PLANNED and run.due is not None and run.target is not None
            if ready and run.target is not None and run.order.in_trace != "end":
                self._arm(run, run.target)

    def died(self, running: Running, at: float) -> None:
        """What carries out a trace has ended, ``at`` that instant: as it had to, if the trace ends with a fault."""
        for run in self._runs:
            if run.order.in_trace == "end" and run.state is State.PLANNED and run.target is running:
                if running.status.signal == signal.SIGKILL and running.process is not None:
                    run.injected_at, run.hit, run.notes = at, (running.process,), "the trace ends here"
                    run.state = State.OVER
                else:
                    run.fail(f"{running.name} came to an end that is not that of its trace: {running.how()}")

    def end(self) -> None:
        """Inject nothing more, and take back whatever is in force."""
        self._ending = True
        self.close()
        for run in self._runs:
            if run.timer is not None:
                run.timer.cancel()
            if run.state is State.IN_FORCE:
                self._clear(run)
        self._changed()

    def close(self) -> None:
        """The steps are over: inject nothing more; what is in force stays so for its time."""
        self._closed = True
        for run in self._runs:
            if run.state in {State.PLANNED, State.ARMED}:
                if run.timer is not None:
                    run.timer.cancel()
                run.miss(_too_late(run))
                self._strike(run)

    def records(self, epoch: float) -> tuple[FaultExit, ...]:
        """What the exit record says; ``epoch`` is the attempt's start on the loop's clock."""
        return tuple(_record(run, epoch) for run in self._runs)

    def _counts_from(self, order: FaultOrder, running: Running) -> bool:
        first = self._order.steps[0].label
        return _named(running, order.after or first)

    def _aims_at(self, order: FaultOrder, running: Running) -> bool:
        return _named(running, order.target or order.after or self._order.steps[0].label)

    def _aim_anew(self, run: FaultRun) -> None:
        """Its target was started again: what it was armed for is gone."""
        if run.timer is not None:
            run.timer.cancel()
        self._strike(run)
        run.state, run.target, run.journalled = State.PLANNED, None, False

    def _arm(self, run: FaultRun, target: Running) -> None:
        if target.process is None:
            run.miss(f"{target.name} had ended before it could be armed")
            return
        try:
            settings = fill_json(run.order.settings, self._late)
        except KeyError as error:
            run.fail(f"{error.args[0]} is not known: no served tool exports it")
            return
        run.state = State.ARMING
        request = Arm(
            id=self._station.host.next_id(),
            label=run.order.name,
            fault=run.order.fault,
            settings=settings,
            target=target.process,
            workdir=self._order.directories.work,
            random=run.order.random,
            duration_s=run.order.for_s,
        )
        self._station.host.ask(request, DEADLINE_S, lambda reply: self._armed(run, target, request, reply))

    def _armed(self, run: FaultRun, target: Running, request: Arm, reply: Reply) -> None:
        if run.target is not target:
            return  # it was aimed anew meanwhile
        if not isinstance(reply, Armed):
            run.fail(_why(reply))
        elif self._closed or run.due is None:
            run.miss(_too_late(run))
        else:
            self._journal(run, reply)
            if run.state is State.ARMING:
                run.state = State.ARMED
                delay = max(0.0, run.due - self._station.loop.now())
                run.timer = self._station.loop.call_later(delay, lambda: self._inject(run, target, request, reply))
        self._changed()

    def _journal(self, run: FaultRun, armed: Armed) -> None:
        run.undo = undo.UndoEntry(
            label=run.order.name,
            fault=run.order.fault,
            undo=armed.undo,
            plugins=self._order.plugins,
            at=self._station.loop.now(),
            workdir=self._order.directories.work,
        )
        if not armed.undo:
            return  # nothing to take back, nothing to journal
        try:
            journal(self._claim, run.undo)
            run.journalled = True
        except OSError as error:
            run.fail(f"its inverse could not be journalled: {error.strerror}")

    def _inject(self, run: FaultRun, target: Running, arm: Arm, armed: Armed) -> None:
        if self._comes_back(target):  # it is aimed anew then, and late
            run.timer = self._station.loop.call_later(_LOOK_AGAIN_S, lambda: self._inject(run, target, arm, armed))
            return
        if target.ended:
            run.miss(f"{target.name} had ended before its instant, {run.order.at_s:g} s")
            self._strike(run)
            self._changed()
            return
        run.state = State.INJECTING
        request = Inject(
            id=self._station.host.next_id(),
            label=arm.label,
            fault=arm.fault,
            settings=arm.settings,
            target=arm.target,
            workdir=arm.workdir,
            random=arm.random,
            duration_s=arm.duration_s,
            undo=armed.undo,
        )
        self._station.host.ask(request, DEADLINE_S, lambda reply: self._injected(run, reply))

    def _comes_back(self, target: Running) -> bool:
        """Whether a fault ends this target to have it started again."""
        restarts = [each for each in self._runs if each.order.restarts and each.target is target]
        return not self._ending and any(each.state not in _AHEAD and each.error is None for each in restarts)

    def _injected(self, run: FaultRun, reply: Reply) -> None:
        run.state = State.IN_FORCE
        if isinstance(reply, Acted):
            run.injected_at, run.hit, run.notes = reply.at, reply.hit, reply.notes
            if run.order.for_s is not None and not self._ending:
                run.timer = self._station.loop.call_later(run.order.for_s, lambda: self._clear(run))
        else:
            run.error = _why(reply)
        over = run.order.restarts and run.order.for_s is None
        if self._ending or over or run.error is not None:
            self._clear(run)  # it may have acted in part before it failed
        self._changed()

    def _clear(self, run: FaultRun) -> None:
        run.state = State.CLEARING
        entry = run.undo or undo.UndoEntry(label=run.order.name, fault=run.order.fault, undo={})
        take_back(self._station.host, entry, lambda problem: self._cleared(run, problem))

    def _cleared(self, run: FaultRun, problem: str | None) -> None:
        run.state = State.OVER
        if problem is not None:
            run.undo_failed = problem
        else:
            run.cleared_at = self._station.loop.now()
            self._strike(run)
            self._start_again(run)
        self._changed()

    def _start_again(self, run: FaultRun) -> None:
        if run.order.restarts and run.target is not None and run.error is None and not self._ending:
            began = self._station.loop.now()
            self.restart(run.target, lambda: run.note(f"ready again after {self._station.loop.now() - began:.3f} s"))

    def _strike(self, run: FaultRun) -> None:
        if run.journalled and run.undo is not None:
            strike(self._claim, run.undo)


def _not_at_all(_running: Running, _ready: Callable[[], None]) -> None:
    """Before there is anything that could start a tool again."""


def _named(running: Running, label: str) -> bool:
    return label in {running.name, running.order.label}


def _too_late(run: FaultRun) -> str:
    return f"its instant, {run.order.at_s:g} s, came after the tools had ended"


def _why(reply: Reply) -> str:
    return reply.error if isinstance(reply, Failed) else f"the provider host answered {type(reply).__name__}"


def _record(run: FaultRun, epoch: float) -> FaultExit:
    left = "the supervisor failed before it was taken back" if run.state in _ACTED else None
    return FaultExit(
        label=run.order.label,
        fault=run.order.fault,
        planned_at_s=run.order.at_s if run.due is None else round(run.due - epoch, 6),
        injected_at_s=None if run.injected_at is None else round(run.injected_at - epoch, 6),
        cleared_at_s=None if run.cleared_at is None else round(run.cleared_at - epoch, 6),
        target=run.target.name if run.target else run.order.target,
        notes=run.notes,
        error=run.error,
        undo_failed=run.undo_failed or left,
        index=run.order.index,
    )
