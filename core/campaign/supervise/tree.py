"""The processes that belong to an attempt or to one of its steps: found by a search, or struck without one.

A search of ``/proc`` is complete but slow, and a tree that forks faster than it is read outruns it.  So two things are
struck first that need no search: the process groups of the leaders, which the kernel kills in one go, and the
supervisor's own children, among them every orphan of the attempt.  Both are known by pids that nobody else can have
got meanwhile, for we have not reaped them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from campaign.proc import Entry, Process, process_tree
from campaign.supervise.running import Running
from campaign.supervise.station import Station, bears


class Tree(Protocol):
    """What a ``Stopper`` stops."""

    def survivors(self) -> Sequence[Entry | Process]:
        """Whoever of it still runs, found by a search.  Raises OSError."""

    def strike(self) -> None:
        """Kill at once what can be reached without a search."""


class AttemptTree:
    """Everything below the supervisor but its provider hosts; ``started`` are the attempt's leaders.

    ``kept`` are those among them that go on, with all that is theirs: their descendants, who is of their session, and
    who bears the mark of their working folder, ``marked``.
    """

    def __init__(
        self,
        station: Station,
        started: Callable[[], Iterable[Running]],
        kept: Callable[[], Iterable[Running]],
        marked: str | None = None,
    ) -> None:
        self._station, self._started, self._kept, self._marked = station, started, kept, marked

    def survivors(self) -> Sequence[Entry | Process]:
        """Whoever still runs."""
        return self._station.survivors(self._kept_pids, self._marked)

    def strike(self) -> None:
        """Kill the leaders' groups, and our own children."""
        kept = self._kept_pids
        for running in self._started():
            if running.pid not in kept:
                strike_group(running)
        for pid in set(self._station.children.pids()) - self._station.host_pids:
            if not kept or not (_session(pid) in kept or bears(pid, self._marked)):
                _kill(os.kill, pid)

    @property
    def _kept_pids(self) -> set[int]:
        """The leaders that go on; each is that of a session of its own."""
        return {running.pid for running in self._kept() if running.pid is not None and not running.ended}


class StepTree:
    """What belongs to one step: its leader, its descendants, its session."""

    def __init__(self, running: Running, leader: Process) -> None:
        self._running, self._leader = running, leader

    def survivors(self) -> Sequence[Entry | Process]:
        """Whoever still runs."""
        return process_tree(self._leader)

    def strike(self) -> None:
        """Kill its group."""
        strike_group(self._running)


def strike_group(running: Running) -> None:
    """Kill the process group of a leader that was not reaped yet."""
    if running.pid is not None and not running.ended:
        _kill(os.killpg, running.pid)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _kill(how: Callable[[int, int], None], number: int) -> None:
    try:
        how(number, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
