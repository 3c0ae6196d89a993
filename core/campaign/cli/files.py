"""Reading specs and writing them back: never more than a spec can be, never half a file."""

from __future__ import annotations

import os
import stat
import sys

from campaign.diagnostics import Diagnostic, ExitStatus
from campaign.durable import written
from campaign.readable import read_bounded

#: How a user names standard input, and what diagnostics call it.
STDIN, STDIN_NAME = "-", "<stdin>"
_MOST_BYTES = 16 * 2**20  # more than any spec may have, so that its size is seen and refused


def read_file(path: str) -> bytes:
    """The bytes of a regular file, cut off far above the largest spec; raises OSError."""
    return read_bounded(path, _MOST_BYTES)


def read_stdin() -> bytes:
    """The bytes of standard input, cut off like a file's; raises OSError."""
    return sys.stdin.buffer.read(_MOST_BYTES)


def unreadable(path: str, error: OSError) -> Diagnostic:
    """What to say of a file that cannot be read."""
    reason = error.strerror or type(error).__name__
    return Diagnostic("CAMP130", f"{path} cannot be read: {reason}", hint="name a file that exists and may be read")


def replace_file(path: str, data: bytes) -> None:
    """Write a file whole or not at all, its mode kept and a symbolic link followed; raises OSError."""
    target = os.path.realpath(path)
    mode = stat.S_IMODE(os.stat(target).st_mode)
    with written(target, 0o600) as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)


def unwritable(path: str, error: OSError) -> Diagnostic:
    """What to say of a file that cannot be written."""
    reason = error.strerror or type(error).__name__
    return Diagnostic("CAMP571", f"{path} cannot be written: {reason}", status=ExitStatus.SETUP)
