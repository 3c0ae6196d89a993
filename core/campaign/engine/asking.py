"""The client's side of the queue: ask whoever serves the workspace, or, without one, write the ledger oneself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine import wire
from campaign.engine.desk import Desk
from campaign.engine.protocol import NULL
from campaign.engine.workspace import Workspace, WorkspaceLock
from campaign.failpoints import reach
from campaign.ledger.store import Ledger

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(wire.Answer).decode
_Result = TypeVar("_Result", bound=Struct)
#: Who serves a workspace answers within this time, unless it was stopped.
PATIENCE_S = 10.0


class SilentError(CampaignError):
    """Somebody serves the workspace and does not answer: exit status 3."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        summary = f"process {pid} serves this workspace and does not answer"
        hint = "campaign status shows how old its heartbeat is; it may have been stopped, or its machine be overloaded"
        super().__init__([Diagnostic("CAMP525", summary, hint=hint, status=ExitStatus.SETUP)])


class Line:
    """A connection to whoever serves a workspace, one request at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._incoming = sock.makefile("rb")
        self._number = 0
        self.pid, self._uid = wire.peer(sock)

    def close(self) -> None:
        """Hang up."""
        self._incoming.close()
        self._sock.close()

    def ask(
        self,
        verb: str,
        args: Struct | None,
        answer: type[_Result],
        progress: Callable[[wire.Progress], None] | None = None,
    ) -> _Result:
        """Its answer; where ``progress`` is given, that is waited for as long as it takes.

        Raises CampaignError with what speaks against it, SilentError, and EOFError where the other end is gone.
        """
        self._number += 1
        line = _encode(wire.Request(wire.VERSION, self._number, verb, Raw(_encode(args) if args else b"{}")))
        if len(line) > wire.LONGEST:
            raise CampaignError([_too_long(len(line))])
        reach("client.ask.before")
        try:
            self._sock.sendall(line + b"\n")
            reach("client.ask.after")
            while True:
                self._sock.settimeout(None if progress else PATIENCE_S)
                found = self._next()
                if found.progress == NULL:
                    return _result(found, answer)
                if progress is not None:
                    progress(msgspec.json.decode(found.progress, type=wire.Progress))
        except TimeoutError:
            raise SilentError(self.pid) from None
        except (BrokenPipeError, ConnectionResetError):
            raise EOFError from None

    def _next(self) -> wire.Answer:
        line = self._incoming.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return _decode(line)


def _result(found: wire.Answer, answer: type[_Result]) -> _Result:
    if found.error or found.ok == NULL:
        raise CampaignError(found.error)
    return msgspec.json.decode(found.ok, type=answer)


def call(workspace: str) -> Line | None:
    """A connection to whoever serves the workspace, None where nobody does.  Raises CampaignError."""
    try:
        sock = wire.connect(workspace, PATIENCE_S)
    except OSError as error:
        summary = f"{workspace}/daemon.sock cannot be called: {error.strerror or error}"
        raise CampaignError([Diagnostic("CAMP525", summary, status=ExitStatus.SETUP)]) from error
    return Line(sock) if sock is not None else None


def ask(workspace: str, verb: str, args: Struct, directly: Callable[[Desk], wire.Done]) -> tuple[wire.Done, bool]:
    """Have a verb carried out by whoever serves the workspace, else do it ``directly``; whether a daemon will go on.

    Raises CampaignError.
    """
    line = call(workspace)
    if line is None:
        return _write(workspace, directly), False
    try:
        live = line.ask("status", None, wire.Live)
        return line.ask(verb, args, wire.Done), live.queue
    except EOFError:
        raise gone() from None
    finally:
        line.close()


def _write(workspace: str, directly: Callable[[Desk], wire.Done]) -> wire.Done:
    """The client's one write, under the workspace's lock."""
    place = Workspace(workspace)
    place.prepare()
    lock = WorkspaceLock(place)
    try:
        if not lock.try_acquire():
            hint = "it is about to serve it, or just left: ask again"
            summary = f"{lock.owner()} holds the workspace {workspace}"
            raise CampaignError([Diagnostic("CAMP524", summary, hint=hint, status=ExitStatus.SETUP)])
        lock.check_ledger()
        ledger = Ledger(place.ledger)
        lock.sign()
        reach("client.write.before")
        try:
            return directly(Desk(ledger, now()))
        finally:
            ledger.close()
    finally:
        lock.release()


def gone() -> CampaignError:
    """The daemon went away in the middle of a conversation."""
    hint = "what was acknowledged is kept and what runs ends by itself; campaign daemon goes on with the queue"
    return CampaignError([Diagnostic("CAMP526", "the daemon is gone", hint=hint, status=ExitStatus.SETUP)])


def now() -> str:
    """The time of day, UTC, RFC 3339, in milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _too_long(size: int) -> Diagnostic:
    summary = f"the snapshot is too large for a submission: {size:,} bytes of JSON, at most {wire.LONGEST:,}"
    return Diagnostic("CAMP527", summary, hint="campaign exec carries it out by itself, where no daemon runs")
