"""Taking turns at devices that several workspaces want: who waits for one has the next turn at it.

A turn is a lock (flock) on a file beside that of the device, with the name of the workspace in it; it is held by the
engine, which shows that it lives by the time of the file.  While it is held no other workspace's supervisor takes the
device when that becomes free, however long its queue is; whose run has just ended waits behind.  Who wants several
devices has the turns of all of them or none, so that two never wait for each other.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Set
from contextlib import suppress

from campaign.supervise.devices import is_taken, turn_file

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
#: A turn that is not taken, for want of a place or of a run that still wants it, lapses after this.
_LAPSE_S = 5.0


class Turns:
    """The devices that one workspace waits for, by the paths of their locks; ``now`` is a clock, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._name = ""
        self._wishes: dict[frozenset[str], float | None] = {}  # since when all of them are to be had
        self._held: dict[str, int] = {}

    @property
    def wanted(self) -> bool:
        """Whether there is something to look at."""
        return bool(self._wishes)

    def want(self, name: str, paths: frozenset[str]) -> None:
        """An attempt of the workspace ``name`` could not have these."""
        self._name = name
        self._wishes.setdefault(paths, None)
        self.look()

    def had(self, paths: Set[str]) -> None:
        """An attempt has these now: with one of them the turn goes on to whoever waits."""
        self._keep({wish: since for wish, since in self._wishes.items() if wish.isdisjoint(paths)})

    def look(self) -> None:
        """Take the turns that are to be had, show that we are there, and let go of what nobody took."""
        for wish in self._wishes:
            self._take(wish)
        for fd in self._held.values():
            with suppress(OSError):
                os.utime(fd)
        now = self._now()
        since = {wish: self._since(wish, then, now) for wish, then in self._wishes.items()}
        self._keep({wish: then for wish, then in since.items() if then is None or now - then < _LAPSE_S})

    def is_taken(self, path: str) -> bool:
        """Whether a device is not to be had by us now; where that cannot be told, whoever takes it says why."""
        try:
            return is_taken(path, self._name)
        except OSError:
            return False

    def _since(self, wish: frozenset[str], then: float | None, now: float) -> float | None:
        if any(map(self.is_taken, wish)):
            return None
        return now if then is None else then

    def _take(self, wish: frozenset[str]) -> None:
        """All its turns or none."""
        new: dict[str, int] = {}
        for path in sorted(wish - self._held.keys()):
            fd = _locked(turn_file(path), self._name)
            if fd is None:
                for each in new.values():
                    os.close(each)
                return
            new[path] = fd
        self._held |= new

    def _keep(self, wishes: dict[frozenset[str], float | None]) -> None:
        self._wishes = wishes
        for path in self._held.keys() - frozenset[str]().union(*wishes):
            os.close(self._held.pop(path))


def _locked(path: str, name: str) -> int | None:
    """Take a turn and say whose it is, None where it is another's."""
    try:
        fd = os.open(path, _OPEN, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(fd, 0)
        os.pwrite(fd, os.fsencode(name), 0)
    except OSError:
        os.close(fd)
        return None
    return fd
