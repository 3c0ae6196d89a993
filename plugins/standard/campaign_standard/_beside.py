"""A program of ours that runs beside the tools while a fault is in force, and dies with the process that started it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from campaign.plugins.api import Process, UnableError, boot_id, identify, running, send_signals

#: Between two looks whether a program has come up, or is gone: what it has to show differs, a mount or a name.
_LOOK_AGAIN_S = 0.01
_PATIENCE_S = 10.0
#: Those that this process has started and not ended.
_started: dict[Process, subprocess.Popen[bytes]] = {}


def start_beside(argv: Sequence[str], up: Callable[[int], bool]) -> Process:
    """Start it and wait until ``up(pid)``.  Raises UnableError, with what it said, where it ends before.

    The kernel kills it should its parent, the provider host, die; whoever clears then finds it gone.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise UnableError("setpriv was not found: apt-get install util-linux")
    beside = subprocess.Popen(
        [setpriv, "--pdeathsig", "KILL", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
    )
    end = time.monotonic() + _PATIENCE_S
    while not up(beside.pid):
        if beside.poll() is not None or time.monotonic() > end:
            beside.kill()
            said = " ".join(beside.communicate()[1].decode("utf-8", "replace").split())[-500:]
            raise UnableError(f"{argv[0]} could not be started: {said or 'it said nothing'}")
        time.sleep(_LOOK_AGAIN_S)
    found = identify(beside.pid, boot_id())
    if found is None:
        raise UnableError(f"{argv[0]} ended at once")
    if beside.stderr is not None:
        beside.stderr.close()  # nobody reads it any more
    _started[found] = beside
    return found


def ended_early(process: Process, serves: Process | None = None) -> str | None:
    """How it ended though nobody has ended it here, in words; None while it runs.

    ``serves`` is whom it has to do with, where it ends by itself once that one has ended.
    """
    if running(process, boot_id()):
        return None
    started = _started.get(process)
    code = None if started is None else _code(started)
    if not code and serves is not None and not running(serves, boot_id()):
        return None
    if code is None:
        return "its helper is gone"  # it was another process's, and died with that
    return f"its helper was killed by {_signal(-code)}" if code < 0 else f"its helper ended with status {code}"


def _code(ended: subprocess.Popen[bytes]) -> int | None:
    """What it ended with; its threads may take a moment longer than itself, and until then nobody is told."""
    try:
        return ended.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return None


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def end_beside(process: Process) -> None:
    """Kill it, and wait until it is gone; raises UnableError where it does not go."""
    end = time.monotonic() + _PATIENCE_S
    while running(process, boot_id()) and send_signals(process, signal.SIGKILL):
        if time.monotonic() > end:
            raise UnableError(f"process {process.pid} cannot be killed")
        time.sleep(_LOOK_AGAIN_S)
    started = _started.pop(process, None)
    if started is not None:
        started.wait()
