"""One oracle, asked again and again while an attempt lasts, in a provider host of its own.

So neither a slow fault nor another oracle keeps it waiting.  Samples never pile up: one is due ``every_s`` after the
one before was due, and those that came due while it was still being asked are left out and counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from campaign.supervise.hostmessages import Failed, Load, Reply, Request
from campaign.supervise.loop import Timer
from campaign.supervise.station import Station

_LOAD_DEADLINE_S = 60.0


class Sampler:
    """Calls ``heard`` with every answer, one at a time, until ``end``.

    ``able`` says whether the oracle's plugin could be loaded; where not, ``heard`` is told why, once.
    """

    def __init__(  # noqa: PLR0913 - whom to ask, what, how often, and who is told
        self,
        station: Station,
        *,
        secrets: tuple[str, ...],
        every_s: float,
        deadline_s: float,
        patient: bool = False,
        request: Callable[[int], Request],
        heard: Callable[[Reply], None],
    ) -> None:
        """``request`` makes the next question, given its id; it must be answered within ``deadline_s``.

        ``patient``: that time does not hold for a host that has to be started anew, as it does not for the first one.
        """
        self._station, self._loop = station, station.loop
        self._host = station.new_host()
        self._host.secrets = secrets
        self._every_s, self._deadline_s, self._patient = every_s, deadline_s, patient
        self._request, self._heard = request, heard
        self._timer: Timer | None = None
        self._due: float | None = None
        self._plugins: tuple[str, ...] = ()
        self.missed = 0
        self.able = False
        self.over = False

    def start(self, plugins: tuple[str, ...]) -> None:
        """Ask for the first time, once these plugins are loaded."""
        self._plugins = plugins
        self._load()

    def hurry(self) -> None:
        """Ask now what is due later; what is being asked is waited for."""
        if self._timer is not None and not self.over:
            self._timer.cancel()
            self._ask()

    def end(self) -> None:
        """Ask no more; what is being asked is not heard any more.  Harmless when repeated."""
        if not self.over:
            self.over = True
            if self._timer is not None:
                self._timer.cancel()
            self._station.dismiss(self._host)

    def _load(self) -> None:
        self._host.ask(Load(self._host.next_id(), self._plugins), _LOAD_DEADLINE_S, self._loaded)

    def _loaded(self, reply: Reply) -> None:
        self.able = not isinstance(reply, Failed)
        if self.over:
            return
        if not self.able:
            self._heard(reply)
        elif self._due is None:
            self._due = self._loop.now()
            self._ask()
        else:
            self._next(self._due)

    def _ask(self) -> None:
        self._timer = None
        if self.over:
            return
        if self._patient and self._host.pid is None:
            self._load()
        else:
            self._host.ask(self._request(self._host.next_id()), self._deadline_s, self._answered)

    def _answered(self, reply: Reply) -> None:
        if not self.over:
            self._heard(reply)
        if not self.over and self._due is not None:
            self._next(self._due)

    def _next(self, due: float) -> None:
        """Ask a period after the last one was due, or as many as have gone by."""
        now = self._loop.now()
        periods = max(1, math.ceil((now - due) / self._every_s))
        self.missed += periods - 1
        self._due = due + periods * self._every_s
        self._timer = self._loop.call_later(self._due - now, self._ask)
