"""The daemon's process: ``python -m campaign.engine.resident PLACES WORKSPACE READY``.

It starts the supervisors while it is small and holds nothing, and only then becomes the daemon, see ``queue``.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module

from campaign.supervise.launch import start_supervisors

_SETUP = 3


def main(arguments: list[str]) -> int:
    """Serve WORKSPACE's queue until told to stop; READY is a descriptor that is told when it does, -1 for none."""
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    places, workspace, ready = int(arguments[0]), arguments[1], int(arguments[2])
    try:
        handles = start_supervisors(places, workspace)
    except OSError as error:
        print(f"error[CAMP507]: the supervisors could not be started: {error.strerror or error}", file=sys.stderr)
        return _SETUP
    # Imported by name and now, for whatever is imported before is copied into every supervisor.
    status: int = import_module("campaign.engine.queue").serve(handles, workspace, ready)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
