"""Read what a run left behind, at constant memory and without being led elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator
from typing import NamedTuple

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


def open_output(evidence: Evidence) -> int | None:
    """Open the run's own output, None where it printed nothing; raises UnableError where it is not what was kept."""
    if evidence.output is None:
        return None
    fd, output = open_regular(evidence.output, "the output"), evidence.exit.output
    if fd is not None and os.fstat(fd).st_size >= output.total_bytes - output.dropped_bytes:
        return fd
    if fd is not None:
        os.close(fd)
    raise UnableError("the output is not what was kept of it: somebody removed or changed it")


def lines(fd: int) -> Iterator[bytes]:
    """The lines of an open file, without their ends, cut at 64 KiB; closes it."""
    with os.fdopen(fd, "rb") as file:
        while line := file.readline(LINE_BYTES):
            rest = line
            while not rest.endswith(b"\n") and (rest := file.readline(LINE_BYTES)):
                continue
            yield readable(line)


class Line(NamedTuple):
    """A line of what was kept, with its number there; ``behind``: nothing is missing after it."""

    number: int
    text: bytes
    behind: bool


def bytes_not_kept(evidence: Evidence, path: str) -> int:
    """How many bytes of a log that campaign itself writes are not in it, by now; 0 for every other file."""
    logs = (evidence.exit.output, *(service.output for service in evidence.exit.services))
    missing = [(os.path.join(evidence.directory, log.path), log.dropped_bytes) for log in logs if log.path]
    if not any(dropped for _, dropped in missing):
        return 0
    real = os.path.realpath(path)
    return sum(dropped for log, dropped in missing if os.path.realpath(log) == real)


def kept_lines(fd: int | None, missing: int) -> Generator[Line]:
    """The lines of a log of which ``missing`` bytes were left out in one place, but those that this cut; closes it."""
    if fd is None:
        return
    marker, behind, cut = b"[campaign left out %d bytes here]" % missing, not missing, False
    before: Line | None = None  # given on once it is known that no gap follows it
    for number, text in enumerate(lines(fd), 1):
        if missing and text == marker:
            before, behind, cut = None, True, True
        elif cut:
            cut = False
        else:
            if before is not None:
                yield before
            before = Line(number, text, behind)
    if before is not None:
        yield before


def readable(line: bytes) -> bytes:
    """A line without its end, as valid UTF-8."""
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace").encode()


def quoted(line: bytes) -> str:
    """A line for a message: short, and harmless on a terminal."""
    text = "".join(char if char.isprintable() else "�" for char in line.decode("utf-8", "replace").strip())
    return text if len(text) <= 200 else f"{text[:200]}…"
