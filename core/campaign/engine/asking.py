"""The client's side of the queue: ask whoever serves the workspace, or, without one, write the ledger oneself."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Collection
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
_Answer = TypeVar("_Answer")
#: What tells that a workspace changes hands: somebody holds it, serves it in silence, or went before it answered.
HELD, SILENT, GONE = "CAMP524", "CAMP525", "CAMP526"
#: Who serves a workspace answers within this time, unless it was stopped.
PATIENCE_S = 10.0
#: Who waits for an answer that may take for ever looks about this often, while nothing comes.
_LOOK_S = 1.0
#: A daemon that says that it goes is gone within this time: it takes back what has not started, and hangs up.
FAREWELL_S = 30.0
#: A client without a daemon holds the workspace for its one write, and many of them may take turns.
BRIEF_S = 5.0
#: So long a client asks again while a workspace changes hands: of many clients each has its turn.
TURNS_S = 30.0
#: Between two tries, ever longer: a lock tells only one of those who wait for it.
_SHORTEST_S, _LONGEST_S = 0.02, 1.0
_CHUNK = 1 << 16


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
        self.socket = self._sock = sock
        self._rest = b""
        self._number = 0
        self.pid, self._uid = wire.peer(sock)

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def ask(
        self,
        verb: str,
        args: Struct | None,
        answer: type[_Result],
        progress: Callable[[wire.Progress], None] | None = None,
        idle: Callable[[], None] | None = None,
    ) -> _Result:
        """Its answer; where ``progress`` is given, that is waited for as long as it takes, and ``idle`` is called
        now and then while nothing comes.

        Raises CampaignError with what speaks against it, SilentError, and EOFError where the other end is gone.
        """
        self._number += 1
        line = _encode(wire.Request(wire.VERSION, self._number, verb, Raw(_encode(args) if args else b"{}")))
        if len(line) > wire.LONGEST:
            raise CampaignError([_too_long(verb, len(line))])
        reach("client.ask.before")
        try:
            self._sock.sendall(line + b"\n")
            reach("client.ask.after")
            while True:
                self._sock.settimeout(None if progress else PATIENCE_S)
                found = self._next(idle)
                if found.progress == NULL:
                    return _result(found, answer)
                if progress is not None:
                    progress(msgspec.json.decode(found.progress, type=wire.Progress))
        except TimeoutError:
            raise SilentError(self.pid) from None
        except (BrokenPipeError, ConnectionResetError):
            raise EOFError from None

    def _next(self, idle: Callable[[], None] | None) -> wire.Answer:
        while b"\n" not in self._rest:
            while idle is not None and not select.select([self._sock], [], [], _LOOK_S)[0]:
                idle()
            data = self._sock.recv(_CHUNK)
            if not data:
                raise EOFError
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return _decode(line)


class Watch:
    """What whoever serves a workspace tells of itself, whenever something has changed."""

    def __init__(self, line: Line) -> None:
        """Ask for it; raises EOFError where the other end is gone."""
        self.pid = line.pid
        self._line, self._sock, self._rest = line, line.socket, b""
        try:
            self._sock.sendall(_encode(wire.Request(wire.VERSION, 1, "watch")) + b"\n")
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            raise EOFError from None

    def news(self, patience_s: float) -> wire.Live | None:
        """The newest word, None where there was none in that time.  Raises EOFError, CampaignError."""
        lines = self._lines(patience_s)
        while lines and (more := self._lines(0.0)):
            lines = more
        if not lines:
            return None
        found = _decode(lines[-1])
        if found.progress == NULL:
            raise CampaignError(found.error)
        return msgspec.json.decode(found.progress, type=wire.Live)

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _lines(self, patience_s: float) -> list[bytes]:
        if not select.select([self._sock], [], [], patience_s)[0]:
            return []
        try:
            data = self._sock.recv(_CHUNK)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines or self._lines(patience_s)


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

    Where somebody only just takes or leaves the workspace it is asked again, ever more slowly, for ``TURNS_S``.
    Raises CampaignError.
    """
    return persistently(lambda: _ask_once(workspace, verb, args, directly), {HELD}, TURNS_S)


def persistently(send: Callable[[], _Answer | None], codes: Collection[str], patience_s: float) -> _Answer:
    """What ``send`` comes to; asked again, ever more slowly, while the workspace changes hands.

    That is where it comes to None, for who was there has left, or raises one of these codes.  ``patience_s`` after the
    first time such an error is raised, and for None that the daemon is gone.
    """
    deadline, pause_s = time.monotonic() + patience_s, _SHORTEST_S
    while True:
        try:
            answer = send()
        except CampaignError as error:
            if error.diagnostics[0].code not in codes or time.monotonic() > deadline:
                raise
        else:
            if answer is not None:
                return answer
            if time.monotonic() > deadline:
                raise gone()
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_S)


def _ask_once(
    workspace: str, verb: str, args: Struct, directly: Callable[[Desk], wire.Done]
) -> tuple[wire.Done, bool] | None:
    """None: who served the workspace left it before the verb was said."""
    line = call(workspace)
    if line is None:
        return _write(workspace, directly), False
    try:
        try:
            live = line.ask("status", None, wire.Live)
        except EOFError:
            return None
        return line.ask(verb, args, wire.Done), live.queue
    except EOFError:
        raise gone() from None
    finally:
        line.close()


def ask_to_go(place: Workspace, lock: WorkspaceLock, patience_s: float = FAREWELL_S) -> None:
    """Have the daemon that holds a workspace leave it, and take the lock.  Raises CampaignError."""
    line = call(place.path)
    if line is None:
        if lock.try_acquire():
            return
        raise held(place, lock)
    try:
        if not line.ask("status", None, wire.Live).queue:
            raise held(place, lock)
        line.ask("stop", None, wire.Done)
    except EOFError:
        pass  # it is leaving already
    finally:
        line.close()
    if not lock.wait_for(patience_s):
        summary = f"{lock.owner()} said that it goes, and holds the workspace still after {patience_s:g} s"
        hint = "was it stopped? kill -CONT lets it go on, kill -9 ends it: what runs goes on and is adopted"
        raise CampaignError([Diagnostic("CAMP525", summary, hint=hint, status=ExitStatus.SETUP)])


def take(place: Workspace, lock: WorkspaceLock) -> None:
    """Take the lock of a workspace that nobody serves; clients that write are waited for.  Raises CampaignError."""
    if lock.try_acquire():
        return
    line = call(place.path)
    if line is not None:
        line.close()
    if line is not None or not lock.wait_for(BRIEF_S):
        raise held(place, lock)


def held(place: Workspace, lock: WorkspaceLock) -> CampaignError:
    """Another process holds the workspace."""
    hint = "campaign status shows what it does; campaign daemon --takeover asks a daemon to go"
    summary = f"{lock.owner()} holds the workspace {place.path}"
    return CampaignError([Diagnostic("CAMP524", summary, hint=hint, status=ExitStatus.SETUP)])


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


def _too_long(verb: str, size: int) -> Diagnostic:
    if verb != "submit":
        summary = f"what {verb} is to tell the daemon is too large: {size:,} bytes of JSON, at most {wire.LONGEST:,}"
        return Diagnostic("CAMP527", summary, hint="where no daemon runs, the command writes it by itself")
    summary = f"the snapshot is too large for a submission: {size:,} bytes of JSON, at most {wire.LONGEST:,}"
    return Diagnostic("CAMP527", summary, hint="campaign exec carries it out by itself, where no daemon runs")
