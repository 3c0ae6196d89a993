"""The guards of an attempt: oracles that are asked again and again while it lasts, and stop it when they object.

Each has a provider host of its own, so that neither a slow fault nor another guard keeps it waiting.  One that does not
answer within its period, crashes or answers nonsense objects too: a sensor that is silent protects nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from campaign.records import Evidence, GuardExit, GuardOrder, Order
from campaign.supervise.hostmessages import Answered, Ask, Failed, Reply, Skipped
from campaign.supervise.sampling import Sampler
from campaign.supervise.station import Station


class GuardRun:
    """One guard; ``message`` is what it said last."""

    def __init__(self, order: GuardOrder) -> None:
        self.order = order
        self.samples = 0
        self.message = ""
        self.breached_at: float | None = None


class Guards:
    """Calls ``ready`` once all have looked and found it well, ``breached`` with a sentence when one objects."""

    def __init__(
        self,
        order: Order,
        station: Station,
        evidence: Evidence,
        secrets: tuple[str, ...],
    ) -> None:
        self._plugins, self._station, self._evidence, self._secrets = order.plugins, station, evidence, secrets
        self._runs = [GuardRun(each) for each in order.guards]
        self._samplers = [self._sampler(run) for run in self._runs]
        self._ready: Callable[[], None] | None = None
        self._breached: Callable[[str], None] | None = None

    def start(self, ready: Callable[[], None], breached: Callable[[str], None]) -> None:
        """Ask each of them for the first time."""
        self._ready, self._breached = ready, breached
        for sampler in self._samplers:
            sampler.start(self._plugins)
        self._all_looked()

    def end(self) -> None:
        """Ask no more."""
        self._ready = self._breached = None
        for sampler in self._samplers:
            sampler.end()

    def records(self, epoch: float) -> tuple[GuardExit, ...]:
        """What the exit record says; ``epoch`` is the attempt's start on the loop's clock."""
        return tuple(_record(run, epoch) for run in self._runs)

    def _sampler(self, run: GuardRun) -> Sampler:
        order = run.order
        sampler = Sampler(
            self._station,
            secrets=self._secrets,
            every_s=order.every_s,
            deadline_s=order.every_s,
            request=lambda number: Ask(number, order.oracle, order.settings, True, self._evidence),
            heard=lambda reply: self._heard(run, sampler, reply),
        )
        return sampler

    def _heard(self, run: GuardRun, sampler: Sampler, reply: Reply) -> None:
        if not sampler.able and isinstance(reply, Failed):
            self._object(run, f"cannot be asked: {reply.error}")
            return
        run.samples += 1
        match reply:
            case Answered(judgement=judgement) if judgement.ok:
                run.message = judgement.message
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
