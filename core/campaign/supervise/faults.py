"""The faults of an attempt: armed once their target runs, injected at their instant, taken back come what may."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from enum import Enum, auto

from msgspec.structs import replace

from campaign.proc import Process
from campaign.records import FaultExit, FaultOrder, Order, fill_json
from campaign.supervise import undo
from campaign.supervise.claim import Claim
from campaign.supervise.hostmessages import Acted, Arm, Armed, Failed, Inject, Reply
from campaign.supervise.loop import Timer
from campaign.supervise.overlaps import InForce, awaited
from campaign.supervise.running import Running
from campaign.supervise.station import Station
from campaign.supervise.takeback import DEADLINE_S, Outcome, journal, lapse, strike, take_back

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
        #: Its number among those that were injected, and whether its time is up.
        self.rank: int | None = None
        self.expired = False
        self.waited_for: dict[str, None] = {}
        self.injected_at: float | None = None
        self.cleared_at: float | None = None
        self.notes: str | None = None
        self.error: str | None = None
        self.undo_failed: str | None = None

    @property
    def standing(self) -> InForce:
        """How others see it while it is in force; what has no inverse is in nobody's way."""
        order, target = self.order, self.target.name if self.target else self.order.target
        own = order.shares or (() if order.resources else (f"@{target}",))
        shares = frozenset({*order.resources, *(f"{order.fault} {each}" for each in own)})
        undoable = self.undo is not None and bool(self.undo.undo)
        return InForce(order.overlaps, shares if undoable else frozenset(), self.expired)

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
        self._injections = 0
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
        return any(
            run.state in _ACTED
            and (run.order.for_s is not None or run.order.restarts)
            and not (run.state is State.IN_FORCE and run.expired)  # it waits for another one
            for run in self._runs
        )

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
            run.expired = True
        self._take_back()
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
            self._journal(run, reply, run.due)
            if run.state is State.ARMING:
                run.state = State.ARMED
                delay = max(0.0, run.due - self._station.loop.now())
                run.timer = self._station.loop.call_later(delay, lambda: self._inject(run, target, request, reply))
        self._changed()

    def _journal(self, run: FaultRun, armed: Armed, at: float) -> None:
        """Write its inverse down; ``at`` is its injection: of a dead run's, the last one is carried out first."""
        run.undo = undo.UndoEntry(
            label=run.order.name,
            fault=run.order.fault,
            undo=armed.undo,
            plugins=self._order.plugins,
            at=at,
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
        if self._comes_back(target) or self._is_going(run):  # of the first it is aimed anew then; both make it late
            run.timer = self._station.loop.call_later(_LOOK_AGAIN_S, lambda: self._inject(run, target, arm, armed))
            return
        if target.ended:
            run.miss(f"{target.name} had ended before its instant, {run.order.at_s:g} s")
            self._strike(run)
            self._changed()
            return
        run.state, run.rank = State.INJECTING, self._injections
        self._injections += 1
        if run.order.overlaps == "stacks" and self._overlapped(run):
            self._arm_anew(run, arm)
        else:
            self._act(run, arm, armed)

    def _is_going(self, run: FaultRun) -> bool:
        """Whether one that this would overlap with is being taken back right now."""
        return any(each.state is State.CLEARING for each in self._overlapped(run)) and not self._ending

    def _overlapped(self, run: FaultRun) -> list[FaultRun]:
        """Those in force that it comes on top of."""
        beneath = [each for each in self._in_force() if each is not run]
        return [each for each in beneath if awaited((each.standing, run.standing), 0)]

    def _in_force(self) -> list[FaultRun]:
        """By their injection."""
        acted = [(run.rank, run) for run in self._runs if run.rank is not None and run.state in _ACTED]
        return [run for _, run in sorted(acted, key=lambda pair: pair[0])]

    def _arm_anew(self, run: FaultRun, arm: Arm) -> None:
        """What it found when it was armed is not what is there now: its inverse is to put back what is beneath it."""
        again = replace(arm, id=self._station.host.next_id())

        def armed(reply: Reply) -> None:
            if self._ending:
                run.miss(_too_late(run))
            elif not isinstance(reply, Armed):
                run.fail(_why(reply))
            else:
                self._journal(run, reply, self._station.loop.now())
                if run.state is State.INJECTING:
                    self._act(run, again, reply)
                    return
            self._strike(run)  # it has not acted
            self._take_back()
            self._changed()

        self._station.host.ask(again, DEADLINE_S, armed)

    def _act(self, run: FaultRun, arm: Arm, armed: Armed) -> None:
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
                run.timer = self._station.loop.call_later(run.order.for_s, lambda: self._expire(run))
        else:
            run.error = _why(reply)
        over = run.order.restarts and run.order.for_s is None
        if self._ending or over or run.error is not None:
            self._expire(run)  # it may have acted in part before it failed
        self._changed()

    def _expire(self, run: FaultRun) -> None:
        run.expired = True
        self._take_back()

    def _take_back(self) -> None:
        """Clear what is over and waits for no other one."""
        in_force = self._in_force()
        standing = [each.standing for each in in_force]
        for index, run in reversed(list(enumerate(in_force))):
            if run.state is not State.IN_FORCE or not run.expired:
                continue
            others = awaited(standing, index)
            if not others:
                self._clear(run)
            elif not self._ending:
                run.waited_for.update((in_force[each].order.name, None) for each in others)

    def _clear(self, run: FaultRun) -> None:
        run.state = State.CLEARING
        entry = run.undo or undo.UndoEntry(label=run.order.name, fault=run.order.fault, undo={})
        take_back(self._station.host, entry, lambda outcome: self._cleared(run, outcome))

    def _cleared(self, run: FaultRun, outcome: Outcome) -> None:
        run.state = State.OVER
        if run.injected_at is not None and outcome.lapsed is not None:
            run.error = lapse(outcome.lapsed)
        if outcome.problem is not None:
            run.undo_failed = outcome.problem
        else:
            run.cleared_at = self._station.loop.now()
            if run.waited_for:
                run.note(f"taken back only after {', '.join(run.waited_for)}")
            self._strike(run)
            self._start_again(run)
        self._take_back()
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
