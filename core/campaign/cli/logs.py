"""``campaign logs RUN [-f]``: the output of a run's steps, as it was kept."""

from __future__ import annotations

import codecs
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import click

from campaign.cli import complete
from campaign.cli.options import workspace_option
from campaign.cli.queueing import tell
from campaign.cli.recorded import ENDED, choose_run, evidence_gone, open_ledger
from campaign.cli.tables import output_is_terminal
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine.asking import call
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import AttemptRow

_OUTPUT = "output.log"
_CHUNK_BYTES = 1 << 16
#: How often a log that is followed is looked at: often enough for a reader, too seldom to cost anything.
_PAUSE_S = 0.2
#: Whether anyone carries it out is looked at that seldom, and said when it was so twice: a daemon may take over.
_LOOK_S = 2.0


@click.command("logs")
@click.argument("run", shell_complete=complete.runs)
@click.option("--follow", "-f", is_flag=True, help="Go on with what is printed, until the run is done.")
@workspace_option
def command(run: str, follow: bool, workspace: str) -> int:
    """Print the output of a run.

    RUN is [campaign/]cell#seed[@attempt] or an id; without an attempt it is the last one.  On a terminal control
    characters are written out, so that no output can play tricks; into a file or pipe go the bytes as they are.
    """
    out = sys.stdout.buffer
    with open_ledger(workspace) as ledger:
        row = choose_run(ledger, run)[-1]
        found = False
        chunks = _followed(ledger, row, Carriers(workspace)) if follow else _chunks(row, 0)
        for chunk in _tame(chunks) if output_is_terminal() else chunks:
            found = found or bool(chunk)
            out.write(chunk)
            out.flush()
    if not found:
        tell(
            f"{row.name}: its evidence is gone, {row.directory}"
            if evidence_gone(row)
            else f"{row.name} has printed nothing"
        )
    return 0


def _chunks(row: AttemptRow, start: int) -> Iterator[bytes]:
    """The output from byte ``start`` to where it ends now; nothing where there is none."""
    try:
        file: BinaryIO = open(os.path.join(row.directory, _OUTPUT), "rb")  # noqa: SIM115 - closed by the with below
    except FileNotFoundError:
        return
    with file:
        file.seek(start)
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


class Carriers:
    """Whether anyone is there who carries runs out, looked at now and then."""

    def __init__(self, workspace: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._workspace, self._clock = workspace, clock
        self._looked_at = clock()
        self._missed = False

    def gone(self) -> bool:
        """Whether nobody was there at the last two looks."""
        if self._clock() - self._looked_at < _LOOK_S:
            return False
        self._looked_at = self._clock()
        line = call(self._workspace)
        if line is not None:
            line.close()
        missed, self._missed = self._missed, line is None
        return missed and self._missed


def _followed(ledger: LedgerReader, row: AttemptRow, carriers: Carriers) -> Iterator[bytes]:
    """The output as it grows; the last look comes after the run was seen done, so that nothing is missed.

    Raises CampaignError where nobody carries it out any more: then nobody would ever say that it is done.
    """
    position, done = 0, False
    while True:
        for chunk in _chunks(row, position):
            position += len(chunk)
            yield chunk
        if done:
            return
        done = _is_done(ledger, row)
        if not done:
            if carriers.gone():
                raise _abandoned(row)
            time.sleep(_PAUSE_S)


def _abandoned(row: AttemptRow) -> CampaignError:
    summary = f"{row.name} is not done, and no daemon runs here"
    hint = "what runs ends by itself; campaign daemon, or campaign exec --resume, finds out what became of it"
    return CampaignError([Diagnostic("CAMP526", summary, hint=hint, status=ExitStatus.SETUP)])


def _is_done(ledger: LedgerReader, row: AttemptRow) -> bool:
    states = {each.id: each.state for each in ledger.attempts(row.campaign, row.key)}
    return states.get(row.id) in ENDED


def _tame(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """``chunks`` for a terminal: what is no text, or would move the cursor, is written out."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for chunk in chunks:
        yield visible(decoder.decode(chunk), keep="\n\t").encode()
    yield visible(decoder.decode(b"", final=True)).encode()
