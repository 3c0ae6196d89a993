"""What the runs of a chain share: one supervisor, the tools that serve them, and the lock that says that it goes on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from campaign.records import Order
from campaign.supervise.claim import Claim
from campaign.supervise.output import Between
from campaign.supervise.running import Running
from campaign.supervise.station import Station
from campaign.supervise.steps import GRACE_S
from campaign.supervise.stopper import Stopper
from campaign.supervise.tree import AttemptTree


class Chain:
    """The served tools of a chain while it goes on, from its first run to its last; ``head`` is the first one's token.

    ``exports`` are what they told when they were ready, ``refusal`` says why no further run of it starts,
    ``last`` that the last one has.
    """

    def __init__(self, head: str, station: Station, comes: Callable[[], bool]) -> None:
        """``comes`` says whether a further run of it is here, or may be on its way."""
        self.head, self._comes = head, comes
        self.last = False
        self.exports: dict[str, str] = {}
        self.refusal: str | None = None
        self._ready_at = station.loop.now()
        self._station = station
        self._stopper: Stopper | None = None
        self._served: dict[Running, Between] = {}
        self._claim: Claim | None = None

    def follows(self) -> bool:
        """Whether a further run is to start after the one that started last."""
        return not self.last and self.refusal is None and self._comes()

    @property
    def ending(self) -> bool:
        """Whether it is over but for what still serves."""
        return self._stopper is not None

    def is_of(self, order: Order) -> bool:
        """Whether that is one of its runs."""
        return order.link is not None and order.link.head == self.head

    def admits(self, order: Order) -> bool:
        """Whether that may start now: one of its runs, once the pause before it is over."""
        open_ = self.refusal is None and not self.ending
        return self.is_of(order) and open_ and self._station.loop.now() >= self._ready_at

    def stop(self, why: str) -> None:
        """Start no further run; those that wait are refused once nothing serves them any more."""
        self.refusal = self.refusal or why

    def rest(self, seconds: float) -> None:
        """Start no run before so many seconds are over."""
        self._ready_at = self._station.loop.now() + seconds
        self._station.loop.call_later(seconds, lambda: None)  # for the loop to look again by then

    def keep(self, served: Collection[Running], exports: Mapping[str, str]) -> None:
        """A run has ended and left these to the next one."""
        self._served, self.exports = {each: Between() for each in served}, dict(exports)
        for running, between in self._served.items():
            running.stream.sink = between

    def hold(self, claim: Claim) -> bool:
        """Keep the lock of the first run, not that of others: while it is held, what follows is this supervisor's."""
        if self._claim is None:
            self._claim = claim
        return self._claim is claim

    def hand_on(self) -> dict[Running, Between]:
        """What the next run has from now on, with what it said meanwhile."""
        served, self._served = self._served, {}
        return served

    @property
    def serves(self) -> bool:
        """Whether it has served tools between two of its runs."""
        return bool(self._served)

    @property
    def lost(self) -> str | None:
        """Which tool has ended, and how, so that the next run would not be served."""
        return next((f"{each.name} has ended: {each.how()}" for each in self._served if each.ended), None)

    def end(self, done: Callable[[bool], None]) -> None:
        """Stop what still serves; ``done`` is told whether nothing is left of it."""
        tree = AttemptTree(self._station, lambda: self._served, lambda: ())
        self._stopper = Stopper(self._station.loop, tree, done)
        self._stopper.start(GRACE_S)

    def children_changed(self) -> None:
        """Some process below the supervisor has ended."""
        if self._stopper is not None:
            self._stopper.poke()

    def close(self) -> None:
        """Nothing of it runs any more."""
        for running in self._served:
            running.stream.close()
        if self._claim is not None:
            self._claim.release()


def release(claim: Claim, chain: Chain | None) -> None:
    """Let go of the locks of a run that is over, save those of the first one of a chain that goes on."""
    if chain is None or not chain.hold(claim):
        claim.release()
