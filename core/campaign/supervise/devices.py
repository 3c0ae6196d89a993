"""The devices of an attempt: locks that keep other workspaces off them.

A lock is a file per device in a private folder of the user, ``$XDG_RUNTIME_DIR/campaign`` or ``/tmp/campaign-UID``,
locked (flock) by the supervisor for as long as the attempt holds the slot; it goes with the supervisor.  The files are
never unlinked, for two could then hold one lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote

from campaign.records import Order, devices_of

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


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


def busy_units(order: Order) -> dict[tuple[str, int], str]:
    """The granted units, by slot and index, that another process holds now, each with the path of its lock.

    Raises OSError.
    """
    folder = runtime_folder(os.environ, os.geteuid())
    found = {}
    for slot, indexes in order.granted.items():
        names = order.devices.get(slot, ())
        for index in (each for each in indexes if each < len(names)):
            path = _path(folder, f"{slot}-{names[index]}")
            if is_busy(path):
                found[slot, index] = path
    return found


def is_busy(path: str) -> bool:
    """Whether a process holds the lock of a device; who looks only does not keep another one who looks from seeing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
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
        """Take the locks of an order's devices, all of them or none: False where another process holds one.

        Raises OSError.
        """
        names = sorted({f"{slot}-{name}" for slot, held in devices_of(order, order.granted).items() for name in held})
        if all(self._take(name) for name in names):
            return True
        self.release()
        return False

    def _take(self, name: str) -> bool:
        path = _path(runtime_folder(os.environ, os.geteuid()), name)
        fd = os.open(path, _OPEN, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError:
            os.close(fd)
            raise
        self._held[name] = fd
        return True

    def release(self) -> None:
        """Let go of all."""
        while self._held:
            os.close(self._held.popitem()[1])
