"""The served tools of an attempt: started one after the other, each ready before the next; a fault starts one again."""

from __future__ import annotations

from collections.abc import Callable

from campaign.records import Order, ServiceOrder
from campaign.supervise.chain import Chain
from campaign.supervise.hostmessages import Failed, Probe, Probed, Reply
from campaign.supervise.loop import Timer
from campaign.supervise.processes import StartError
from campaign.supervise.running import Running
from campaign.supervise.scene import Scene
from campaign.supervise.station import Station

_PROBE_EVERY_S = 0.05
_PROBE_DEADLINE_S = 30.0


class Services:
    """Calls ``ready`` once all of them are, or ``failed`` with the reason why one never will be."""

    def __init__(
        self,
        order: Order,
        scene: Scene,
        station: Station,
        ready: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self._order, self._scene, self._station = order, scene, station
        self._ready, self._failed = ready, failed
        self._waiting = list(order.services)
        self._starting: Running | None = None
        self._patience: dict[Running, Timer] = {}
        self._closed = False

    def inherit(self, chain: Chain) -> None:
        """Those that served the run before go on."""
        for running, between in chain.hand_on().items():
            self._scene.inherit(running, between)
            self._waiting = [each for each in self._waiting if each.label != running.order.label]
        self._scene.values |= chain.exports

    def kept(self) -> tuple[Running, ...] | None:
        """Those that can serve another run, None where one of them is not there any more."""
        living = {each.order.label: each for each in self._scene.services if not each.ended}
        return tuple(living.values()) if len(living) == len(self._order.services) else None

    def exports(self) -> dict[str, str]:
        """What they told when they were ready, as late values."""
        prefixes = tuple(f"{each.label}." for each in self._order.services)
        return {name: value for name, value in self._scene.values.items() if name.startswith(prefixes)}

    def start(self) -> None:
        """Start the next one, if there is one."""
        if not self._waiting:
            self._starting = None
            self._ready()
            return
        order = self._waiting.pop(0)
        try:
            self._starting = self._scene.start(order)
        except StartError as error:
            self._fail(f"{order.label} could not be started: {error}")
            return
        self._await(order, self._starting, self.start)

    def restart(self, gone: Running, ready: Callable[[], None]) -> None:
        """Start one again, once its process has ended; ``ready`` is called when it is."""
        order = gone.order
        if self._closed or not isinstance(order, ServiceOrder):
            return
        if not gone.ended:
            self._station.loop.call_later(_PROBE_EVERY_S, lambda: self.restart(gone, ready))
            return
        gone.stream.drain()
        try:
            running = self._scene.start(order)
        except StartError as error:
            self._fail(f"{order.label} could not be started again: {error}")
            return
        self._await(order, running, ready)

    def close(self) -> None:
        """Wait for none of them any more."""
        self._closed = True
        for timer in self._patience.values():
            timer.cancel()

    def advance(self) -> None:
        """Look whether the one that is being waited for has ended instead."""
        running = self._starting
        if running is not None and running.ended and not self._closed:
            self._fail(f"{running.name} ended before it was ready: {running.how()}")

    def lost(self) -> Running | None:
        """A served tool that has ended by itself: no fault of the campaign hit it."""
        for running in self._scene.services:
            if running.ended:
                self._scene.excuse(running)
                if not running.excused:
                    return running
        return None

    def _await(self, order: ServiceOrder, running: Running, ready: Callable[[], None]) -> None:
        """Ask until it is ready, for as long as it may take."""
        if not order.probe:
            ready()
            return
        if order.timeout_s is not None:
            why = f"{order.label} was not ready within {order.timeout_s:g} s"
            self._patience[running] = self._station.loop.call_later(
                order.timeout_s, lambda: self._overdue(running, why)
            )
        self._probe(order, running, ready)

    def _overdue(self, running: Running, why: str) -> None:
        if not running.ended:
            self._fail(why)

    def _probe(self, order: ServiceOrder, running: Running, ready: Callable[[], None]) -> None:
        if self._closed or running.ended:
            return
        request = Probe(
            id=self._station.host.next_id(),
            tool=order.tool,
            label=order.label,
            settings=order.values,
            workdir=self._order.directories.served,
            pid=running.pid or 0,
        )
        self._station.host.ask(request, _PROBE_DEADLINE_S, lambda reply: self._probed(order, running, ready, reply))

    def _probed(self, order: ServiceOrder, running: Running, ready: Callable[[], None], reply: Reply) -> None:
        if self._closed or (running.ended and running is not self._starting):
            return
        if not isinstance(reply, Probed):
            why = reply.error if isinstance(reply, Failed) else f"the provider host answered {type(reply).__name__}"
            self._fail(f"{order.label} could not be asked whether it is ready: {why}")
        elif reply.exports is None:
            self._station.loop.call_later(_PROBE_EVERY_S, lambda: self._probe(order, running, ready))
        else:
            self._scene.values |= {f"{order.label}.{name}": value for name, value in reply.exports.items()}
            if running in self._patience:
                self._patience.pop(running).cancel()
            ready()

    def _fail(self, why: str) -> None:
        if not self._closed:
            self.close()
            self._failed(why)
