"""The devices of an attempt: locks that keep other workspaces off them.

A lock is a file per device in a private folder of the user, ``$XDG_RUNTIME_DIR/campaign`` or ``/tmp/campaign-UID``,
locked (flock) by the supervisor for as long as the attempt holds the slot; it goes with the supervisor.  The files are
never unlinked, for two could then hold one lock.

Beside it is the file of the next turn, locked by the engine of the workspace that waits for the device, see
``campaign.engine.turns``: meanwhile no other one's supervisor takes the device, or one with a long queue would keep it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import quote

from campaign.records import Order

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Whoever has the next turn shows itself more often than that; who was stopped is passed over, in seconds.
_SILENT_S = 10.0
_LONGEST_PATH = 4096


def runtime_folder(environ: Mapping[str, str], uid: int) -> str:
    """Where this user's locks are, made if need be.  Raises OSError, also where it is not private to the user."""
    session = environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(session) and os.path.isdir(session):
        path = os.path.join(session, "campaign")
    else:
        path = os.path.join(environ.get("TMPDIR") or "/tmp", f"campaign-{uid}")  # noqa: S108 - made private, checked
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(errno.EPERM, "it is not a folder that is private to this user", path)
    return path


def waiter(order: Order) -> str:
    """The workspace of an order, as it is named where it waits for its turn: the folder of its attempts."""
    return os.path.dirname(order.directories.private)


def units(order: Order) -> Iterator[tuple[tuple[str, int], str]]:
    """The granted units that have a device, by slot and index, each with the path of its lock.  Raises OSError."""
    folder = runtime_folder(os.environ, os.geteuid())
    for slot, indexes in order.granted.items():
        names = order.devices.get(slot, ())
        for index in (each for each in indexes if each < len(names)):
            yield (slot, index), _path(folder, f"{slot}-{names[index]}")


def is_taken(path: str, name: str) -> bool:
    """Whether a device is not to be had by the workspace ``name``: it is in use, or another one's turn is next.

    Raises OSError.
    """
    return _is_locked(path) or _is_promised(path, name)


def turn_file(path: str) -> str:
    """The file of the next turn at the device whose lock is ``path``."""
    return f"{path.removesuffix('.lock')}.turn"


def _is_promised(path: str, name: str) -> bool:
    """Whether another workspace than ``name`` has the next turn, and gave a sign of itself lately."""
    path = turn_file(path)
    if not _is_locked(path):
        return False
    with open(os.open(path, _READ), "rb") as file:
        silent_s = time.time() - os.fstat(file.fileno()).st_mtime
        return file.read(_LONGEST_PATH) != os.fsencode(name) and silent_s < _SILENT_S


def _is_locked(path: str) -> bool:
    """Whether a process holds a lock; who looks only does not keep another one who looks from seeing."""
    try:
        fd = os.open(path, _READ)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _path(folder: str, name: str) -> str:
    return os.path.join(folder, f"{quote(name, safe='')}.lock")


class DeviceLocks:
    """The locks that one supervisor holds, for one attempt at a time."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    def take(self, order: Order) -> bool:
        """Take the locks of an order's devices, all of them or none: False where one is not to be had.

        Raises OSError.
        """
        if not any(order.granted.values()):
            return True
        paths = sorted({path for _, path in units(order)})
        if not any(_is_promised(path, waiter(order)) for path in paths) and all(map(self._take, paths)):
            return True
        self.release()
        return False

    def _take(self, path: str) -> bool:
        fd = os.open(path, _OPEN, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError:
            os.close(fd)
            raise
        self._held[path] = fd
        return True

    def release(self) -> None:
        """Let go of all."""
        while self._held:
            os.close(self._held.popitem()[1])
