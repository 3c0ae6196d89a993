"""Carry out one inverse: asked again of a new provider host where the host was gone before it answered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from campaign.supervise import undo
from campaign.supervise.claim import Claim
from campaign.supervise.folders import closing_fd
from campaign.supervise.hostclient import HostClient
from campaign.supervise.hostmessages import Clear, Failed, Reply

#: How long a fault or a hold may take to arm, to act and to be taken back.
DEADLINE_S = 30.0
#: How often a host may die under one inverse: clearing twice does no harm, leaving a machine as it is does.
_TRIES = 10


def take_back(host: HostClient, entry: undo.UndoEntry, done: Callable[[str | None], None], tries: int = _TRIES) -> None:
    """Clear what ``entry`` says; ``done`` is told what went wrong, None where it is taken back.

    Only a host that died is tried again.  A provider that failed, or that did not answer in time, has had its chance:
    what it could not do is for a person to look at.
    """

    def answered(reply: Reply) -> None:
        if isinstance(reply, Failed) and reply.gone and tries > 1:
            take_back(host, entry, done, tries - 1)
        else:
            done(reply.error if isinstance(reply, Failed) else None)

    host.ask(Clear(host.next_id(), entry.fault, entry.undo, entry.workdir), DEADLINE_S, answered)


def journal(claim: Claim, entry: undo.UndoEntry) -> None:
    """Write an inverse down before anything acts.  Raises OSError."""
    with closing_fd(claim.undo_folder()) as folder:
        undo.write(folder, entry)


def strike(claim: Claim, entry: undo.UndoEntry) -> None:
    """Take an inverse out of the journal; should that fail, it is carried out once more, which does no harm."""
    with suppress(OSError), closing_fd(claim.undo_folder()) as folder:
        undo.remove(folder, entry)
