"""Folders and files of a run, opened so that no symbolic link inside the run root is ever followed.

A tool may replace its own folders by links while it runs, or leave one for the next attempt.  Everything at and below
the campaign's folder is therefore opened component by component without following links, and everything written
later goes through the descriptors that were opened first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from campaign.failpoints import reach

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PASSED = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC  # cheaper, for folders on the way
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSAFE = frozenset({"", ".", ".."})


def open_folder(path: str, campaign: str, *, make: bool = True) -> int:
    """Open the folder ``path``, making what is missing; below the folder named ``campaign`` no link is followed.

    ``make`` false: what is missing is not made.  Raises OSError, also for a link, a file, or a ``..`` on the way.
    """
    root, names = _split(path, campaign)
    try:
        fd = os.open(root, _PASSED)
    except FileNotFoundError:
        if not make:
            raise
        os.makedirs(root, exist_ok=True)
        fd = os.open(root, _PASSED)
    for name in names[:-1]:
        with closing_fd(fd):
            fd = open_below(fd, name, _PASSED, make=make)
    with closing_fd(fd):
        return open_below(fd, names[-1], make=make)


def _split(path: str, campaign: str) -> tuple[str, list[str]]:
    before, found, after = path.partition(f"/{campaign}/")
    if not found:
        before, _, last = path.rstrip("/").rpartition("/")
        return before or "/", [last]
    return before or "/", [campaign, *after.rstrip("/").split("/")]


def open_below(parent: int, name: str, how: int = _FOLDER, *, make: bool = True) -> int:
    """Open the folder ``name`` of an open folder, making it if need be; never a link.  Raises OSError."""
    if name in _UNSAFE or "/" in name:
        raise NotADirectoryError(f"{name!r} is not the name of a folder")
    try:
        return os.open(name, how | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
        with suppress(FileExistsError):  # another supervisor was quicker
            os.mkdir(name, 0o777, dir_fd=parent)
        return os.open(name, how | os.O_NOFOLLOW, dir_fd=parent)


def create_file(parent: int, name: str) -> int:
    """Create the file ``name`` anew in an open folder: whatever bears that name is removed, never opened."""
    try:
        return os.open(name, _NEW_FILE, 0o666, dir_fd=parent)
    except FileExistsError:
        os.unlink(name, dir_fd=parent)
        return os.open(name, _NEW_FILE, 0o666, dir_fd=parent)


def write_file(parent: int, name: str, data: bytes) -> None:
    """Create a file and write it whole.  Raises OSError."""
    fd = create_file(parent, name)
    try:
        write_all(fd, data)
    finally:
        os.close(fd)


def write_synced(parent: int, name: str, data: bytes) -> None:
    """Write a file that is there whole or not at all, whatever happens: synced, renamed, its folder synced."""
    part = f"{name}.part"
    fd = create_file(parent, part)
    try:
        write_all(fd, data)
        reach("file.sync.before")
        os.fsync(fd)
    finally:
        os.close(fd)
    reach("file.rename.before")
    os.rename(part, name, src_dir_fd=parent, dst_dir_fd=parent)
    reach("file.rename.after")
    os.fsync(parent)
    reach("file.sync.after")


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write every byte.  Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def unchanged(fd: int, path: str) -> bool:
    """Whether ``path`` still leads to the open folder: not removed, not replaced, not turned into a link."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except OSError:
        return False


@contextmanager
def closing_fd(fd: int) -> Iterator[int]:
    """Close an open descriptor at the end of a block."""
    try:
        yield fd
    finally:
        os.close(fd)
