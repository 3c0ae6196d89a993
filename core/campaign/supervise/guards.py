"""The guards of an attempt: oracles that are asked again and again while it lasts, and stop it when they object.

Each has a provider host of its own, so that neither a slow fault nor another guard keeps it waiting.  One that does not
answer within its period, crashes or answers nonsense objects too: a sensor that is silent protects nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from campaign.records import Evidence, GuardExit, GuardOrder, Order
from campaign.supervise.hostclient import HostClient
from campaign.supervise.hostmessages import Answered, Ask, Failed, Load, Reply, Skipped
from campaign.supervise.loop import Timer
from campaign.supervise.station import Station

_LOAD_DEADLINE_S = 60.0


class GuardRun:
    """One guard; ``message`` is what it said last."""

    def __init__(self, order: GuardOrder, host: HostClient) -> None:
        self.order, self.host = order, host
        self.samples = 0
        self.message = ""
        self.asked_at = 0.0
        self.breached_at: float | None = None
        self.timer: Timer | None = None


class Guards:
    """Calls ``ready`` once all have looked and found it well, ``breached`` with a sentence when one objects."""

    def __init__(
        self,
        order: Order,
        station: Station,
        evidence: Evidence,
        secrets: tuple[str, ...],
    ) -> None:
        self._plugins, self._station, self._evidence = order.plugins, station, evidence
        self._runs = [GuardRun(each, station.new_host()) for each in order.guards]
        for run in self._runs:
            run.host.secrets = secrets
        self._ready: Callable[[], None] | None = None
        self._breached: Callable[[str], None] | None = None

    def start(self, ready: Callable[[], None], breached: Callable[[str], None]) -> None:
        """Ask each of them for the first time."""
        self._ready, self._breached = ready, breached
        for run in self._runs:
            self._load(run)
        self._all_looked()

    def end(self) -> None:
        """Ask no more."""
        self._ready = self._breached = None
        for run in self._runs:
            if run.timer is not None:
                run.timer.cancel()
            if run.host in self._station.hosts:
                self._station.dismiss(run.host)

    def records(self, epoch: float) -> tuple[GuardExit, ...]:
        """What the exit record says; ``epoch`` is the attempt's start on the loop's clock."""
        return tuple(_record(run, epoch) for run in self._runs)

    def _load(self, run: GuardRun) -> None:
        request = Load(run.host.next_id(), self._plugins)
        run.host.ask(request, _LOAD_DEADLINE_S, lambda reply: self._loaded(run, reply))

    def _loaded(self, run: GuardRun, reply: Reply) -> None:
        if isinstance(reply, Failed):
            self._object(run, f"cannot be asked: {reply.error}")
        else:
            self._ask(run)

    def _ask(self, run: GuardRun) -> None:
        if self._breached is None:
            return
        run.asked_at = self._station.loop.now()
        request = Ask(run.host.next_id(), run.order.oracle, run.order.settings, True, self._evidence)
        run.host.ask(request, run.order.every_s, lambda reply: self._answered(run, reply))

    def _answered(self, run: GuardRun, reply: Reply) -> None:
        if self._breached is None:
            return
        run.samples += 1
        match reply:
            case Answered(judgement=judgement) if judgement.ok:
                run.message = judgement.message
                again_s = max(0.0, run.asked_at + run.order.every_s - self._station.loop.now())
                run.timer = self._station.loop.call_later(again_s, lambda: self._ask(run))
                self._all_looked()
            case Answered(judgement=judgement):
                self._object(run, judgement.message or "not ok")
            case Failed(error=error) | Skipped(why=error):
                self._object(run, f"does not answer: {error}")
            case _:
                self._object(run, f"answered {type(reply).__name__}")

    def _all_looked(self) -> None:
        if self._ready is not None and all(run.samples for run in self._runs):
            ready, self._ready = self._ready, None
            ready()

    def _object(self, run: GuardRun, message: str) -> None:
        if self._breached is not None:
            run.message, run.breached_at = message, self._station.loop.now()
            self._breached(f"guard {run.order.label}: {message}")


def _record(run: GuardRun, epoch: float) -> GuardExit:
    return GuardExit(
        label=run.order.label,
        oracle=run.order.oracle,
        samples=run.samples,
        message=run.message,
        breached_at_s=None if run.breached_at is None else round(run.breached_at - epoch, 6),
    )
