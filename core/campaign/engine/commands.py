"""Commands of a person's own, carried out between campaigns: argument vectors, never a shell; output into a log."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from campaign.supervise.warden import Ended

_WARDEN = (sys.executable, "-P", "-m", "campaign.supervise.warden")
_TAIL_LINES, _TAIL_BYTES = 20, 8_192
_MOST_TOLD = 4_096
#: What is ended has so long to go by itself.
_GRACE_S = 5.0


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
    keep: Sequence[int] = (),
    grace_s: float = _GRACE_S,
) -> Ran:
    """Run a command in ``folder`` to its end, its output behind what ``log`` holds, ``given`` on its standard input.

    It gets our environment and ``environment``.  After ``timeout_s`` it is ended, as when we are interrupted or die: by
    SIGTERM, and after ``grace_s`` by SIGKILL.  Whatever it leaves behind is ended with it; the descriptors ``keep``
    (locks) stay open until that is done, whatever becomes of us.  Raises OSError where the log cannot be written.
    """
    with open(log, "ab") as out, tempfile.TemporaryFile() as source:
        out.write(f"$ {' '.join(argv)}\n".encode("utf-8", "surrogateescape"))
        out.flush()
        source.write(given or b"")
        source.seek(0)
        started = {"cwd": folder, "env": {**os.environ, **environment}, "stdin": source, "stdout": out}
        ended = _watched([str(grace_s), *argv], started, timeout_s, keep)
        why = f"{argv[0]} took longer than {timeout_s:g} s" if ended is None else _why(argv[0], ended)
        if ended is not None and ended.error is not None:
            out.write(f"campaign: it cannot be started: {ended.error}\n".encode())
    return Ran(why, _tail(log) if why else "")


def _watched(words: Sequence[str], started: Mapping[str, Any], timeout_s: float, keep: Sequence[int]) -> Ended | None:
    """What became of a command, of which nothing is left; None where it took too long; ``words`` as the warden's."""
    their_life, life = os.pipe()
    told, their_told = os.pipe()
    try:
        warden = subprocess.Popen(
            [*_WARDEN, str(their_life), str(their_told), *words],
            **started,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(their_life, their_told, *keep),
        )
    except (OSError, ValueError) as error:
        os.close(life)
        return Ended(error=(error.strerror if isinstance(error, OSError) else None) or str(error))
    finally:
        os.close(their_life)
        os.close(their_told)
    try:
        ready, _, _ = select.select([told], [], [], min(timeout_s, threading.TIMEOUT_MAX))
    finally:
        os.close(life)  # whatever still runs is ended now
        warden.wait()
        text = os.read(told, _MOST_TOLD)
        os.close(told)
    if not ready:
        return None
    return msgspec.json.decode(text, type=Ended) if text else Ended(code=-signal.SIGKILL)


def _why(name: str, ended: Ended) -> str:
    """Why a command failed; empty where it did not."""
    if ended.error is not None:
        return f"{name} cannot be started: {ended.error}"
    if ended.code < 0:
        return f"{name} was ended by signal {-ended.code}"
    return f"{name} left with status {ended.code}" if ended.code else ""


def _tail(path: str) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-_TAIL_LINES:])
