"""Commands of a person's own, carried out between campaigns: argument vectors, never a shell; output into a log."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence

from msgspec import Struct

_PR_SET_PDEATHSIG = 1
_GRACE_S = 5.0
_REST_GRACE_S, _PAUSE_S = 1.0, 0.02
_TAIL_LINES, _TAIL_BYTES = 20, 8_192


class Ran(Struct, frozen=True):
    """A command at its end: ``why`` it failed, empty where it did not, and the last lines of its log."""

    why: str = ""
    tail: str = ""


def carry_out(  # noqa: PLR0913 - what is run, where, with what, and for how long
    argv: Sequence[str],
    *,
    folder: str,
    log: str,
    given: bytes | None,
    timeout_s: float,
    environment: Mapping[str, str],
) -> Ran:
    """Run a command in ``folder`` to its end, its output behind what ``log`` holds, ``given`` on its standard input.

    It gets our environment and ``environment``.  After ``timeout_s`` its process group is ended, as when we are
    interrupted; should we die, it gets SIGTERM.  What it leaves behind in its group is ended with it.
    Raises OSError where the log cannot be written.
    """
    with open(log, "ab") as out, tempfile.TemporaryFile() as source:
        out.write(f"$ {' '.join(argv)}\n".encode("utf-8", "surrogateescape"))
        out.flush()
        source.write(given or b"")
        source.seek(0)
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=folder,
                env={**os.environ, **environment},
                stdin=source,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_ends_with_us,  # noqa: PLW1509 - this process has one thread
            )
        except (OSError, ValueError) as error:
            told = error.strerror if isinstance(error, OSError) else str(error)
            out.write(f"campaign: it cannot be started: {told}\n".encode())
            return Ran(f"{argv[0]} cannot be started: {told}", f"campaign: it cannot be started: {told}")
        why = _waited(process, argv[0], timeout_s)
    return Ran(why, _tail(log) if why else "")


def _ends_with_us() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _waited(process: subprocess.Popen[bytes], name: str, timeout_s: float) -> str:
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        return f"{name} took longer than {timeout_s:g} s"
    except BaseException:
        _end(process)
        raise
    _end_rest(process.pid)
    if code < 0:
        return f"{name} was ended by signal {-code}"
    return f"{name} left with status {code}" if code else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """End its group: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _end_rest(group: int) -> None:
    """End what a command that is over has left in its group: politely, then not."""
    try:
        os.killpg(group, signal.SIGTERM)
        until_s = time.monotonic() + _REST_GRACE_S
        while time.monotonic() < until_s:
            time.sleep(_PAUSE_S)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nothing is left


def _tail(path: str) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-_TAIL_LINES:])
