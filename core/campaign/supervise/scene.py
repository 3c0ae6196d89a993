"""What an attempt works with once it is claimed: its folders, its recording, its faults, and what runs in it."""

from __future__ import annotations

from collections.abc import Callable

from campaign.proc import identify
from campaign.records import Order, ServiceOrder, StepOrder, slot_values
from campaign.supervise.claim import Claim
from campaign.supervise.faults import Faults
from campaign.supervise.holds import Holds
from campaign.supervise.output import Between
from campaign.supervise.recording import Recording
from campaign.supervise.running import Running
from campaign.supervise.station import Station
from campaign.supervise.traces import Traces
from campaign.supervise.workplace import Workplace


class Scene:
    """Starts the tools of one attempt and keeps them; ``values`` are the late values known so far."""

    def __init__(self, order: Order, station: Station, claim: Claim, epoch: float, changed: Callable[[], None]) -> None:
        """Make the folders; ``epoch`` is the attempt's start.  Raises OSError, and ``re2.error`` for a bad pattern."""
        self._station, self._claim = station, claim
        self.epoch = epoch
        self.place = place = Workplace(order)
        try:
            self.recording = Recording(order, station.loop, station.buffer, lambda: place.public)
        except BaseException:
            place.close()
            raise
        self.values = slot_values(order, order.granted)
        self.faults = Faults(order, station, claim, self.values, changed)
        self.holds = Holds(order, station, claim, self.values, changed)
        self.traces = Traces(station.loop, place.public)
        self.services: list[Running] = []
        self.steps: list[Running] = []
        self.kept: tuple[Running, ...] = ()  # served tools that go on when this is over

    def start(self, order: StepOrder | ServiceOrder) -> Running:
        """Start a step or a served tool.  Raises StartError; it is recorded all the same."""
        if isinstance(order, StepOrder):
            stream, sink = self.recording.step(order.metrics)
            among, folder = self.steps, self.place.work
        else:
            stream, sink = self.recording.service(order.label)
            among, folder = self.services, self.place.served
        running = Running(order, stream, sink, self._station.loop.now() - self.epoch)
        among.append(running)
        try:
            if order.trace is not None:
                self.traces.expect(order.trace)
        except OSError as error:
            running.fail(f"the folder of its trace could not be made: {error.strerror}")
        dress = self.holds.dress(order.label) if self.holds.any else ({}, ())
        running.start(self._station, folder, self._claim.tree_lock, self.values, self.epoch, dress)
        self._started(running)
        return running

    def inherit(self, running: Running, between: Between) -> None:
        """A served tool goes on here; ``between`` has what it said since the run before."""
        sink = self.recording.inherit(running.order.label, running.stream)
        running.go_on(sink, self.epoch, self._station.loop.now() - self.epoch)
        between.pour(sink.write)
        self.services.append(running)
        self._started(running)

    def _started(self, running: Running) -> None:
        if self.faults.any and running.pid is not None:
            running.process = identify(running.pid, self._station.boot_id)
            self.faults.started(running, self.epoch + running.started_at_s)

    @property
    def reaped(self) -> bool:
        """Whether of everything that was to end the end is known."""
        return all(each.ended for each in self.started if each not in self.kept)

    @property
    def settled(self) -> bool:
        """Whether every fault is taken back and every hold is off."""
        return self.faults.settled and self.holds.settled

    @property
    def started(self) -> tuple[Running, ...]:
        """Every step and served tool, in the order in which they were started."""
        return (*self.services, *self.steps)

    def excuse(self, running: Running) -> None:
        """Note whether a fault of the campaign hit this very process, or did so in the trace that it carries out."""
        if running.ended_at_s is not None:
            self.faults.died(running, self.epoch + running.ended_at_s)
        running.excused = self.faults.any and self.faults.hit(running.process)

    def finish_traces(self) -> None:
        """Cut what is too long of the traces, and note what is left of them; every tool has ended."""
        self.traces.close()
        for running in self.started:
            if running.order.trace is not None and running.pid is not None:
                running.trace = self.traces.finish(running.order.trace)

    def close(self) -> None:
        """Let go of everything that is open."""
        self.traces.close()
        self.recording.finish()
        self.place.close()
