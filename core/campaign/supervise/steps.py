"""The steps of an attempt, in order, each with its own time."""

from __future__ import annotations

from collections.abc import Callable

from campaign.proc import identify
from campaign.records import Order, StepOrder
from campaign.supervise.loop import Timer
from campaign.supervise.processes import StartError
from campaign.supervise.running import Running
from campaign.supervise.scene import Scene
from campaign.supervise.station import Station
from campaign.supervise.stopper import Stopper
from campaign.supervise.tree import StepTree

#: Between TERM and KILL where a step or an attempt has run out of time.
GRACE_S = 5.0


class Steps:
    """Calls ``done`` when the last one that runs has ended, ``failed`` with the reason when one cannot be started."""

    def __init__(
        self,
        order: Order,
        scene: Scene,
        station: Station,
        done: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self._order, self._scene, self._station = order, scene, station
        self._done, self._failed = done, failed
        self.over = False
        self._waiting = list(order.steps)
        self._timer: Timer | None = None
        self._stopper: Stopper | None = None
        self.current: Running | None = None

    def start(self) -> None:
        """Start the next step."""
        order = self._waiting.pop(0)
        if self.current is not None and (problem := self._scene.place.problem()):
            self._failed(problem)
            return
        try:
            self.current = self._scene.start(order)
        except StartError as error:
            self.current = self._scene.steps[-1]
            self._failed(f"{self.current.name} could not be started: {error}")
            return
        if order.timeout_s is not None:
            running = self.current
            self._timer = self._station.loop.call_later(order.timeout_s, lambda: self._out_of_time(running))

    def advance(self) -> None:
        """Look whether the step has ended, and go on."""
        if self._stopper is not None:
            self._stopper.poke()
        running = self.current
        if self.over or running is None or not running.ended or self._stopper is not None:
            return
        if self._scene.faults.acting:
            return  # the answer says whether this end is excused
        self.close()
        self._settle(running)
        if self._waiting and goes_on(self._order, running):
            self.start()
        else:
            self.over = True
            self._done()

    def close(self) -> None:
        """Keep no more time."""
        if self._timer is not None:
            self._timer.cancel()

    def mark_timeout(self) -> None:
        """The attempt has run out of time: so has the step that is under way."""
        if self.current is not None and not self.current.ended:
            self.current.timed_out = True

    def _settle(self, running: Running) -> None:
        running.stream.drain()
        self._scene.excuse(running)

    def _out_of_time(self, running: Running) -> None:
        if running.ended or running.pid is None:
            return
        running.timed_out = True
        leader = running.process or identify(running.pid, self._station.boot_id)
        if leader is not None:  # not reaped, so it is there
            self._stopper = Stopper(self._station.loop, StepTree(running, leader), self._stopped)
            self._stopper.start(GRACE_S)

    def _stopped(self, _: bool) -> None:
        """What of its tree could not be killed is found again when the attempt ends."""
        self._stopper = None
        self._station.loop.call_later(0.0, self.advance)


def goes_on(order: Order, running: Running) -> bool:
    """Whether the next step follows: always with ``steps last``, else unless this one failed and counts."""
    counts = isinstance(running.order, StepOrder) and running.order.counts
    return not order.all_steps or running.ok or running.excused or not counts
