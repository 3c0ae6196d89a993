"""What clients and the process that holds the workspace say to each other over ``daemon.sock``.

JSON lines of at most 8 MiB: a request ``{v, id, verb, args}``; for each exactly one answer, and before it, where the
verb is ``follow``, any number of ``progress`` lines.  ``watch`` has no end: nothing but ``progress``, a ``Live``
whenever something has changed.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Raw, Struct

from campaign.diagnostics import Diagnostic
from campaign.engine.protocol import NULL
from campaign.ledger.rows import CampaignRow, IterationRow, RequestRow, StepRow
from campaign.records import Decision, OracleRecord

VERSION = 1
#: Bytes of a line, its end not counted.
LONGEST = 8 << 20
_NAME = "daemon.sock"
_BACKLOG = 1024
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_TIMEVAL = struct.Struct("@ll")


class Request(Struct, frozen=True):
    """``id`` comes back in every line that belongs to it."""

    v: int
    id: int
    verb: str
    args: Raw = Raw(b"{}")


class Submit(Struct, frozen=True):
    """Record a campaign with the parts of its snapshot; ``campaign.submission`` makes asking twice safe."""

    campaign: CampaignRow
    blobs: Mapping[str, bytes]
    requests: tuple[RequestRow, ...] = ()


class Enqueue(Struct, frozen=True):
    """Go on with a recorded campaign."""

    campaign: str
    submission: str


class Beside(Struct, frozen=True):
    """Something is asked for beside a plan; ``request.id`` makes asking twice safe."""

    request: RequestRow


class Iterate(Struct, frozen=True):
    """An iteration goes on by a step; their names make asking twice safe."""

    iteration: IterationRow
    step: StepRow | None = None


class Control(Struct, frozen=True):
    """Pause, resume or cancel instances of a campaign that start with ``prefix``; without one: of every campaign."""

    campaign: str | None = None
    prefix: str = ""


class Name(Struct, frozen=True):
    """A campaign by its id."""

    campaign: str


class Token(Struct, frozen=True):
    """An attempt by its token."""

    token: str


class Note(Struct, frozen=True):
    """A remark on a campaign, or, with a ``key``, on one of its runs."""

    campaign: str
    key: str
    text: str


class Mark(Struct, frozen=True):
    """Mark a campaign, or one of its runs, or take its mark away."""

    campaign: str
    key: str
    why: str = ""
    on: bool = True


class Rejudged(Struct, frozen=True):
    """What an attempt comes to when it is judged again."""

    token: str
    at: str
    oracles: tuple[OracleRecord, ...]
    decision: Decision


class Rejudge(Struct, frozen=True):
    """Keep judgements of a campaign's attempts beside those of then."""

    campaign: str
    judgements: tuple[Rejudged, ...]


class Forget(Struct, frozen=True):
    """Forget these campaigns, of those that ended before that time (RFC 3339) and that nothing keeps."""

    campaigns: tuple[str, ...]
    before: str


class Adopt(Struct, frozen=True):
    """Take in a part of a campaign whose rows wait in ``imports/<staging>`` of the workspace.

    ``step`` is ``folder`` (announce it), ``attempts``, ``events``, ``campaign``; ``after`` how far the step has come.
    """

    campaign: str
    staging: str
    step: str
    after: int = 0


class Shrink(Struct, frozen=True):
    """Delete a part of what is left of a forgotten campaign: attempts, or events above a number."""

    campaign: str
    events_after: int | None = None


class Done(Struct, frozen=True):
    """What a verb did: the campaigns it was about, and how many runs or pauses it changed."""

    campaigns: tuple[str, ...] = ()
    count: int = 0


class Progress(Struct, frozen=True):
    """How far a campaign is: runs decided, and by verdict."""

    state: str
    total: int | None
    verdicts: Mapping[str, int]
    running: int = 0


class Ended(Struct, frozen=True):
    """The answer to ``follow``: the campaign's state, its exit status, and what it could not go on for."""

    state: str
    status: int
    why: str | None = None


class Slot(Struct, frozen=True):
    """Named slots of the workspace; ``busy`` of them are in use in another one."""

    name: str
    free: int
    count: int
    busy: int = 0


class Live(Struct, frozen=True, kw_only=True):
    """What only the process that holds the workspace knows; ``queue``: it carries out what is submitted.

    ``declared`` is its ``CAMPAIGN_SLOTS``; ``waiting`` says of campaigns that cannot go on why, ``blocked`` for
    which named slots runs of a campaign wait.
    """

    pid: int
    queue: bool
    epoch: int
    places: int
    running: int
    slots: tuple[Slot, ...] = ()
    declared: str | None = None
    campaigns: tuple[str, ...] = ()
    waiting: Mapping[str, str] = {}
    blocked: Mapping[str, tuple[str, ...]] = {}


class Answer(Struct, frozen=True, omit_defaults=True):
    """``ok`` is the verb's result; ``error`` what speaks against it; ``progress`` comes before an answer."""

    v: int
    id: int
    ok: Raw = NULL
    error: tuple[Diagnostic, ...] = ()
    progress: Raw = NULL


Result: TypeAlias = Done | Ended | Live


def listen(workspace: str) -> socket.socket:
    """Serve ``daemon.sock``, for the same user alone; the caller holds the lock, so what is there is left over.

    Raises OSError.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY)
    before = os.umask(0o177)
    try:
        if os.path.lexists(os.path.join(workspace, _NAME)):
            os.unlink(_NAME, dir_fd=folder)
        sock.bind(_address(folder))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
        os.close(folder)
    return sock


def connect(workspace: str, patience_s: float) -> socket.socket | None:
    """Call whoever serves ``daemon.sock``; None where nobody does.  Raises OSError where it cannot be told."""
    try:
        folder = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Not settimeout: a socket that does not block gives up at once where many callers wait to be accepted.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(int(patience_s), 0))
    try:
        sock.connect(_address(folder))
        sock.settimeout(patience_s)
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    except OSError:
        sock.close()
        raise
    finally:
        os.close(folder)
    return sock


def peer(sock: socket.socket) -> tuple[int, int]:
    """Process and user at the other end, see SO_PEERCRED in socket(7)."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(data)
    return pid, uid


def _address(folder: int) -> str:
    """A path to the socket that is short however long the workspace's is: sun_path holds 108 bytes."""
    return f"/proc/self/fd/{folder}/{_NAME}"
