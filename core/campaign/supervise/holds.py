"""The held conditions of an attempt: put on one after the other before any tool starts, taken off come what may.

    planned → arming → acting → held → clearing → over

Each is journalled before it acts.  They are taken off in the opposite order, each only when the one before is off;
those that must not go from under a tool come last, when no process of the run is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum, auto

from campaign.records import HoldExit, HoldOrder, Order, fill_json
from campaign.supervise import undo
from campaign.supervise.claim import Claim
from campaign.supervise.hostmessages import Acted, Arm, Armed, Failed, Inject, Reply
from campaign.supervise.resources import held_twice
from campaign.supervise.station import Station
from campaign.supervise.takeback import DEADLINE_S, Outcome, journal, lapse, strike, take_back


class State(Enum):
    """Where a hold stands."""

    PLANNED = auto()
    ARMING = auto()
    ACTING = auto()
    HELD = auto()
    CLEARING = auto()
    OVER = auto()


class HoldRun:
    """One hold on its way; what it adds to the tools is known once it is held."""

    def __init__(self, order: HoldOrder) -> None:
        self.order = order
        self.state = State.PLANNED
        self.undo: undo.UndoEntry | None = None
        self.after_tools = False
        self.env: Mapping[str, str] = {}
        self.wrap: tuple[str, ...] = ()
        self.put_on_at: float | None = None
        self.taken_off_at: float | None = None
        self.notes: str | None = None
        self.error: str | None = None
        self.disagreed = False
        self.undo_failed: str | None = None


class Holds:
    """All holds of one attempt: calls ``ready`` when all are on, ``failed`` with the reason when one cannot be.

    ``changed`` is called whenever one has been taken off.  ``late`` are the late values known so far.
    """

    def __init__(
        self, order: Order, station: Station, claim: Claim, late: Mapping[str, str], changed: Callable[[], None]
    ) -> None:
        self._order, self._station, self._claim, self._late = order, station, claim, late
        self._changed = changed
        self._runs = [HoldRun(each) for each in order.holds]
        self._ready: Callable[[], None] = _nothing
        self._failed: Callable[[str], None] = _ignore
        self._ending = False
        self._tools_gone = False

    @property
    def any(self) -> bool:
        """Whether the order has holds at all."""
        return bool(self._runs)

    @property
    def settled(self) -> bool:
        """Whether none is on, and the host owes no answer."""
        return all(run.state is State.OVER for run in self._runs)

    def start(self, ready: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Put them on."""
        self._ready, self._failed = ready, failed
        twice = self._twice()
        if twice is not None:
            failed(twice)
        else:
            self._put_on()

    def _twice(self) -> str | None:
        with suppress(KeyError):  # what is not known keeps that hold from being put on, which says so
            return held_twice(self._order)
        return None

    def end(self) -> None:
        """Put nothing more on, and take off what is on."""
        self._ending = True
        for run in self._runs:
            if run.state is State.PLANNED:
                run.state = State.OVER
        self._take_off()

    def tools_gone(self) -> None:
        """No process of the run is left, or none that could be ended: what had to stay for them may go."""
        self._tools_gone = True
        if self._ending:
            self._take_off()

    def dress(self, label: str) -> tuple[dict[str, str], tuple[str, ...]]:
        """What a tool of this label is started with besides its own: environment, and words before its arguments."""
        env, wrap = dict[str, str](), tuple[str, ...]()
        for run in self._runs:
            if run.order.target in {None, label}:
                env, wrap = merged(env, run.env), (*wrap, *run.wrap)
        return env, wrap

    def records(self, epoch: float) -> tuple[HoldExit, ...]:
        """What the exit record says; ``epoch`` is the attempt's start on the loop's clock."""
        return tuple(_record(run, epoch) for run in self._runs)

    # --- on

    def _put_on(self) -> None:
        run = next((each for each in self._runs if each.state is State.PLANNED), None)
        if run is None:
            self._ready()
            return
        try:
            settings = fill_json(run.order.settings, self._late)
        except KeyError as error:
            self._give_up(run, f"{error.args[0]} is not known before the first tool starts")
            return
        run.state = State.ARMING
        request = Arm(
            id=self._station.host.next_id(),
            label=run.order.label,
            fault=run.order.fault,
            settings=settings,
            target=None,
            workdir=self._order.directories.work,
            random=run.order.random,
            duration_s=None,
        )
        self._station.host.ask(request, DEADLINE_S, lambda reply: self._armed(run, request, reply))

    def _armed(self, run: HoldRun, arm: Arm, reply: Reply) -> None:
        if self._ending:
            run.state = State.OVER  # nothing has acted
            self._take_off()
        elif not isinstance(reply, Armed):
            self._give_up(run, _why(reply))
        elif (problem := self._journal(run, reply)) is not None:
            self._give_up(run, problem)
        else:
            self._act(run, arm, reply)

    def _journal(self, run: HoldRun, armed: Armed) -> str | None:
        """Write its inverse down; what went wrong."""
        if not armed.undo:
            return None  # it changes nothing that outlives the tools
        entry = undo.UndoEntry(
            label=run.order.label,
            fault=run.order.fault,
            undo=armed.undo,
            plugins=self._order.plugins,
            at=self._station.loop.now(),
            workdir=self._order.directories.work,
            held=True,
        )
        try:
            journal(self._claim, entry)
        except OSError as error:
            return f"its inverse could not be journalled: {error.strerror}"
        run.undo, run.after_tools = entry, armed.after_tools
        return None

    def _act(self, run: HoldRun, arm: Arm, armed: Armed) -> None:
        run.state = State.ACTING
        request = Inject(
            id=self._station.host.next_id(),
            label=arm.label,
            fault=arm.fault,
            settings=arm.settings,
            target=None,
            workdir=arm.workdir,
            random=arm.random,
            duration_s=None,
            undo=armed.undo,
        )
        self._station.host.ask(request, DEADLINE_S, lambda reply: self._acted(run, reply))

    def _acted(self, run: HoldRun, reply: Reply) -> None:
        run.state = State.HELD  # also where it failed: it may have acted in part
        if isinstance(reply, Acted):
            run.put_on_at, run.notes = self._station.loop.now(), reply.notes
            run.env, run.wrap = reply.env, reply.wrap
        else:
            run.error = _why(reply)
            run.disagreed = isinstance(reply, Failed) and reply.disagrees
        if self._ending:
            self._take_off()
        elif run.error is not None:
            self._failed(_sentence(run))
        else:
            self._put_on()

    def _give_up(self, run: HoldRun, why: str) -> None:
        """It was not put on, and nothing has acted."""
        run.error = why
        run.state = State.OVER
        self._failed(_sentence(run))

    # --- off

    def _take_off(self) -> None:
        """Take the last one off that is on; the others follow, one by one."""
        if any(run.state in {State.ARMING, State.ACTING, State.CLEARING} for run in self._runs):
            return  # its answer leads on
        run = next((each for each in reversed(self._runs) if self._may_go(each)), None)
        if run is None:
            self._changed()
        elif run.undo is None:
            self._taken_off(run, Outcome())
        else:
            run.state = State.CLEARING
            take_back(self._station.host, run.undo, lambda outcome: self._taken_off(run, outcome))

    def _may_go(self, run: HoldRun) -> bool:
        return run.state is State.HELD and (self._tools_gone or not run.after_tools)

    def _taken_off(self, run: HoldRun, outcome: Outcome) -> None:
        run.state = State.OVER
        if run.put_on_at is not None and outcome.lapsed is not None:
            run.error = lapse(outcome.lapsed)
        if outcome.problem is not None:
            run.undo_failed = outcome.problem
        else:
            run.taken_off_at = self._station.loop.now()
            if run.undo is not None and not run.disagreed:  # else a person has to look at it first
                strike(self._claim, run.undo)
        self._take_off()


def merged(env: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Both environments, ``more`` wins; but libraries to preload can be had of both."""
    both = {**env, **more}
    if "LD_PRELOAD" in env and "LD_PRELOAD" in more:
        both["LD_PRELOAD"] = f"{env['LD_PRELOAD']} {more['LD_PRELOAD']}"
    return both


def _sentence(run: HoldRun) -> str:
    return f"the hold {run.order.label} could not be put on: {run.error}"


def _why(reply: Reply) -> str:
    return reply.error if isinstance(reply, Failed) else f"the provider host answered {type(reply).__name__}"


def _record(run: HoldRun, epoch: float) -> HoldExit:
    left = None if run.state is State.OVER or run.undo is None else "the supervisor failed before it was taken off"
    return HoldExit(
        label=run.order.label,
        fault=run.order.fault,
        put_on_at_s=None if run.put_on_at is None else round(run.put_on_at - epoch, 6),
        taken_off_at_s=None if run.taken_off_at is None else round(run.taken_off_at - epoch, 6),
        target=run.order.target,
        notes=run.notes,
        error=run.error,
        disagreed=run.disagreed,
        undo_failed=run.undo_failed or left,
    )


def _nothing() -> None:
    return


def _ignore(_: str) -> None:
    return
