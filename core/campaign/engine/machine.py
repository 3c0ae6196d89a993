"""The processes of this machine, as recovery meets them, and its clock: passed in, for a simulation has its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from campaign.engine import remains
from campaign.proc import Process, boot_id, running, send_all
from campaign.records import Order
from campaign.supervise.loop import Loop
from campaign.supervise.station import utc_now


class Machine(Protocol):
    """What recovery asks of a machine."""

    @property
    def boot(self) -> str:
        """The id of its present start."""

    def signal(self, process: Process, number: signal.Signals) -> None:
        """Send a signal to exactly this process; one that is gone is passed over."""

    def follow(self, loop: Loop, process: Process, ended: Callable[[], None]) -> bool:
        """Have ``ended`` called once when this process has; False where it has already.  Raises OSError."""

    def end_trees(self, orders: Sequence[Order]) -> set[str]:
        """End what is left of these attempts; the tokens of those of which nothing is, proved.  Raises OSError."""


class ThisMachine:
    """The real one."""

    def __init__(self) -> None:
        self.boot = boot_id()

    def signal(self, process: Process, number: signal.Signals) -> None:
        """Through a pidfd."""
        send_all([process], number)

    def follow(self, loop: Loop, process: Process, ended: Callable[[], None]) -> bool:
        """By its pidfd."""
        try:
            pidfd = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return False
        if not running(process, self.boot):
            os.close(pidfd)
            return False

        def gone() -> None:
            loop.forget(pidfd)
            os.close(pidfd)
            ended()

        loop.watch(pidfd, gone)
        return True

    def end_trees(self, orders: Sequence[Order]) -> set[str]:
        """What is left is killed, see ``remains``."""
        return remains.end_trees(orders)


class Surroundings(Struct, frozen=True):
    """What an engine's process has around it: its loop, the processes of its machine, the time of day as RFC 3339."""

    loop: Loop
    machine: Machine
    now: Callable[[], str] = utc_now


def real(loop: Loop | None = None) -> Surroundings:
    """This machine and its clock."""
    return Surroundings(loop or Loop(), ThisMachine())
