"""Read what a run left behind, at constant memory and without being led elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from campaign.plugins.api import Evidence, UnableError

#: Of a line at most this much is looked at, as everywhere in campaign.
LINE_BYTES = 1 << 16


def locate(evidence: Evidence, path: str) -> str:
    """Where ``path`` is: absolute as it stands, relative inside the attempt's ``work/``.

    Raises UnableError where a relative one leads out of ``work/``, by ``..`` or by a symbolic link: a tool must not
    be able to have other files judged than its own.
    """
    if os.path.isabs(path):
        return path
    work = os.path.realpath(evidence.work)
    found = os.path.realpath(os.path.join(work, path))
    if found != work and not found.startswith(f"{work}/"):
        raise UnableError(f"{path} leads out of the working directory")
    return found


def open_regular(path: str, shown: str) -> int | None:
    """Open a file, None where there is none; raises UnableError where it is no regular file or cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnableError(f"{shown} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UnableError(f"{shown} is not a regular file")
    return fd


def lines(fd: int) -> Iterator[bytes]:
    """The lines of an open file, without their ends, cut at 64 KiB; closes it."""
    with os.fdopen(fd, "rb") as file:
        while line := file.readline(LINE_BYTES):
            rest = line
            while not rest.endswith(b"\n") and (rest := file.readline(LINE_BYTES)):
                continue
            yield readable(line)


def readable(line: bytes) -> bytes:
    """A line without its end, as valid UTF-8."""
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace").encode()


def quoted(line: bytes) -> str:
    """A line for a message: short, and harmless on a terminal."""
    text = "".join(char if char.isprintable() else "�" for char in line.decode("utf-8", "replace").strip())
    return text if len(text) <= 200 else f"{text[:200]}…"
