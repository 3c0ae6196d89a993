"""The watches of an attempt: oracles that are asked again and again while its steps run, on the evidence so far.

They say when a fault was noticed and when it was over, so a sample is what was known when its answer came.  One that
has not answered within the watch's ``timeout`` is not ok from then on; it may still answer a while longer, which is
the next sample, before its host is ended and the next is asked of a fresh one.  An oracle that could not judge is
not ok either.  A watch whose host died is blind: it is asked no more, and the run is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from campaign.judge.recovery import recovered
from campaign.records import Evidence, FaultExit, Order, WatchExit, WatchOrder, fill_json
from campaign.supervise.hostmessages import Answered, Ask, Failed, Reply, Skipped
from campaign.supervise.loop import Loop, Timer
from campaign.supervise.sampling import Sampler
from campaign.supervise.station import Station
from campaign.supervise.timeline import Timeline

#: How long a sample that counts as not ok may still answer, beyond its time.
PATIENCE_S = 1.0


class WatchRun:
    """One watch; calls ``changed`` whenever it has turned, and once it has looked for the first time.

    ``error`` says why it is blind, ``skipped`` why it is not needed.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what is watched, for whom, and who is told
        self,
        order: WatchOrder,
        late: Mapping[str, str],
        station: Station,
        evidence: Callable[[], Evidence],
        secrets: tuple[str, ...],
        epoch: float,
        changed: Callable[[], None],
    ) -> None:
        self.order, self._late, self._evidence = order, late, evidence
        self._loop: Loop = station.loop
        self._epoch, self._changed = epoch, changed
        self._silence: Timer | None = None
        self._asked_of: list[bool | None] = []
        self._seen: list[bool | None] = []
        self.heard: Callable[[], None] | None = None
        self.timeline = Timeline()
        self.error: str | None = None
        self.skipped: str | None = None
        self.sampler = Sampler(
            station,
            secrets=secrets,
            every_s=order.every_s,
            deadline_s=order.timeout_s + max(order.timeout_s, PATIENCE_S),
            patient=True,
            request=self._ask,
            heard=self._heard,
        )

    @property
    def looked(self) -> bool:
        """Whether it has looked once, or will not."""
        return bool(self.timeline.samples) or self.error is not None or self.skipped is not None

    @property
    def behind(self) -> bool:
        """Whether something was printed that its oracle looks for, or another last word, since it last answered."""
        return not self.sampler.over and self._found(self._evidence()) != self._seen

    def _found(self, evidence: Evidence) -> list[bool | None]:
        return [evidence.searched.get(each) for each in self.order.searches]

    def end(self) -> None:
        """Ask no more."""
        self._answered()
        self.sampler.end()

    def record(self) -> WatchExit:
        """What the exit record says of it."""
        seen = self.timeline
        return WatchExit(
            label=self.order.label,
            oracle=self.order.oracle,
            samples=seen.samples,
            missed=self.sampler.missed,
            first_at_s=seen.first_at_s,
            last_at_s=seen.last_at_s,
            longest_s=round(seen.longest_s, 6),
            changes=seen.changes,
            left_out=seen.left_out,
            error=self.error,
            skipped=self.skipped,
        )

    def _ask(self, number: int) -> Ask:
        self._silence = self._loop.call_later(self.order.timeout_s, self._silent)
        required = self.order.required or bool(self.timeline.samples)  # whether it is there is asked once
        settings = fill_json(self.order.settings, self._late)  # a served tool that was started anew may export others
        evidence = self._evidence()
        self._asked_of = self._found(evidence)
        return Ask(number, self.order.oracle, settings, required, evidence)

    def _silent(self) -> None:
        self._add(False, f"no answer within {self.order.timeout_s:g} s")

    def _answered(self) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def _heard(self, reply: Reply) -> None:
        self._seen = self._asked_of
        self._take(reply)
        if self.heard is not None:
            self._loop.call_later(0.0, self.heard)  # once the next sample is due, which may then be hurried

    def _take(self, reply: Reply) -> None:
        self._answered()
        match reply:
            case Answered(judgement=judgement):
                self._add(judgement.ok, judgement.message)
            case Failed(overdue=True) if self.sampler.able:
                return  # it has been counted as not ok since its time was over
            case Failed(error=error, gone=gone) if gone or not self.sampler.able:
                self._blind(error)
            case Failed(error=error):
                self._add(None, error)
            case Skipped(why=why):
                self.skipped = why
                self.end()
                self._changed()
            case _:
                self._add(None, f"answered {type(reply).__name__}")

    def _blind(self, why: str) -> None:
        self.error = why
        self.end()
        self._changed()

    def _add(self, ok: bool | None, message: str) -> None:
        if self.timeline.add(self._loop.now() - self._epoch, ok, message):
            self._changed()


class Watches:
    """Calls ``ready`` once all have looked, ``failed`` with a sentence where one cannot be asked at all.

    From then on ``changed`` is called whenever one of them finds another thing than before.
    """

    def __init__(  # noqa: PLR0913 - what is watched, for whom, and who is told
        self,
        order: Order,
        station: Station,
        *,
        evidence: Callable[[], Evidence],
        secrets: tuple[str, ...],
        epoch: float,
        changed: Callable[[], None],
    ) -> None:
        """``evidence`` is that so far; ``epoch`` is the attempt's start on the loop's clock."""
        self._order, self._station, self._evidence = order, station, evidence
        self._secrets, self._epoch, self._on_change = secrets, epoch, changed
        self._runs: list[WatchRun] = []
        self._ready: Callable[[], None] | None = None
        self._failed: Callable[[str], None] | None = None

    def start(self, late: Mapping[str, str], ready: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Ask each of them for the first time; ``late`` are the late values known by then, which others add to."""
        self._ready, self._failed = ready, failed
        for order in self._order.watches:
            try:
                fill_json(order.settings, late)
            except KeyError as error:
                self._fail(f"watch {order.label}: {error.args[0]} is not known: no served tool exports it")
                return
            run = WatchRun(order, late, self._station, self._evidence, self._secrets, self._epoch, self._changed)
            self._runs.append(run)
            run.sampler.start(self._order.plugins)
        self._changed()

    def look_again(self, done: Callable[[], None]) -> None:
        """Ask those once more that have not seen all that was printed of what they look for, then call ``done``."""
        behind = [run for run in self._runs if run.behind]
        for run in self._runs:
            run.heard = (lambda: self.look_again(done)) if run in behind else None
            if run in behind:
                run.sampler.hurry()
        if not behind:
            done()

    def end(self) -> None:
        """Ask no more; what they saw stays."""
        self._ready = self._failed = None
        for run in self._runs:
            run.end()

    def records(self) -> tuple[WatchExit, ...]:
        """What the exit record says."""
        return tuple(run.record() for run in self._runs)

    def awaited_s(self, faults: Sequence[FaultExit]) -> float:
        """How long the recovery from some fault is still awaited: until the last ``sla`` that runs is over."""
        if all(run.sampler.over for run in self._runs):
            return 0.0  # nobody would see it
        slas = {each.label: each.sla_s for each in self._order.faults if each.sla_s is not None}
        now_s = self._station.loop.now() - self._epoch
        ends = [
            each.injected_at_s + slas[each.label]
            for each in recovered(self._order.watches, self.records(), faults)
            if each.label in slas and each.injected_at_s is not None and each.recovered_at_s is None
        ]
        return max(ends, default=0.0) - now_s

    def _changed(self) -> None:
        if self._ready is None:
            self._on_change()
            return
        blind = next((run for run in self._runs if run.error is not None), None)
        if blind is not None:
            self._fail(f"watch {blind.order.label} cannot be asked: {blind.error}")
        elif all(run.looked for run in self._runs):
            ready, self._ready, self._failed = self._ready, None, None
            ready()

    def _fail(self, why: str) -> None:
        failed, self._ready, self._failed = self._failed, None, None
        if failed is not None:
            failed(why)
