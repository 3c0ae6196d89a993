"""The life of one attempt, from its order to its exit record and what its oracles say.

    claimed ─▶ holding ─▶ serving ─▶ stepping ─▶ ending ─▶ judging ─▶ over
                  └──────────┴───────────┴─ whatever ends it early ─▶ ending

``stepping`` begins with a first look of every watch, and lasts beyond the last step while a fault's ``sla`` runs and
what it hit may yet recover.

``ending`` takes faults and holds back and stops the tree, both at once, and is left when both are done.  Events only
note what happened; ``_advance`` looks at what is there and takes the next step, so that their order does not matter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import Enum, auto

import re2
from msgspec.structs import replace

from campaign.failpoints import reach
from campaign.judge.recovery import with_recovery
from campaign.records import Evidence, Exit, OracleRecord, Order, OutputRecord, Stop, mask_text, secrets_of
from campaign.records.messages import Exited, FromSupervisor, Judged, Refused, Started
from campaign.supervise.chain import Chain, release
from campaign.supervise.claim import Claim, ClaimedError, take
from campaign.supervise.evidence import losses
from campaign.supervise.excerpting import excerpt_of_attempt
from campaign.supervise.folders import open_folder
from campaign.supervise.guards import Guards
from campaign.supervise.hostmessages import Failed, Load, Reply
from campaign.supervise.judging import Judging, evidence_of
from campaign.supervise.loop import Timer
from campaign.supervise.scene import Scene
from campaign.supervise.services import Services
from campaign.supervise.station import Station, utc_now
from campaign.supervise.steps import GRACE_S, Steps
from campaign.supervise.stopper import Stopper
from campaign.supervise.tree import AttemptTree
from campaign.supervise.watches import Watches

#: How long what a finished tool left behind may go on writing its output.
LINGER_S = 0.5
_HOST_DEADLINE_S = 60.0


class Phase(Enum):
    """Where an attempt stands."""

    CLAIMED = auto()
    HOLDING = auto()
    SERVING = auto()
    STEPPING = auto()
    ENDING = auto()
    JUDGING = auto()
    OVER = auto()


_UNDER_WAY = frozenset({Phase.CLAIMED, Phase.HOLDING, Phase.SERVING, Phase.STEPPING})


class Attempt:
    """One attempt; reports through ``send`` and calls ``over`` when the supervisor is free for the next one.

    ``stuck`` says whether processes survived it: then the supervisor takes no further order.  ``goes_on`` says of a run
    of a chain whether the next one may follow; its served tools are the chain's then.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it is, where, for whom, and what may stand in its way
        self,
        order: Order,
        station: Station,
        send: Callable[[FromSupervisor], None],
        over: Callable[[], None],
        blocked: str | None = None,
        chain: Chain | None = None,
    ) -> None:
        """``blocked`` says why it must not act: something of it is still as a dead attempt left it."""
        self.order = order
        self.stuck = self.goes_on = False
        self._chain = chain
        self._station, self._loop = station, station.loop
        self._send, self._over = send, over
        self._phase = Phase.CLAIMED
        self._epoch, self._started_at = self._loop.now(), utc_now()
        self._secrets = station.host.secrets = secrets_of(order)
        self._claim: Claim | None = None
        self._scene: Scene | None = None
        self._guards: Guards | None = None
        self._watches: Watches | None = None
        self._evidence: tuple[object, Evidence] | None = None  # that so far, and what it was made from
        self._services: Services | None = None
        self._steps: Steps | None = None
        self._judging: Judging | None = None
        self._stopper: Stopper | None = None
        self._public = -1  # the public folder, while it is judged
        self._timers: list[Timer] = []
        self._patience: Timer | None = None
        self._tree_empty: bool | None = None
        self._unholding = False
        self._awaiting = False  # the steps are over, and a recovery is awaited
        self._looking = False  # the steps are over, and watches look once more
        self._desperate = False  # something failed while it was ending
        self._stopped: Stop | None = None
        self._breached = False  # a guard objected
        self._unsafe = False  # its values break a limit
        self._setup_error = blocked
        self._internal_error: str | None = None

    def refuse(self, why: str) -> None:
        """Its values break a limit: nothing of it may start."""
        self._unsafe, self._setup_error = True, why

    def begin(self) -> None:
        """Claim it, make its folders, start what comes first."""
        try:
            self._station.reserve.hold()
            self._claim = take(self.order, self._station.me)
            self._send(Started(self.order.token, self._started_at))
            reach("attempt.started")
            self._scene = Scene(self.order, self._station, self._claim, self._epoch, self._advance)
        except ClaimedError as error:
            self._send(Refused(self.order.token, str(error)))
            self._finish()
        except OSError as error:
            self._fail(f"the run could not be set up: {error.filename or self.order.token}: {error.strerror}")
        except re2.error as error:
            self._fail(f"a pattern of the run cannot be used: {error}")
        else:
            self._prepare(self._scene)

    def judge_again(self, record: Exit) -> None:
        """Ask the oracles about an exit record that is already there, where its evidence is whole too."""
        lost = self._lost(record)
        if lost is not None:
            record = replace(record, internal_error=record.internal_error or f"its evidence may not be whole: {lost}")
        self._judge(record, record.late)

    def _lost(self, record: Exit) -> str | None:
        """What is not there any more of what was recorded, or may not be; its folder is opened, and never made."""
        for what in losses(self.order, record):
            return what
        try:
            self._public = open_folder(self.order.directories.public, self.order.campaign, make=False)
        except OSError as error:
            return f"its folder cannot be opened: {error.strerror}"
        if record.boot_id == self._station.boot_id:
            return None
        return "it was not synced, and the machine was started anew before the oracles were asked"

    def stop(self, reason: Stop, grace_s: float) -> None:
        """End it early; once it is ending, only shorten the grace; while it is judged, ask no more oracles."""
        if self._phase in _UNDER_WAY:
            waited_enough = (
                self._awaiting or self._looking
            ) and reason is Stop.TIMEOUT  # its steps had the time that they needed
            self._end(None if waited_enough else reason, grace_s)
        elif self._phase is Phase.ENDING and self._stopper is not None:
            self._stopper.hurry(grace_s)
        elif self._phase is Phase.JUDGING and self._judging is not None:
            self.goes_on = False
            self._judging.stop(f"not asked: {reason}")

    def abort(self, why: str) -> None:
        """Something went wrong in the supervisor itself: end it, and say so."""
        self._internal_error = self._internal_error or why
        self.goes_on = False
        if self._phase in _UNDER_WAY:
            self._end(None, 0.0)
        elif self._phase is Phase.ENDING and not self._desperate:
            self._desperate = True
            self._stop_tree(0.0)
        elif self._phase is Phase.ENDING:
            self._record(bool(self._tree_empty))
        elif self._phase is Phase.JUDGING and self._judging is not None:
            judging, self._judging = self._judging, None
            self._tell(Judged(self.order.token, judging.given_up(why), None))
        else:
            self._finish()

    def children_changed(self) -> None:
        """Some process below the supervisor has ended."""
        if self._phase in {Phase.ENDING, Phase.JUDGING} and self._stopper is not None:
            self._stopper.poke()
        self._advance()

    # -- claimed, serving, stepping ------------------------------------------------------------------------------

    def _prepare(self, scene: Scene) -> None:
        self._services = Services(self.order, scene, self._station, self._served, self._fail)
        scene.faults.restart = self._services.restart
        self._steps = Steps(self.order, scene, self._station, self._steps_over, self._fail)
        self._later(self.order.timeout_s, lambda: self.stop(Stop.TIMEOUT, GRACE_S))
        if self._setup_error is not None:
            self._end(Stop.SAFETY if self._unsafe else None, 0.0)
        elif self._needs_host(scene):
            request = Load(self._station.host.next_id(), self.order.plugins)
            self._station.host.ask(request, _HOST_DEADLINE_S, self._host_loaded)
        else:
            self._serve()

    def _needs_host(self, scene: Scene) -> bool:
        """Whether plugins act in it; guards have hosts of their own, but what they guard is a hold's or a tool's."""
        acting = scene.faults.any or scene.holds.any or bool(self.order.guards)
        return acting or any(service.probe for service in self.order.services)

    def _host_loaded(self, reply: Reply) -> None:
        if self._phase is not Phase.CLAIMED:
            return
        if isinstance(reply, Failed):
            self._fail(reply.error)
        else:
            self._guard()

    def _guard(self) -> None:
        """Nothing is put on before every guard has looked."""
        self._phase = Phase.HOLDING
        evidence = evidence_of(self.order, self._exit_so_far(), self._late())
        self._guards = Guards(self.order, self._station, evidence, self._secrets)
        self._guards.start(self._hold, self._objected)

    def _hold(self) -> None:
        if self._scene is not None and self._phase is Phase.HOLDING:
            self._scene.holds.start(self._serve, self._fail)

    def _objected(self, why: str) -> None:
        """A guard objects: kill what runs and take off what is on, now; whoever acts meanwhile is killed for it."""
        self._breached = True
        if self._phase is Phase.ENDING:
            self._stopped = self._stopped or Stop.SAFETY
            if self._stopper is not None:
                self._stopper.hurry(0.0)
        elif self._phase in _UNDER_WAY:
            if self._station.host.busy:
                self._station.host.kill(why, gone=True)
            self._end(Stop.SAFETY, 0.0)

    def _serve(self) -> None:
        if self._phase not in {Phase.CLAIMED, Phase.HOLDING}:
            return
        self._phase = Phase.SERVING
        if self._services is not None:
            if self._chain is not None:
                self._services.inherit(self._chain)
            self._services.start()

    def _served(self) -> None:
        """Every watch looks once before the first step is started."""
        self._phase = Phase.STEPPING
        if self.order.watches and self._scene is not None:
            self._watches = Watches(
                self.order,
                self._station,
                evidence=self._evidence_so_far,
                secrets=self._secrets,
                epoch=self._epoch,
                changed=self._advance,
            )
            self._watches.start(self._scene.values, self._step, self._fail)
        else:
            self._step()

    def _step(self) -> None:
        if self._phase is Phase.STEPPING and self._steps is not None:
            self._steps.start()

    def _steps_over(self) -> None:
        """No fault comes any more; one that is in force may last for its time while its recovery is awaited."""
        if self._scene is not None:
            self._scene.faults.close()
        self._awaiting = True
        self._advance()

    def _await_recovery(self, scene: Scene) -> None:
        """Wait while an ``sla`` runs, a watch looks, and something that may recover is there or is to come back."""
        left_s = self._watches.awaited_s(scene.faults.records(self._epoch)) if self._watches is not None else 0.0
        if left_s > 0 and (self._station.survivors() or scene.faults.passing):
            if self._patience is None:
                self._patience = self._later(left_s, self._patience_over)
        else:
            self._awaiting = False
            self._settle_output()

    def _patience_over(self) -> None:
        self._patience = None
        self._advance()

    def _settle_output(self) -> None:
        """The natural end; what the last step left behind may write on for a moment, if it holds the output."""
        last = self._steps.current if self._steps else None
        if last is None or last.stream.ended or self._station.children.none:
            self._look_again()
            return
        timer = self._later(LINGER_S, self._look_again)
        last.stream.on_end = lambda: None if timer.callback is None else self._look_again()

    def _look_again(self) -> None:
        """Watches see all that was printed of what they look for, the last words too; then it ends."""
        if self._watches is None or self._scene is None:
            self._end(None, GRACE_S)
        elif self._phase is Phase.STEPPING and not self._looking:
            self._looking = True
            self._scene.recording.drain()
            self._watches.look_again(lambda: self._end(None, GRACE_S))

    def _fail(self, why: str) -> None:
        """Something of the run's own could not be started, unless a guard keeps it from that."""
        if self._breached:
            self._end(Stop.SAFETY, 0.0)
            return
        self._setup_error = self._setup_error or why
        self._end(None, GRACE_S)

    def _advance(self) -> None:
        """Look at what is there, and go on."""
        scene, services, steps = self._scene, self._services, self._steps
        if scene is None or services is None or steps is None:
            return
        if self._phase is Phase.SERVING:
            services.advance()
        elif self._phase is Phase.STEPPING:
            going_on = not steps.over or self._awaiting
            if going_on and not scene.faults.acting and services.lost() is not None:
                self._end(Stop.SERVICE, GRACE_S)
            elif self._awaiting:
                self._await_recovery(scene)
            else:
                steps.advance()
        elif self._phase is Phase.ENDING:
            self._unhold(scene)
            self._maybe_record()

    # -- ending --------------------------------------------------------------------------------------------------

    def _end(self, stopped: Stop | None, grace_s: float) -> None:
        if self._phase not in _UNDER_WAY:
            return
        self._phase = Phase.ENDING
        self._stopped = stopped
        self._keep()
        reach("attempt.ending")
        self._station.reserve.release()
        for timer in self._timers:
            timer.cancel()
        if self._watches is not None:
            self._watches.end()
        if self._services is not None:
            self._services.close()
        if self._steps is not None:
            self._steps.close()
            if stopped is Stop.TIMEOUT:
                self._steps.mark_timeout()
        if self._scene is not None:
            self._scene.faults.end()
            self._unhold(self._scene)
        self._stop_tree(grace_s)

    def _keep(self) -> None:
        """Its served tools go on where it is one of a chain that came to an end of its own, and not the last one."""
        services, scene = self._services, self._scene
        if self._chain is None or not self._chain.follows() or services is None or scene is None:
            return
        if self._exit_so_far().breaks:
            return
        kept = services.kept()
        if kept is not None:
            self.goes_on, scene.kept = True, kept

    def _unhold(self, scene: Scene) -> None:
        """Take the holds off, once no fault is in force on top of them."""
        if scene.faults.settled and not self._unholding:
            self._unholding = True
            scene.holds.end()

    def _stop_tree(self, grace_s: float) -> None:
        self._stop_below(grace_s, self._tree_stopped)

    def _stop_below(self, grace_s: float, done: Callable[[bool], None]) -> None:
        scene = self._scene
        started, kept = (lambda: scene.started if scene else ()), (lambda: scene.kept if scene else ())
        tree = AttemptTree(self._station, started, kept, self.order.directories.chain)
        self._stopper = Stopper(self._loop, tree, done)
        self._stopper.start(grace_s)

    def _tree_stopped(self, empty: bool) -> None:
        self._tree_empty = empty
        if self._scene is not None:
            self._scene.holds.tools_gone()
        self._maybe_record()

    def _maybe_record(self) -> None:
        """Once the tree is stopped, every leader reaped (its status known) and every fault taken back."""
        if self._phase is not Phase.ENDING or self._tree_empty is None:
            return
        scene = self._scene
        if scene is None or (scene.settled and (scene.reaped or not self._tree_empty)):
            self._record(self._tree_empty)

    def _record(self, tree_empty: bool) -> None:
        """Leave the exit record, say so, and have the evidence judged."""
        self._phase = Phase.JUDGING
        self.stuck = not tree_empty
        if self._guards is not None:
            self._guards.end()
        record = self._exit(tree_empty)
        self.goes_on = self.goes_on and not record.breaks
        try:
            if self._claim is not None:
                self._claim.write_exit(record)
        except OSError as error:
            self.goes_on = False
            self._internal_error = f"the exit record could not be written: {error.strerror}"
            record = self._exit(tree_empty)
        self._send(Exited(self.order.token, record))
        reach("attempt.exited")
        if not self.order.is_judged:
            self._finish()
            return
        if self._scene is not None:
            self._public = os.dup(self._scene.place.public)
        self._judge(record, self._scene.values if self._scene else {})

    def _exit(self, tree_empty: bool) -> Exit:
        if self._scene is not None:
            self._close_recording(self._scene)
        seen = replace(self._exit_so_far(), finished_at=utc_now(), tree_empty=tree_empty)
        record = with_recovery(self.order, seen)
        excerpt = excerpt_of_attempt(self.order, record, self._scene.place.public) if self._scene is not None else None
        return record if excerpt is None else replace(record, excerpt=excerpt)

    def _exit_so_far(self) -> Exit:
        scene, late, secrets = self._scene, self._late(), self._secrets
        return Exit(
            token=self.order.token,
            epoch=self.order.epoch,
            digest=self.order.digest,
            started_at=self._started_at,
            finished_at="",
            duration_s=round(self._loop.now() - self._epoch, 6),
            boot_id=self._station.boot_id,
            steps=tuple(each.record(late, secrets) for each in scene.steps) if scene else (),
            services=tuple(each.record(late, secrets) for each in scene.services) if scene else (),
            holds=scene.holds.records(self._epoch) if scene else (),
            guards=self._guards.records(self._epoch) if self._guards else (),
            faults=scene.faults.records(self._epoch) if scene else (),
            watches=self._watches.records() if self._watches else (),
            matched=scene.recording.matched if scene else (),
            output=scene.recording.record() if scene else OutputRecord(),
            granted=self.order.granted,
            late=late,
            stopped=self._stopped,
            setup_error=self._masked(self._setup_error),
            internal_error=self._masked(self._internal_error),
        )

    def _evidence_so_far(self) -> Evidence:
        """What a watch sees; made anew only where something has begun or ended meanwhile."""
        started = self._scene.started if self._scene else ()
        recording = self._scene.recording if self._scene else None
        output = (recording.unkept, recording.matched) if recording else ()
        made_from = (len(started), sum(each.ended for each in started), output)
        if self._evidence is None or self._evidence[0] != made_from:
            self._evidence = (made_from, evidence_of(self.order, self._exit_so_far(), self._late()))
        return self._evidence[1]

    def _late(self) -> dict[str, str]:
        """The late values that became known, as they may be shown."""
        values = self._scene.values if self._scene else {}
        return {name: mask_text(value, self._secrets) for name, value in values.items()}

    def _masked(self, why: str | None) -> str | None:
        return None if why is None else mask_text(why, self._secrets)

    def _close_recording(self, scene: Scene) -> None:
        for running in scene.started:
            scene.excuse(running)
        self._hand_on(scene)
        scene.recording.finish()
        scene.finish_traces()
        problem = scene.recording.error or scene.place.problem() or self._write_lines(scene)
        self._internal_error = self._internal_error or problem

    def _hand_on(self, scene: Scene) -> None:
        """What its served tools write from now on is not this run's."""
        for running in scene.kept:
            running.left(self._loop.now() - self._epoch)
            scene.recording.let_go(running.stream)
        if scene.kept and self._chain is not None and self._services is not None:
            self._chain.keep(scene.kept, self._services.exports())

    def _write_lines(self, scene: Scene) -> str | None:
        late = self._late()
        try:
            scene.place.write_steps(tuple(each.line(late, self._secrets) for each in scene.started))
            scene.place.write_watches(self._watches.records() if self._watches else ())
        except OSError as error:
            return f"what its steps and watches said could not be written: {error.strerror}"
        return None

    # -- judging, over -------------------------------------------------------------------------------------------

    def _judge(self, record: Exit, late: Mapping[str, str]) -> None:
        self._phase = Phase.JUDGING
        public = self._public if self._public >= 0 else None
        self._judging = Judging(self.order, record, self._station, late=late, public=public, done=self._judged)
        self._judging.start()

    def _judged(self, oracles: tuple[OracleRecord, ...], fingerprint: str | None) -> None:
        """End what those who judged have left behind, then say what they said."""
        reach("attempt.judged")
        judged = Judged(self.order.token, oracles, fingerprint)
        if self.stuck:  # something of the run is there for good, and was told
            self._tell(judged)
            return
        if self._scene is not None and not (self.goes_on and self._chain is not None and self._chain.follows()):
            self.goes_on, self._scene.kept = False, ()  # nobody is left whom they could serve

        def ended(empty: bool) -> None:
            self.stuck = not empty
            self.goes_on = self.goes_on and empty
            self._tell(judged)

        self._stop_below(0.0, ended)

    def _tell(self, judged: Judged) -> None:
        self._send(judged)
        self._finish()

    def _finish(self) -> None:
        if self._phase is Phase.OVER:
            return
        self._phase = Phase.OVER
        for timer in self._timers:
            timer.cancel()
        if self._scene is not None:
            self._scene.close()
        if self._public >= 0:
            os.close(self._public)
        if self._claim is not None:
            release(self._claim, self._chain if self.goes_on else None)
        reach("attempt.over")
        self._over()

    def _later(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = self._loop.call_later(delay, callback)
        self._timers.append(timer)
        return timer
