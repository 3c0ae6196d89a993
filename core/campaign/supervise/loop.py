"""One thread that waits: for descriptors (epoll), for instants (a heap of timers), and for nothing else.

Callbacks are short and never block.  The clock is ``time.monotonic``.
"""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable

Callback = Callable[[], None]

READ = select.EPOLLIN | select.EPOLLHUP
WRITE = select.EPOLLOUT


class Timer:
    """A callback at an instant; ``cancel`` it when it is no longer wanted."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callback) -> None:
        self.when = when
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Forget it; harmless after it has fired."""
        self.callback = None


class Loop:
    """Waits for descriptors and timers and calls whoever asked."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0

    @staticmethod
    def now() -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def watch(self, fd: int, callback: Callback) -> None:
        """Call back whenever ``fd`` can be read or was hung up.  Raises OSError."""
        self._epoll.register(fd, READ)
        self._readers[fd] = callback

    def watch_writing(self, fd: int, callback: Callback | None) -> None:
        """Call back also while the watched ``fd`` can be written; None ends that."""
        if callback is None:
            self._writers.pop(fd, None)
        else:
            self._writers[fd] = callback
        self._epoll.modify(fd, READ | WRITE if callback else READ)

    def forget(self, fd: int) -> None:
        """Stop watching ``fd``, before it is closed; harmless if it is not watched."""
        self._writers.pop(fd, None)
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_later(self, delay: float, callback: Callback) -> Timer:
        """Call back once, ``delay`` seconds from now."""
        timer = Timer(self.now() + delay, callback)
        self._count += 1
        heapq.heappush(self._timers, (timer.when, self._count, timer))
        return timer

    def run_once(self) -> None:
        """Wait for whatever comes next and call back; what a callback raises is raised here."""
        # A wait that a signal broke off, after the process had been stopped for a while say, ends without a look at
        # what came meanwhile: a tool that has ended did so before its time ran out.
        for fd, event in self._epoll.poll(self._patience()) or self._epoll.poll(0):
            if event & WRITE and (writer := self._writers.get(fd)):
                writer()
            if event & ~WRITE and (reader := self._readers.get(fd)):
                reader()
        self._fire()

    def _patience(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.now()) if self._timers else None

    def _fire(self) -> None:
        while self._timers and self._timers[0][0] <= self.now():
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()
