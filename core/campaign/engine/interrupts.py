"""Ctrl-C as a planner hears it: a turn of its loop, never an exception in the middle of something."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from campaign.supervise.loop import Loop

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def listening_to_interrupts(loop: Loop, interrupted: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM wake the loop, which calls ``interrupted`` once for each."""
    read, write = socket.socketpair()
    read.setblocking(False)
    write.setblocking(False)
    heard = 0

    def arrived() -> None:
        nonlocal heard
        for _ in range(_interrupts(read)):
            heard += 1
            interrupted()

    before: list[Any] = [signal.signal(number, lambda *_: None) for number in _NUMBERS]
    wakeup = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
    loop.watch(read.fileno(), arrived)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        if heard:  # impatient ones that follow must not end the ending, with its reports
            before[0] = signal.SIG_IGN
        for number, handler in zip(_NUMBERS, before, strict=True):
            signal.signal(number, handler)
        loop.forget(read.fileno())
        read.close()
        write.close()


def _interrupts(sock: socket.socket) -> int:
    """How many came since it was asked last."""
    try:
        return sum(number in _NUMBERS for number in sock.recv(64))
    except BlockingIOError:
        return 0
