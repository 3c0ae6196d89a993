"""The client's side of cleaning: what the ledger forgets, and the folders that are then removed from the disk.

The ledger forgets first and lists the folders; the client removes them and says so.  Whoever cleans next goes on with
what an interrupted one left.  Clients take turns by ``housekeeping.lock``, so that none removes what another makes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from campaign.engine import wire
from campaign.engine.asking import ask
from campaign.engine.sweep import remove_folder
from campaign.engine.workspace import Workspace
from campaign.failpoints import reach
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import RemovalRow

_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
#: Campaigns that are asked for at a time: each costs the ledger's process a moment in which it does nothing else.
_AT_A_TIME = 20


@contextmanager
def housekeeping(workspace: str) -> Iterator[None]:
    """Wait for one's turn; raises OSError."""
    fd = os.open(os.path.join(workspace, "housekeeping.lock"), _LOCK_FLAGS, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def forget(workspace: str, campaigns: Sequence[str], before: str) -> list[str]:
    """Have campaigns forgotten by whoever holds the ledger; those that were.  Raises CampaignError."""
    done: list[str] = []
    for start in range(0, len(campaigns), _AT_A_TIME):
        asked = wire.Forget(tuple(campaigns[start : start + _AT_A_TIME]), before)
        done += _forgotten(workspace, asked)
        reach("clean.forgotten")
    return done


def _forgotten(workspace: str, asked: wire.Forget) -> Sequence[str]:
    return ask(workspace, "forget", asked, lambda desk: desk.forget(asked))[0].campaigns


def sweep(workspace: str) -> list[tuple[str, OSError]]:
    """Remove the folders of everything that was forgotten; what could not be removed, with the reason.

    Raises CampaignError.
    """
    with LedgerReader(Workspace(workspace).ledger) as ledger:
        waiting = ledger.removals()
    failed: list[tuple[str, OSError]] = []
    for campaign in dict.fromkeys(each.campaign for each in waiting):
        _shrink(workspace, campaign)
        with LedgerReader(Workspace(workspace).ledger) as ledger:
            rows = [each for each in ledger.removals() if each.campaign == campaign]
        wrong = _removed(workspace, rows)
        failed += wrong
        if not wrong:
            asked = wire.Name(campaign)
            ask(workspace, "removed", asked, lambda desk, asked=asked: desk.removed(asked))  # type: ignore[misc]
            reach("clean.removed")
    return failed


def _shrink(workspace: str, campaign: str) -> None:
    """Have every row of a forgotten campaign deleted, a part at a time."""
    while _shrunk(workspace, wire.Shrink(campaign)):
        reach("clean.attempts")
    after = 0
    while after := _shrunk(workspace, wire.Shrink(campaign, after)):
        reach("clean.blobs")


def _shrunk(workspace: str, asked: wire.Shrink) -> int:
    return ask(workspace, "shrink", asked, lambda desk: desk.shrink(asked))[0].count


def _removed(workspace: str, rows: Sequence[RemovalRow]) -> list[tuple[str, OSError]]:
    failed: list[tuple[str, OSError]] = []
    for row in rows:
        path = os.path.join(workspace, row.path)
        try:
            _refuse_strange(row, path)
            remove_folder(path)
            reach("clean.folder")
        except OSError as error:
            failed.append((path, error))
    return failed


def _refuse_strange(row: RemovalRow, path: str) -> None:
    """Only a campaign's own folder and private folders of attempts are ever removed."""
    above, name = os.path.split(row.path)
    if not (name == row.campaign if os.path.isabs(row.path) else above == "attempts" and name not in {"", ".", ".."}):
        raise PermissionError(1, "it is no folder of a campaign", path)
