"""Take back what a dead attempt left in force where no supervisor is there any more to do it.

    python -m campaign.supervise.rescue

Its standard input is a socket, over which it is told what to clear and says what became of it, as a supervisor would.
It has neither lock nor ledger, runs no tool, and goes with whoever started it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import msgspec

from campaign.records.messages import Clear, Cleared, FromSupervisor
from campaign.supervise.channel import Channel
from campaign.supervise.clearing import Clearing
from campaign.supervise.host import die_with_parent
from campaign.supervise.hostclient import host_environment
from campaign.supervise.loop import Loop
from campaign.supervise.station import Station

_COMMAND = ("-P", "-m", "campaign.supervise.rescue")


def rescue(loop: Loop, message: Clear, done: Callable[[Cleared | None], None]) -> None:
    """Start it; ``done`` is told what became of it, None where it ended without a word.  Raises OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        pid = os.posix_spawn(
            sys.executable,
            (sys.executable, *_COMMAND),
            host_environment(os.environ),
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP),
        )
    told: list[Cleared] = []

    def heard(line: bytes) -> None:
        told.append(msgspec.json.decode(line, type=Cleared))

    def over() -> None:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)  # it hangs up by its end
        done(told[0] if told else None)

    Channel(loop, ours, heard, over).send(message)


def main() -> None:
    """Clear what is asked for, say so, and go."""
    die_with_parent()
    sock = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    station, over = Station(), list[bool]()

    def send(message: FromSupervisor) -> None:
        channel.send(message)
        channel.flush(1.0)
        over.append(True)

    def received(line: bytes) -> None:
        Clearing(msgspec.json.decode(line, type=Clear), station, send).start()

    channel = Channel(station.loop, sock, received, lambda: over.append(True))
    while not over:
        station.loop.run_once()


if __name__ == "__main__":
    main()
