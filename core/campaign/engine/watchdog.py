"""When a supervisor must have got on: it keeps every deadline of its attempt itself, unless it does not run.

A tool may stop its supervisor (``kill -STOP $PPID``); then nobody keeps the time any more.  So the engine gives each
attempt somewhat more time than its supervisor can need, then wakes the supervisor, and at last kills it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from campaign.records import Order
from campaign.supervise.judging import ORACLE_DEADLINE_S as ORACLE_S
from campaign.supervise.loop import Loop, Timer
from campaign.supervise.steps import GRACE_S
from campaign.supervise.takeback import DEADLINE_S as FAULT_S
from campaign.supervise.takeback import SILENT

#: Beyond what can be reckoned: a busy machine, slow disks.
MARGIN_S = 5.0
#: How long a supervisor that was woken has, beyond ending its tree, before it is killed.
PATIENCE_S = 15.0
#: A provider host that loads plugins, or signs a failure.
_HOST_S = 90.0


class Watchdog:
    """Watches one supervisor, to which ``send`` sends a signal, for one thing at a time."""

    def __init__(self, loop: Loop, send: Callable[[signal.Signals], object]) -> None:
        self.killed = False
        self._loop, self._send = loop, send
        self._timer: Timer | None = None

    def expect(self, within_s: float, ending_s: float) -> None:
        """Something must happen within that time; else it is woken and has ``ending_s`` and some patience left."""
        self.rest()
        self._timer = self._loop.call_later(within_s + MARGIN_S, lambda: self.hurry(ending_s))

    def hurry(self, ending_s: float) -> None:
        """It was told to come to an end: wake it, if it was stopped, and kill it if that does not help."""
        self.rest()
        self._send(signal.SIGCONT)
        self._timer = self._loop.call_later(ending_s + PATIENCE_S, self._kill)

    def rest(self) -> None:
        """Nothing is expected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _kill(self) -> None:
        self.killed = True
        self._send(signal.SIGKILL)


def carrying_out_s(order: Order) -> float:
    """How long an attempt may take to its exit record; in a chain with the pause before it."""
    pause_s = 0.0 if order.link is None else order.cooldown_s
    return pause_s + order.timeout_s + ending_s(order)


def ending_s(order: Order) -> float:
    """How long it may take to its exit record once it is told to end: what acts finishes, faults are taken back."""
    return GRACE_S + (1 + SILENT) * FAULT_S * (len(order.faults) + len(order.holds))


def judging_s(order: Order) -> float:
    """How long its oracles may take, and who knows failures."""
    return _HOST_S + sum(oracle.timeout_s or ORACLE_S for oracle in order.oracles) if order.is_judged else 0.0
