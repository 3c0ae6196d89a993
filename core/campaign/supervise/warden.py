"""A command of a person's own with all that it starts: whoever wants it dead, or dies himself, leaves nothing of it.

    python -m campaign.supervise.warden LIFE TOLD GRACE PROGRAM ARGUMENT …

LIFE and TOLD are descriptors of pipes, GRACE is how many seconds a command that is cut off has to end by itself.  What
the command leaves behind, in a session of its own too, becomes a child of this process, and is ended once the command
is over, or once LIFE is hung up: by a timeout, an interrupt, or the end of whoever held the other end, ``kill -9`` too.
What became of the command is written to TOLD, as ``Ended`` in JSON.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

import msgspec
from msgspec import Struct

from campaign.proc import descendants, send_all, table
from campaign.supervise.subreaper import become_subreaper

#: What is left of a command that is over gets so long at the most.
_REST_GRACE_S = 1.0
#: What a SIGKILL did not end by then hangs in the kernel.
_PATIENCE_S = 10.0
_PR_SET_PDEATHSIG = 1
_PAUSE_S, _LOOK_MS = 0.02, 1_000


class Ended(Struct, frozen=True, omit_defaults=True):
    """What became of a command: its exit code (a signal's number below zero), or why it could not be started."""

    code: int = 0
    error: str | None = None


def main() -> None:
    """Run the command to its end, end the rest of it, and tell."""
    life, told, grace_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    become_subreaper()
    signal.signal(signal.SIGTERM, _cut_off)
    try:
        process = subprocess.Popen(
            sys.argv[4:],
            start_new_session=True,
            preexec_fn=_ends_with_us,  # noqa: PLW1509 - this process has one thread
        )
    except (OSError, ValueError) as error:
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        _tell(told, Ended(error=text))
        return
    code = None
    try:
        code = _waited(process.pid, life)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all(grace_s if code is None else min(grace_s, _REST_GRACE_S))
        _tell(told, Ended(code=-signal.SIGTERM if code is None else code))


def _cut_off(*_: object) -> None:
    raise SystemExit


def _ends_with_us() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _waited(pid: int, life: int) -> int | None:
    """The exit code of the command; None where LIFE was hung up first.  Orphans that end meanwhile are reaped."""
    poll = select.poll()
    poll.register(life, 0)  # a hang-up is told unasked
    poll.register(os.pidfd_open(pid), select.POLLIN)
    while True:
        events = poll.poll(_LOOK_MS)
        code = _reaped(pid)
        if code is not None:
            return code
        if any(fd == life for fd, _ in events):
            return None


def _reaped(pid: int) -> int | None:
    """Reap every child that has ended; the exit code of ``pid`` where it is among them."""
    found = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if ended == 0:
            return found
        if ended == pid:
            found = os.waitstatus_to_exitcode(status)


def _end_all(grace_s: float) -> None:
    """End whatever has come of the command: politely, then not; what begins meanwhile is ended too."""
    kill_at_s = time.monotonic() + grace_s
    asked: set[tuple[int, int]] = set()
    while left := descendants(os.getpid(), table()):
        late_s = time.monotonic() - kill_at_s
        if late_s > _PATIENCE_S:
            return
        if late_s >= 0:
            send_all(left, signal.SIGKILL)
        else:
            new = [each for each in left if (each.pid, each.start_time) not in asked]
            send_all(new, signal.SIGTERM, signal.SIGCONT)
            asked |= {(each.pid, each.start_time) for each in new}
        time.sleep(_PAUSE_S)
        _reaped(0)


def _tell(told: int, ended: Ended) -> None:
    with suppress(OSError):  # nobody may be there any more to hear it
        os.write(told, msgspec.json.encode(ended))


if __name__ == "__main__":
    main()
