"""The private folder of an attempt, ``.campaign/attempts/<token>/``: who carries it out, and how it ended.

    order.json   what was asked for
    claim        created exclusively, before anything starts: whoever made it decides what becomes of the attempt;
                 a link instead of a file where an engine revoked it: then it never ran, and never will
    lock         locked (flock) by the supervisor alone for as long as it lives
    tree.lock    locked and inherited by the tools: while it is held some of them live (a hint only)
    undo/        the inverses of the faults in force
    exit.json    how it ended: synced, then renamed into place; whole or not there

The lock is taken before the claim is made, so that no one can see a claim whose owner seems dead.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

import msgspec

from campaign.failpoints import reach
from campaign.proc import Process
from campaign.records import Exit, Order
from campaign.records.exit import sealed
from campaign.supervise.folders import open_below, write_all, write_synced

ORDER_FILE = "order.json"
EXIT_FILE = "exit.json"
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_encode = msgspec.json.Encoder().encode
#: The mode of a private folder, and of the folder of them all.  The sticky bit changes nothing in a folder of one user:
#: it is a mark.  What somebody put in the place of such a folder lacks it, and that it holds no claim proves nothing.
PRIVATE_MODE = 0o1700


class ClaimedError(Exception):
    """Someone else has claimed the attempt: it is theirs, or was revoked."""


class Claim:
    """An attempt that is ours: its private folder and the locks on it, until ``release``."""

    def __init__(self, folder: int, lock: int, tree_lock: int) -> None:
        self.folder = folder
        self.tree_lock = tree_lock
        self._lock = lock

    def undo_folder(self) -> int:
        """Open ``undo/``; the caller closes it.  Raises OSError."""
        return open_below(self.folder, "undo")

    def write_exit(self, record: Exit) -> None:
        """Leave the exit record, whole and synced.  Raises OSError."""
        reach("exit.write.before")
        write_synced(self.folder, EXIT_FILE, sealed(_encode(record)))
        reach("exit.write.after")

    def release(self) -> None:
        """Give up the locks: the attempt is over."""
        for fd in (self.tree_lock, self._lock, self.folder):
            os.close(fd)


def refuse_replaced(folder: int, private: str) -> None:
    """Raise OSError for an open private folder that no engine made: it lacks the mark that the one above it has."""
    if not os.fstat(folder).st_mode & stat.S_ISVTX and os.stat("..", dir_fd=folder).st_mode & stat.S_ISVTX:
        raise FileNotFoundError(errno.ENOENT, "its private folder was replaced by another one", private)


def take(order: Order, owner: Process) -> Claim:
    """Claim an attempt for ``owner``; raises ClaimedError where someone else has, OSError where it cannot be done.

    The engine has made the folder: one that is gone was removed, and with it perhaps the claim of somebody else.
    """
    folder = os.open(order.directories.private, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    held: list[int] = [folder]
    try:
        refuse_replaced(folder, order.directories.private)
        reach("claim.lock.before")
        held.append(_locked(folder, "lock"))
        reach("claim.make.before")
        _make_claim(folder, owner)
        reach("claim.order.before")
        _write(folder, ORDER_FILE, _encode(order))
        reach("claim.order.after")
        held.append(_locked(folder, "tree.lock"))
    except BaseException:
        for fd in held:
            os.close(fd)
        raise
    return Claim(*held)


def _locked(folder: int, name: str) -> int:
    fd = os.open(name, _OPEN, 0o600, dir_fd=folder)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise ClaimedError("another supervisor is carrying it out") from None
    except OSError:
        os.close(fd)
        raise
    return fd


def _make_claim(folder: int, owner: Process) -> None:
    try:
        fd = os.open("claim", _OPEN | os.O_EXCL, 0o600, dir_fd=folder)
    except FileExistsError:
        raise ClaimedError("it was claimed before: revoked, or carried out elsewhere") from None
    with os.fdopen(fd, "wb", 0) as file:
        reach("claim.write.before")
        file.write(_encode(owner))


def _write(folder: int, name: str, data: bytes) -> None:
    fd = os.open(name, _OPEN | os.O_TRUNC, 0o600, dir_fd=folder)
    try:
        write_all(fd, data)
    finally:
        os.close(fd)
