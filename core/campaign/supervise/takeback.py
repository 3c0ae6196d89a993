"""Carry out one inverse: asked again of a new provider host where the host was gone, or silent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from msgspec import Struct

from campaign.supervise import undo
from campaign.supervise.claim import Claim
from campaign.supervise.folders import closing_fd
from campaign.supervise.hostclient import HostClient
from campaign.supervise.hostmessages import Clear, Done, Failed, Reply

#: How long a fault or a hold may take to arm, to act and to be taken back.
DEADLINE_S = 30.0
#: How often a host may die under one inverse: clearing twice does no harm, leaving a machine as it is does.
_TRIES = 10


#: How many hosts in a row may leave one inverse without an answer: the first may hang of something else.
SILENT = 2


class Outcome(Struct, frozen=True):
    """What became of an inverse: ``problem`` says why it is not taken back, ``lapsed`` why it ended before that."""

    problem: str | None = None
    lapsed: str | None = None


def take_back(
    host: HostClient,
    entry: undo.UndoEntry,
    done: Callable[[Outcome], None],
    tries: int = _TRIES,
    silent: int = SILENT,
) -> None:
    """Clear what ``entry`` says; ``done`` is told what became of it.

    A host that died is tried again, and one that did not answer was killed: a new one has a chance too.  A provider
    that failed has had its own: what it could not do is for a person to look at.  Of what died with the host that was
    asked first a new one cannot say that it lapsed before.
    """

    def answered(reply: Reply) -> None:
        if isinstance(reply, Failed) and reply.gone and tries > 1:
            take_back(host, entry, done, tries - 1, silent)
        elif isinstance(reply, Failed) and reply.overdue and silent > 1:
            take_back(host, entry, done, tries, silent - 1)
        elif isinstance(reply, Failed):
            done(Outcome(problem=reply.error))
        else:
            first = (tries, silent) == (_TRIES, SILENT)
            done(Outcome(lapsed=reply.lapsed if first and isinstance(reply, Done) else None))

    host.ask(Clear(host.next_id(), entry.fault, entry.undo, entry.workdir), DEADLINE_S, answered)


def lapse(why: str) -> str:
    """What the record says of a fault or hold that was in force, and not until it was taken back."""
    return f"ended early: {why}"


def journal(claim: Claim, entry: undo.UndoEntry) -> None:
    """Write an inverse down before anything acts.  Raises OSError."""
    with closing_fd(claim.undo_folder()) as folder:
        undo.write(folder, entry)


def strike(claim: Claim, entry: undo.UndoEntry) -> None:
    """Take an inverse out of the journal; should that fail, it is carried out once more, which does no harm."""
    with suppress(OSError), closing_fd(claim.undo_folder()) as folder:
        undo.remove(folder, entry)
