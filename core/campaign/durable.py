"""What is to survive a power cut: a file that is there whole or not at all, a rename, the names in a folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from campaign.failpoints import reach

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: A file system that knows no such thing.
_NOT_HERE = frozenset({errno.EINVAL, errno.ENOTSUP})


@contextmanager
def written(path: str, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """A new file that stands at ``path`` after the block, whole and synced; where that raises, what stood there before.

    ``mode`` is what open(2) is given, less the umask.  Raises OSError.
    """
    draft = os.path.join(os.path.dirname(path), f".{os.path.basename(path)[:40]}.{os.getpid()}.draft")
    with suppress(FileNotFoundError):
        os.unlink(draft)  # of a process that was killed
    try:
        with open(os.open(draft, _NEW, mode), "wb") as file:
            yield file
            file.flush()
            reach("draft.sync.before")
            os.fsync(file.fileno())
            reach("draft.synced")
        move(draft, path)
        reach("draft.moved")
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def move(source: str, target: str) -> None:
    """Rename a file or a folder that is whole and synced, and make that durable; replaces a file.  Raises OSError."""
    reach("move.before")
    os.rename(source, target)
    reach("move.renamed")
    sync_directory(os.path.dirname(target) or ".")
    reach("move.after")


def sync_directory(path: str) -> None:
    """Make a rename in ``path``, or a file made there, durable, where that can be said of such a folder.

    Not of one that we may write to but not read, nor where the file system knows no such thing.  Raises OSError.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        reach("folder.sync.before")
        os.fsync(handle)
        reach("folder.sync.after")
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
    finally:
        os.close(handle)
