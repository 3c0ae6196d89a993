"""Ctrl-C as a planner hears it: a turn of its loop, never an exception in the middle of something."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from campaign.supervise.loop import Loop

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


def _heeded() -> tuple[signal.Signals, ...]:
    """A terminal that is lost is an interrupt too, but for one who was told to ignore that: ``nohup``."""
    return _NUMBERS if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*_NUMBERS, signal.SIGHUP)


@contextmanager
def listening_to_interrupts(loop: Loop, interrupted: Callable[[], None]) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP wake the loop, which calls ``interrupted`` once for each."""
    numbers = _heeded()
    read, write = socket.socketpair()
    read.setblocking(False)
    write.setblocking(False)
    heard = 0

    def arrived() -> None:
        nonlocal heard
        for _ in range(_interrupts(read, numbers)):
            heard += 1
            interrupted()

    before: list[Any] = [signal.signal(number, lambda *_: None) for number in numbers]
    wakeup = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
    loop.watch(read.fileno(), arrived)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        if heard:  # impatient ones that follow must not end the ending, with its reports
            before[0] = signal.SIG_IGN
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        loop.forget(read.fileno())
        read.close()
        write.close()


def _interrupts(sock: socket.socket, numbers: Collection[int]) -> int:
    """How many came since it was asked last."""
    try:
        return sum(number in numbers for number in sock.recv(64))
    except BlockingIOError:
        return 0
