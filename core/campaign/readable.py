"""Files that users name, read so that nothing is waited for and nothing is without end.

A FIFO without a writer would keep us for ever, a device could flood us or do something when it is opened: only regular
files are read.  What the user has handed over as an open descriptor (``/dev/stdin``, ``<(command)``) is read as it is.
"""

from __future__ import annotations

import errno
import os
import stat

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_HANDED_OVER = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
_CHUNK = 1 << 20


def open_regular(path: str) -> int:
    """A descriptor of a regular file, to be read; raises OSError, also for anything else."""
    _check(os.stat(path), path)  # before it is opened: that alone can move a device
    fd = os.open(path, _FLAGS)
    try:
        _check(os.fstat(fd), path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_bounded(path: str, most_bytes: int) -> bytes:
    """At most so many bytes of a regular file, or of a descriptor that was handed over; raises OSError."""
    if path.startswith(_HANDED_OVER):
        with open(path, "rb") as file:
            return file.read(most_bytes)
    fd = open_regular(path)
    try:
        data = bytearray()
        while len(data) < most_bytes and (piece := os.read(fd, min(_CHUNK, most_bytes - len(data)))):
            data += piece
        return bytes(data)
    finally:
        os.close(fd)


def _check(found: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", path)
