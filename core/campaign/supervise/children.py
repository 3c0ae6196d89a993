"""The children of a supervisor: those it started, and the orphans that it inherits as a child subreaper.

One SIGCHLD wakes the loop for all of them.  A child that was not reaped yet keeps its pid, so that signalling it by
number is safe; and a supervisor without children has an empty tree, which is all the proof that is needed.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable

from campaign.supervise.loop import Loop

#: Called with the wait status, see ``os.waitstatus_to_exitcode``.
Ended = Callable[[int], None]


class Children:
    """Reaps every child, tells whoever started it, and ``changed`` after each change."""

    def __init__(self, loop: Loop) -> None:
        self._watched: dict[int, Ended] = {}
        self._read, self._write = socket.socketpair()
        for end in (self._read, self._write):
            end.setblocking(False)
        self.none = True
        self.changed: Callable[[], None] = _nothing
        signal.signal(signal.SIGCHLD, _ignore)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        loop.watch(self._read.fileno(), self._woken)

    def started(self, pid: int, ended: Ended) -> None:
        """Have ``ended`` called when this child ends."""
        self._watched[pid] = ended
        self.none = False

    def only(self, pids: set[int]) -> bool:
        """Whether there is no child but these; True is certain, False may be a doubt."""
        return self.none or (bool(pids) and set(self.pids()) == pids)

    @staticmethod
    def pids() -> list[int]:
        """Our children, ended ones too until they are reaped; none where the kernel keeps no such list."""
        try:
            with open("/proc/thread-self/children", encoding="ascii") as file:
                return [int(pid) for pid in file.read().split()]
        except OSError:
            return []

    def _woken(self) -> None:
        try:
            self._read.recv(4096)
        except BlockingIOError:
            return
        self.reap()

    def reap(self) -> None:
        """Reap whoever has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.none = True
                break
            if pid == 0:
                self.none = False
                break
            ended = self._watched.pop(pid, None)
            if ended is not None:
                ended(status)
        self.changed()


def _ignore(*_: object) -> None:
    """A handler that does nothing, so that the signal wakes the loop instead of being dropped."""


def _nothing() -> None:
    return
