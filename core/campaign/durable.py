"""What is to survive a power cut: a rename, the names in a folder, everything that was written below one."""

from __future__ import annotations

import ctypes
import os

from campaign.failpoints import reach


def move(source: str, target: str) -> None:
    """Rename a file or a folder that is whole and synced, and make that durable; replaces a file.  Raises OSError."""
    reach("move.before")
    os.rename(source, target)
    reach("move.renamed")
    sync_directory(os.path.dirname(target) or ".")
    reach("move.after")


def sync_directory(path: str) -> None:
    """Make a rename in ``path``, or a file made there, durable.  Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        reach("folder.sync.before")
        os.fsync(handle)
        reach("folder.sync.after")
    finally:
        os.close(handle)


def sync_file_system(path: str) -> None:
    """Make everything durable that was written to the file system of ``path``: one call, however many files there are.

    See syncfs(2); Linux tells of what could not be written since 5.8.  Raises OSError.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        reach("disk.sync.before")
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        reach("disk.sync.after")
    finally:
        os.close(handle)
