"""What is left of attempts whose supervisors are dead: found in ``/proc``, killed, and proved to be gone.

The process table is read once for all of them, round after round.  A reading proves something only where everything
that it lists was looked at: what vanished meanwhile may have left a child behind that it does not list, and what is in
the middle of execve(2) does not show whose it is.  So such a reading is followed by another one, which looks only at
what is new in it.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import time
from collections.abc import Collection, Sequence

from campaign.proc import Entry, entry, send_all
from campaign.records import Order

#: How long killed processes are given to disappear.
_PATIENCE_S = 5.0
#: How often the process table is read, and how long after the last time: it tells nobody that it changed.
_ROUNDS, _PAUSE_S = 50, 0.02
_MARK = b"CAMPAIGN_WORKDIR="


def end_trees(orders: Sequence[Order]) -> set[str]:
    """Kill what bears the mark of one of these attempts until nothing does and no one holds its ``tree.lock``.

    Returns the tokens of those of which it is proved.  Raises OSError where the table cannot be read.
    """
    places = {order.token: _places(order) for order in orders}
    left = {order.token: order for order in orders}
    census, ended = Census(), set[str]()
    for _ in range(_ROUNDS):
        found = census.read({place for token in left for place in places[token]})
        if census.whole:
            gone = [token for token in left if places[token].isdisjoint(found) and not _may_hold(left[token])]
            ended.update(gone)
            left = {token: order for token, order in left.items() if token not in ended}
        stayed = kill(list({each for those in found.values() for each in those}))
        lasting = {place for place, those in found.items() if not stayed.isdisjoint(those)}
        left = {token: order for token, order in left.items() if places[token].isdisjoint(lasting)}
        if not left:
            break
        if not found:
            time.sleep(_PAUSE_S)  # held by one that just started, or just ends
    return ended


def _places(order: Order) -> set[bytes]:
    """The folders that its processes work in: its steps, and what served them."""
    return {os.fsencode(path) for path in (order.directories.work, order.directories.served)}


class Census:
    """Readings of the process table; who was found to be nobody's is not looked at again.

    ``whole``: nobody can have slipped through the last reading.
    """

    def __init__(self) -> None:
        self.whole = False
        self._known: dict[int, int] = {}  # start times of those that are nobody's, by pid

    def read(self, works: Collection[bytes]) -> dict[bytes, set[Entry]]:
        """The living processes of each of these working folders, where there are any.  Raises OSError."""
        self.whole = True
        found: dict[bytes, set[Entry]] = {}
        listed = {int(name) for name in os.listdir("/proc") if name.isdigit()} - {os.getpid()}
        known, self._known = self._known, {}
        for pid in sorted(listed, key=lambda pid: (pid in known, -pid)):  # the youngest are the first to go
            each = entry(pid)
            if each is None:
                self.whole = self.whole and pid in known
            elif known.get(pid) == each.start_time:
                self._known[pid] = each.start_time
            elif (work := self._look(each, works)) is not None:
                found.setdefault(work, set()).add(each)
        return found

    def _look(self, process: Entry, works: Collection[bytes]) -> bytes | None:
        """Whose a process is that was not known."""
        try:
            work = None if process.ended or process.kernel else _work_of(process, works)
        except (FileNotFoundError, ProcessLookupError):
            self.whole = False
            return None
        if work is None:
            self._known[process.pid] = process.start_time
        self.whole = self.whole and not process.ended  # it may have forked after the table was listed
        return work


def _work_of(process: Entry, works: Collection[bytes]) -> bytes | None:
    """Whose it is: the working folder in its environment, or its own, is that of an attempt.

    Raises FileNotFoundError or ProcessLookupError where it is gone or in the middle of execve(2).
    """
    try:
        folder = os.readlink(b"/proc/%d/cwd" % process.pid).removesuffix(b" (deleted)")
        while folder not in works and len(folder) > 1:
            folder = os.path.dirname(folder)
        if folder in works:
            return folder
        marks = [each[len(_MARK) :] for each in _environment(process) if each.startswith(_MARK)]
    except PermissionError:
        return None  # another user's
    return next((mark for mark in marks if mark in works), None)


def _environment(process: Entry) -> list[bytes]:
    text = _read(process, "environ")
    if not text and not _read(process, "cmdline"):
        raise ProcessLookupError  # between two programs, or about to end, it has neither
    return text.split(b"\0")


def _read(process: Entry, name: str) -> bytes:
    with open(f"/proc/{process.pid}/{name}", "rb") as file:
        return file.read()


def kill(processes: Sequence[Entry]) -> set[Entry]:
    """Kill these and wait until they are gone, or patience is over; returns those that stayed."""
    poll, watched = select.poll(), dict[int, Entry]()
    for found in processes:
        try:
            fd = os.pidfd_open(found.pid)
        except OSError:
            continue
        watched[fd] = found
        poll.register(fd, select.POLLIN)
    send_all(processes, signal.SIGKILL)
    while watched and (ended := poll.poll(_PATIENCE_S * 1000)):
        for fd, _ in ended:
            poll.unregister(fd)
            del watched[fd]
            os.close(fd)
    for fd in watched:
        os.close(fd)
    return set(watched.values())


def is_locked(path: str) -> bool:
    """Whether someone holds the lock of that file; no one does where there is none.  Raises OSError."""
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


def _may_hold(order: Order) -> bool:
    """Whether someone may hold the lock of its tree."""
    try:
        return is_locked(os.path.join(order.directories.private, "tree.lock"))
    except OSError:
        return True
