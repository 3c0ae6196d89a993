"""The process table as ``/proc`` shows it: who is whose child, and which process exactly is meant.

A pid alone is never trusted: a process is its pid, its start time and the boot it was started in (proc(5): fields 1,
4, 6, 9 and 22 of ``/proc/PID/stat``).  Signals go through a pidfd that was opened before the start time was compared,
so they cannot reach a process that merely got the number of a dead one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from msgspec import Struct

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_ENDED = frozenset("ZXx")
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD of linux/sched.h


class Process(Struct, frozen=True):
    """A process, told from a recycled one of the same number: pid, start time in clock ticks, and boot."""

    pid: int
    start_time: int
    boot_id: str


class Entry(Struct, frozen=True):
    """One line of the process table; ``state`` is the letter of proc(5): ``R S D T Z …``.

    ``kernel``: a thread of the kernel, which has no program.
    """

    pid: int
    parent: int
    session: int
    start_time: int
    state: str
    kernel: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more: it only waits to be reaped."""
        return self.state in _ENDED


def boot_id() -> str:
    """The id of this start of the machine; empty where the kernel does not say."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def parse_stat(pid: int, text: str) -> Entry:
    """Read a ``/proc/PID/stat``; the command in it may hold spaces and ``)``, so the last ``)`` ends it."""
    fields = text[text.rindex(")") + 2 :].split()
    kernel = bool(int(fields[6]) & _KERNEL_THREAD)
    return Entry(pid, int(fields[1]), int(fields[3]), int(fields[19]), fields[0], kernel)


def entry(pid: int) -> Entry | None:
    """The table's line of ``pid``, None where there is no such process.  Raises OSError where it cannot be told."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return parse_stat(pid, os.read(fd, 4096).decode("utf-8", "replace"))
    except ProcessLookupError:
        return None  # it ended between open and read
    finally:
        os.close(fd)


def table() -> dict[int, Entry]:
    """Every process that can be seen, by pid.  Raises OSError."""
    found = (entry(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {each.pid: each for each in found if each is not None}


def descendants(root: int, processes: dict[int, Entry]) -> list[Entry]:
    """The children of ``root`` and theirs, to the last one, that still run; ``root`` itself is not among them."""
    children: dict[int, list[Entry]] = {}
    for each in processes.values():
        children.setdefault(each.parent, []).append(each)
    found, waiting = [], list(children.get(root, ()))
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += children.get(each.pid, ())
    return [each for each in found if not each.ended]


def identify(pid: int, boot: str) -> Process | None:
    """Which process ``pid`` is right now, None where it is gone."""
    found = entry(pid)
    return Process(pid, found.start_time, boot) if found else None


def running(process: Process, boot: str) -> bool:
    """Whether exactly this process still runs; one of another boot is gone without doubt."""
    found = entry(process.pid) if process.boot_id == boot else None
    return found is not None and found.start_time == process.start_time and not found.ended


def send_signals(process: Process | Entry, *signals: signal.Signals) -> bool:
    """Send signals to exactly this process, in order; False where it is gone.  Raises PermissionError, OSError."""
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        found = entry(process.pid)
        if found is None or found.start_time != process.start_time:
            return False
        for each in signals:
            signal.pidfd_send_signal(fd, each)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def send_all(processes: Iterable[Process | Entry], *signals: signal.Signals) -> None:
    """Send signals to each of these; one that is gone or may not be signalled is passed over."""
    for each in processes:
        try:
            send_signals(each, *signals)
        except OSError:
            continue


def process_tree(leader: Process) -> list[Process]:
    """What belongs to ``leader``: itself first, its descendants, and whoever is still in the session it leads.

    Empty where exactly that process is gone and its session with it.
    """
    processes = table()
    own = processes.get(leader.pid)
    alive = [own] if own is not None and own.start_time == leader.start_time and not own.ended else []
    found = {each.pid: each for each in alive}
    if own is None or own.start_time == leader.start_time:
        found |= {each.pid: each for each in descendants(leader.pid, processes)}
        found |= {each.pid: each for each in processes.values() if each.session == leader.pid and not each.ended}
    return [Process(each.pid, each.start_time, leader.boot_id) for each in found.values()]
