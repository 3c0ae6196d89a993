"""A planner of the queue: ``python -m campaign.engine.planning FD WORKSPACE CAMPAIGN``.

Started for each campaign that a daemon carries out; it expands the plan again from the snapshot in the ledger, as
``exec --resume`` does, and writes the files that people read.  It goes when the campaign is over, or its daemon.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any

from campaign.analysis.reporting import Wanted, wanted_by
from campaign.diagnostics import CampaignError
from campaign.engine import protocol
from campaign.engine.asking import now
from campaign.engine.client import EngineGoneError, QueueLink
from campaign.engine.execute import carry_out, conclude
from campaign.engine.prepare import Prepared, Wishes, is_aside, prepare_again
from campaign.engine.workspace import Workspace
from campaign.ledger.queries import LedgerReader
from campaign.readable import read_bounded
from campaign.records import RunView
from campaign.records.event import EventView
from campaign.supervise.channel import Channel
from campaign.supervise.folders import write_all
from campaign.supervise.loop import Loop

_FAREWELL_S = 10.0
_STANDARD_ERROR = 2
_MOST_BYTES = 16 * 2**20  # more than any spec may have


class _Log(io.RawIOBase):
    """The daemon's standard error: where nobody can take what is said any more, nothing fails for that."""

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """As ever."""
        return _STANDARD_ERROR

    def write(self, data: Any) -> int:
        """Say it, or not; returns its length."""
        with suppress(OSError):
            write_all(_STANDARD_ERROR, data)
        return len(data)


class Unwatched:
    """Nobody looks on: clients hear of progress from the daemon."""

    def __init__(self, campaign: str) -> None:
        self._campaign = campaign

    def begin(self, total: int | None, done: int) -> None:
        """So many runs are planned."""

    def moved(self, event: EventView) -> None:
        """An attempt changed its state."""

    def finished(self, view: RunView, *, final: bool) -> None:
        """An attempt is done."""

    def flush(self) -> None:
        """Everything was told."""

    def note(self, text: str) -> None:
        """A line for a person: into the daemon's log."""
        _log(self._campaign, text)

    def end(self) -> None:
        """Nothing more comes."""


def main(arguments: list[str]) -> int:
    """Plan one campaign for the daemon at the other end of the socket FD; returns the exit status of the process."""
    os.umask(0o022)
    sys.stderr = io.TextIOWrapper(_Log(), encoding="utf-8", errors="backslashreplace", line_buffering=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it goes with its daemon, which leaves the campaign in order
    sock, workspace, campaign = socket.socket(fileno=int(arguments[0])), arguments[1], arguments[2]
    try:
        _carry_out(sock, Workspace(workspace), campaign)
    except EngineGoneError:
        return 0  # the next daemon starts another one
    except CampaignError as error:
        _say(sock, protocol.Failed(error.diagnostics))
    except Exception:  # our own defect, or a plugin's: the daemon tells it
        _say(sock, protocol.Failed((), traceback.format_exc()))
    return 0


def _carry_out(sock: socket.socket, workspace: Workspace, campaign: str) -> None:
    wishes = Wishes(workspace=workspace.path)
    with LedgerReader(workspace.ledger) as ledger:
        row = ledger.campaign(campaign)
    aside = row if row is not None and is_aside(row) else None
    prepared = prepare_again(campaign, None, wishes, _read, os.environ, aside=aside)
    carry_out(prepared, workspace, Unwatched(campaign), lambda loop, heard: QueueLink(loop, sock, heard))
    if prepared.aside:
        return

    def unwritten(path: str, error: OSError | CampaignError) -> None:
        why = error.strerror if isinstance(error, OSError) else error
        _log(campaign, f"{path} could not be written, campaign report writes it later: {why}")

    summary = conclude(prepared, workspace, _reports(prepared), now(), unwritten)
    if prepared.registry.hears("campaign_finished"):
        for diagnostic in prepared.registry.emit("campaign_finished", summary=summary):
            _log(campaign, str(diagnostic))


def _reports(prepared: Prepared) -> list[Wanted]:
    checked = prepared.plan.checked
    return [wanted_by(each, prepared.snapshot.directory) for each in (checked.reports if checked else ())]


def _log(campaign: str, text: str) -> None:
    print(f"campaign: {campaign}: {text}", file=sys.stderr, flush=True)


def _read(path: str) -> bytes:
    return read_bounded(path, _MOST_BYTES)


def _say(sock: socket.socket, message: protocol.Failed) -> None:
    """The last words, over a socket that may or may not have been in use."""
    channel = Channel(Loop(), sock, lambda _line: None, lambda: None)
    channel.send(message)
    channel.flush(_FAREWELL_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
