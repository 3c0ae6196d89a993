"""``campaign daemon``: carry out the queue of a workspace until told to stop."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from campaign.cli.options import workspace_option
from campaign.cli.streams import keep_standard_streams_apart
from campaign.diagnostics import ExitStatus
from campaign.engine.asking import ask_to_go, take
from campaign.engine.capacity import MOST_PLACES, VARIABLE, read_slots
from campaign.engine.host import processors
from campaign.engine.workspace import Workspace, WorkspaceLock
from campaign.ledger.opening import refuse_network

_LAST_WORDS = 4000


@click.command("daemon")
@click.option(
    "--parallel", type=click.IntRange(min=1, max=MOST_PLACES), metavar="N", help="Runs at a time, of all campaigns."
)
@click.option("--detach", is_flag=True, help="Return once it serves; its messages go to daemon.log in the workspace.")
@click.option("--takeover", is_flag=True, help="Ask the daemon that runs to go, and take its place.")
@workspace_option
def command(parallel: int | None, detach: bool, takeover: bool, workspace: str) -> int:
    """Carry out what is submitted in this workspace, until SIGTERM or Ctrl-C; what runs then goes on by itself."""
    keep_standard_streams_apart()  # a planner inherits standard error, which must be none of our sockets
    read_slots(os.environ.get(VARIABLE, ""))  # says now what is wrong with it
    place = Workspace(workspace)
    place.prepare()
    refuse_network(place.ledger)
    _make_free(place, takeover=takeover)
    arguments = [sys.executable, "-P", "-m", "campaign.engine.resident", str(parallel or processors()), place.path]
    if detach:
        return _detached(place, arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    return os.execv(arguments[0], [*arguments, "-1"])  # noqa: S606 - no shell is wanted


def _make_free(place: Workspace, *, takeover: bool) -> None:
    """See that nobody holds the workspace; with ``takeover`` ask a daemon to go, and wait until it has."""
    lock = WorkspaceLock(place)
    try:
        if not takeover:
            take(place, lock)
        elif not lock.try_acquire():
            ask_to_go(place, lock)
    finally:
        lock.release()


def _detached(place: Workspace, arguments: list[str]) -> int:
    """Start it in a session of its own, and wait until it serves or has said why not."""
    read, write = os.pipe()
    log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    before = os.fstat(log).st_size
    with os.fdopen(read, "rb") as ready:
        process = subprocess.Popen(
            [*arguments, str(write)],
            pass_fds=[write],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
        os.close(write)
        os.close(log)
        if ready.read():
            click.echo(f"the daemon serves {place.path}, process {process.pid}; its messages are in {place.log}")
            process.returncode = 0  # it goes on without us, which subprocess would warn of
            return 0
    status = process.wait()
    with open(place.log, "rb") as file:
        file.seek(max(before, os.fstat(file.fileno()).st_size - _LAST_WORDS))
        click.echo(file.read().decode("utf-8", "backslashreplace").rstrip(), err=True)
    return status or int(ExitStatus.SETUP)
