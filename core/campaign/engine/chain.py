"""The runs of a chain on their way: admitted together, carried out by one supervisor, at their end together."""

from __future__ import annotations

from collections.abc import Iterable

from campaign.engine.flight import Flight
from campaign.engine.policies import Again
from campaign.records import Exit

#: The cause of an attempt that is made because the chain of its run is repeated.
CHAIN = "chain"


class Chain:
    """What is known of a chain while runs of it are under way.

    ``broken``: a run of it came to no end of its own, or something that served it is lost: no other one follows.
    ``holding``: the slots of one of its runs stay held.  ``again``: it is to be repeated, whole.  ``rest_s``: for how
    long its slots are to rest after the run that ended last.
    """

    def __init__(self, flights: Iterable[Flight]) -> None:
        self._open = {flight.token: flight for flight in flights}
        self.broken = self.holding = False
        self.rest_s = 0.0
        self.again: Again | None = None

    @property
    def open(self) -> list[Flight]:
        """The runs that are under way, or wait for those before them, in order."""
        return list(self._open.values())

    def is_last(self, flight: Flight) -> bool:
        """Whether no other run of it is under way."""
        return self._open.keys() == {flight.token}

    def add(self, flight: Flight) -> None:
        """One more run of it is found under way."""
        self._open[flight.token] = flight

    def leave(self, flight: Flight, *, holding: bool) -> None:
        """A run of it is over."""
        del self._open[flight.token]
        self.holding = self.holding or holding

    def ended(self, exit_: Exit) -> None:
        """A run of it left its exit record."""
        self.broken = self.broken or exit_.breaks

    def wants(self, again: Again) -> None:
        """A run of it is to be followed by a further attempt: so are all, after the longest of the pauses."""
        if self.again is None or again.after_s > self.again.after_s:
            self.again = again


def cell_of(key: str) -> str:
    """The cell of a run's key, by which the runs of a chain know each other."""
    return key.rpartition("#")[0]
