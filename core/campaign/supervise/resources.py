"""What the holds and faults of an attempt change outside its processes: locks, so that nobody else does meanwhile.

Two attempts that hold one rail would restore each other's value.  So there is a file per resource in a private folder
of the user, locked (flock) by the supervisor while the attempt lasts, as for devices.  A lock goes with its supervisor,
and what that one left in force does not: the file therefore names the attempt that had the resource last, and while
that attempt's journal holds anything, nobody takes it.
"""

from __future__ import annotations

import fcntl
import os
from hashlib import blake2b

import msgspec
from msgspec import Struct

from campaign.plugins.names import canonical
from campaign.records import FaultOrder, HoldOrder, Order, fill, slot_values
from campaign.supervise import undo
from campaign.supervise.claim import EXIT_FILE
from campaign.supervise.devices import runtime_folder
from campaign.supervise.folders import write_all

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_LONGEST = 1 << 16


class Holder(Struct, frozen=True):
    """What a resource's file says: what it is, and the private folder of the attempt that had it last."""

    resource: str
    private: str


class Busy(Struct, frozen=True):
    """A resource that cannot be had now.

    ``owner`` is the private folder of the attempt that left it as it is, missing where it is locked; ``ended``: that
    attempt is over, and what it left is a person's to take back.
    """

    resource: str
    owner: str | None = None
    ended: bool = False

    def __str__(self) -> str:
        if self.owner is None:
            return f"{self.resource} is held by another attempt"
        if self.ended:
            left = f"an earlier run could not put {self.resource} back, or it did not do what it was told"
            return f"{left}: see campaign status there ({self.owner})"
        return f"a dead run still holds {self.resource}: start a daemon there, to have it put back ({self.owner})"


class ResourceLocks:
    """The locks that one supervisor holds, for one attempt at a time."""

    def __init__(self) -> None:
        self._held: list[int] = []

    def take(self, order: Order) -> Busy | None:
        """Take all that an order names, or none and say which one is busy.

        Raises OSError, and KeyError for a late value that is known only when a tool has started.
        """
        for name in resources_of(order):
            busy = self._take(name, order.directories.private)
            if busy is not None:
                self.release()
                return busy
        return None

    def _take(self, name: str, private: str) -> Busy | None:
        if not self._lock_itself(name):
            return Busy(name)
        folder = runtime_folder(os.environ, os.geteuid())
        digest = blake2b(name.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        fd = os.open(os.path.join(folder, f"hold-{digest}.lock"), _OPEN, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            busy = _left(name, _holder(fd), private)
            if busy is None:
                _claim(fd, Holder(name, private))
                self._held.append(fd)
                return None
        except BlockingIOError:
            busy = Busy(name)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return busy

    def _lock_itself(self, name: str) -> bool:
        """Lock a file that is there: that holds between users too, and whatever their private folders are."""
        if not name.startswith("/"):
            return True
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return True  # whoever wants to read it will say why not
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        self._held.append(fd)
        return True

    def release(self) -> None:
        """Let go of all."""
        while self._held:
            os.close(self._held.pop())


def resources_of(order: Order) -> tuple[str, ...]:
    """What an order's holds and faults change, each once, in the order in which everyone takes them.

    Of a path it is the file that it leads to which counts, whatever links there are; of a name what its spellings
    share.  Raises KeyError.
    """
    acting: tuple[HoldOrder | FaultOrder, ...] = (*order.holds, *order.faults)
    return tuple(sorted({name for each in acting for name in _changed_by(order, each)}))


def held_twice(order: Order) -> str | None:
    """In a sentence, which two holds of an order change one thing after all, by a link say.  Raises KeyError."""
    owners = dict[str, HoldOrder]()
    for hold in order.holds:
        for name in _changed_by(order, hold):
            other = owners.setdefault(name, hold)
            if other is not hold:
                return f"the holds {other.label} and {hold.label} both change {name}"
    return None


def _changed_by(order: Order, acting: HoldOrder | FaultOrder) -> set[str]:
    known = slot_values(order, order.granted) if acting.resources else {}
    filled = (fill(name, known) for name in acting.resources)
    return {os.path.realpath(name) if name.startswith("/") else canonical(name) for name in filled}


def _holder(fd: int) -> Holder | None:
    """Who had it last; a file that cannot be read was torn by a crash before anything acted."""
    try:
        return msgspec.json.decode(os.pread(fd, _LONGEST, 0), type=Holder)
    except msgspec.MsgspecError:
        return None


def _left(name: str, holder: Holder | None, private: str) -> Busy | None:
    """What keeps it although nobody locks it: whoever had it last has not taken everything back."""
    if holder is None or holder.private == private or not undo.pending(holder.private):
        return None
    return Busy(name, holder.private, os.path.exists(os.path.join(holder.private, EXIT_FILE)))


def _claim(fd: int, holder: Holder) -> None:
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    write_all(fd, msgspec.json.encode(holder))
