"""The processes of this machine, as recovery meets them, and its clock: passed in, for a simulation has its own."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from campaign.proc import Entry, Process, boot_id, running, send_all, table
from campaign.records import Order
from campaign.supervise.loop import Loop
from campaign.supervise.station import utc_now

#: How long killed processes are given to disappear.
_PATIENCE_S = 5.0
_ROUNDS, _PAUSE_S = 50, 0.02


class Machine(Protocol):
    """What recovery asks of a machine."""

    @property
    def boot(self) -> str:
        """The id of its present start."""

    def signal(self, process: Process, number: signal.Signals) -> None:
        """Send a signal to exactly this process; one that is gone is passed over."""

    def follow(self, loop: Loop, process: Process, ended: Callable[[], None]) -> bool:
        """Have ``ended`` called once when this process has; False where it has already.  Raises OSError."""

    def end_tree(self, order: Order) -> bool:
        """End what is left of an attempt; False where it cannot be proved that nothing is.  Raises OSError."""


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

    def end_tree(self, order: Order) -> bool:
        """Kill what bears the attempt's mark until nothing does and no one holds its lock.

        What forks while the table is read is found in the next round.
        """
        lock = os.path.join(order.directories.private, "tree.lock")
        for _ in range(_ROUNDS):
            left = list(_survivors(order))
            if not left and not is_locked(lock):
                return True
            _kill(left)
            if not left:
                time.sleep(_PAUSE_S)  # held by one that just started, or just ends
        return False


class Surroundings(Struct, frozen=True):
    """What an engine's process has around it: its loop, the processes of its machine, the time of day as RFC 3339."""

    loop: Loop
    machine: Machine
    now: Callable[[], str] = utc_now


def real(loop: Loop | None = None) -> Surroundings:
    """This machine and its clock."""
    return Surroundings(loop or Loop(), ThisMachine())


def _survivors(order: Order) -> Iterator[Entry]:
    """Processes that bear the attempt's mark: its working folder in their environment or as their own."""
    work = os.fsencode(order.directories.work)
    mark = b"CAMPAIGN_WORKDIR=" + work
    for found in table().values():
        if not found.ended and found.pid != os.getpid() and _belongs(found.pid, work, mark):
            yield found


def _belongs(pid: int, work: bytes, mark: bytes) -> bool:
    try:
        folder = os.readlink(b"/proc/%d/cwd" % pid)
        if folder == work or folder.startswith(work + b"/"):
            return True
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:
        return False  # another user's, or gone meanwhile


def _kill(processes: list[Entry]) -> None:
    """Kill these, and wait until they are gone or patience is over."""
    poll, watched = select.poll(), set[int]()
    for found in processes:
        try:
            watched.add(fd := os.pidfd_open(found.pid))
        except OSError:
            continue
        poll.register(fd, select.POLLIN)
    send_all(processes, signal.SIGKILL)
    while watched and (ended := poll.poll(_PATIENCE_S * 1000)):
        for fd, _ in ended:
            poll.unregister(fd)
            watched.discard(fd)
            os.close(fd)
    for fd in watched:
        os.close(fd)


def is_locked(path: str) -> bool:
    """Whether somebody holds the lock on that file; no file, no lock.  Raises OSError."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
