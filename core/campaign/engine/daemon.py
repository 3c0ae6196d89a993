"""The engine's process: ``python -m campaign.engine.daemon FD COUNT WORKSPACE``.

It starts the supervisors while it is small and holds nothing, and only then becomes the engine: takes the lock, opens
the ledger, takes over what was left, and schedules.  It runs no plugin code.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from importlib import import_module

from campaign.supervise.launch import SupervisorHandle, start_supervisors

_SETUP = 3


def main(arguments: list[str]) -> int:
    """Be the engine of the planner at the other end of the socket FD; returns the exit status of the process."""
    _leave_the_terminal()
    fd, count, workspace = int(arguments[0]), int(arguments[1]), arguments[2]
    try:
        handles = start_supervisors(count, workspace)
    except OSError:
        return _SETUP  # the planner says that the engine is gone, with this status
    return _serve(socket.socket(fileno=fd), handles, workspace)


def _serve(sock: socket.socket, handles: list[SupervisorHandle], workspace: str) -> int:
    # Imported by name and now, for whatever is imported before is copied into every supervisor.
    status: int = import_module("campaign.engine.solo").serve(sock, handles, workspace)
    return status


def _leave_the_terminal() -> None:
    """Ctrl-C is for the planner, which says here what it means; an inherited SIGCHLD=SIG_IGN would lose children."""
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
