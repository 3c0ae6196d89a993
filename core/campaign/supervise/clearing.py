"""Take back what a dead supervisor left in force, from its journal alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable

import msgspec

from campaign.records import Order, secrets_of
from campaign.records.messages import Clear, Cleared, FromSupervisor
from campaign.supervise import undo
from campaign.supervise.claim import ORDER_FILE
from campaign.supervise.folders import closing_fd
from campaign.supervise.hostmessages import Failed, Load, Reply
from campaign.supervise.station import Station
from campaign.supervise.takeback import take_back

_LOAD_DEADLINE_S = 60.0
#: How often a host may die while it loads plugins.
_TRIES = 10
_LOCK = "undo.lock"
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK_AGAIN_S = 0.05


class Clearing:
    """Clears one journal, entry by entry, the last one first; says so once, with what could not be taken back.

    It has a provider host of its own: that of an attempt may be busy with an oracle for minutes.  One journal is
    cleared by one process at a time: who comes second waits, and finds it empty.
    """

    def __init__(self, message: Clear, station: Station, send: Callable[[FromSupervisor], None]) -> None:
        self._message, self._station, self._send = message, station, send
        self._failed: list[str] = []
        self._waiting: list[undo.UndoEntry] = []
        self._host = station.new_host()
        self._host.secrets = _secrets(message.private)
        self._lock = -1

    def start(self) -> None:
        """Read the journal and begin, as soon as nobody else is at it."""
        try:
            if not self._alone():
                self._station.loop.call_later(_LOOK_AGAIN_S, self.start)
                return
            journal = undo.pending(self._message.private)
            self._waiting = list(journal.entries)
            self._failed += journal.damaged
        except OSError as error:
            self._failed.append(f"the journal cannot be read: {error}")
        self._next()

    def _alone(self) -> bool:
        """Lock the journal; False where another process holds it.  Raises OSError."""
        self._lock = os.open(os.path.join(self._message.private, _LOCK), _OPEN, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = -1
            return False
        return True

    def _next(self) -> None:
        if self._waiting:
            self._load(self._waiting.pop(0), _TRIES)
            return
        self._station.dismiss(self._host)
        if self._lock >= 0:
            os.close(self._lock)
        self._send(Cleared(self._message.token, tuple(self._failed)))

    def _load(self, entry: undo.UndoEntry, tries: int) -> None:
        request = Load(self._host.next_id(), entry.plugins)
        self._host.ask(request, _LOAD_DEADLINE_S, lambda reply: self._loaded(entry, reply, tries - 1))

    def _loaded(self, entry: undo.UndoEntry, reply: Reply, tries: int) -> None:
        if isinstance(reply, Failed) and reply.gone and tries:
            self._load(entry, tries)
        elif isinstance(reply, Failed):
            self._cleared(entry, reply.error)
        else:
            take_back(self._host, entry, lambda outcome: self._cleared(entry, outcome.problem))

    def _cleared(self, entry: undo.UndoEntry, problem: str | None) -> None:
        if problem is not None:
            self._failed.append(f"{entry.label}: {problem}")
        else:
            self._strike(entry)
        self._next()

    def _strike(self, entry: undo.UndoEntry) -> None:
        try:
            with closing_fd(os.open(os.path.join(self._message.private, "undo"), os.O_RDONLY | os.O_CLOEXEC)) as folder:
                undo.remove(folder, entry)
        except OSError as error:
            self._failed.append(f"{entry.label}: its journal entry cannot be removed: {error.strerror}")


def _secrets(private: str) -> tuple[str, ...]:
    """The secrets of the attempt whose faults are taken back; its order may have gone the way of its supervisor."""
    try:
        with open(os.path.join(private, ORDER_FILE), "rb") as file:
            return secrets_of(msgspec.json.decode(file.read(), type=Order))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return ()
