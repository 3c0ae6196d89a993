"""Take back what a dead supervisor left in force, from its journal alone."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from campaign.records import Order, secrets_of
from campaign.records.messages import Clear, Cleared, FromSupervisor
from campaign.supervise import hostmessages, undo
from campaign.supervise.claim import ORDER_FILE
from campaign.supervise.faults import DEADLINE_S
from campaign.supervise.folders import closing_fd
from campaign.supervise.hostmessages import Failed, Load, Reply
from campaign.supervise.redaction import redacted
from campaign.supervise.station import Station

_LOAD_DEADLINE_S = 60.0


class Clearing:
    """Clears one journal, entry by entry; says so once, with what could not be taken back."""

    def __init__(self, message: Clear, station: Station, send: Callable[[FromSupervisor], None]) -> None:
        self._message, self._station, self._send = message, station, send
        self._failed: list[str] = []
        self._waiting: list[undo.UndoEntry] = []
        self._secrets = _secrets(message.private)

    def start(self) -> None:
        """Read the journal and begin."""
        try:
            self._waiting = list(undo.pending(self._message.private))
        except (OSError, msgspec.MsgspecError) as error:
            self._failed.append(f"the journal cannot be read: {error}")
        self._next()

    def _next(self) -> None:
        if not self._waiting:
            self._send(Cleared(self._message.token, tuple(self._failed)))
            return
        entry = self._waiting.pop(0)
        host = self._station.host
        host.ask(Load(host.next_id(), entry.plugins), _LOAD_DEADLINE_S, lambda reply: self._loaded(entry, reply))

    def _loaded(self, entry: undo.UndoEntry, reply: Reply) -> None:
        if isinstance(reply, Failed):
            self._cleared(entry, reply)
            return
        host = self._station.host
        request = hostmessages.Clear(host.next_id(), entry.fault, entry.undo)
        host.ask(request, DEADLINE_S, lambda answer: self._cleared(entry, answer))

    def _cleared(self, entry: undo.UndoEntry, reply: Reply) -> None:
        reply = redacted(reply, self._secrets)
        if isinstance(reply, Failed):
            self._failed.append(f"{entry.label}: {reply.error}")
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
    except (OSError, msgspec.MsgspecError):
        return ()
