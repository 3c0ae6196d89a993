"""Files of a run's working directory, reached so that no link, no ``..`` and no race leads out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from campaign.plugins.api import UnableError, matches

#: What faults leave in a working directory themselves begins with this, and is no file of a tool.
OWN = ".campaign-"


class GoneError(UnableError):
    """What was named is not there."""


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def leads_out(path: str) -> str | None:
    """Why ``path``, perhaps with ``*``, names nothing within a working directory, in one sentence; None if it does."""
    if not path or "\0" in path:
        return "the path is empty" if not path else "the path holds a zero byte"
    if path.startswith("/"):
        return f"{path} is absolute: give a path within the working directory"
    if any(part in {"", ".", ".."} for part in path.split("/")):
        return f"{path} is not a plain path within the working directory: no empty part, no . and no .."
    return None


def regular_files(workdir: str, pattern: str) -> list[str]:
    """The regular files whose paths match, in order; links are not followed, and none that has another name counts.

    What bears a second name (a hard link) may lie outside too.
    """
    found: list[str] = []
    with opened_folder(workdir) as root:
        for folder, _, names, at in os.fwalk(".", dir_fd=root, follow_symlinks=False):
            for name in names:
                path = os.path.normpath(os.path.join(folder, name))
                if not name.startswith(OWN) and matches(pattern, path) and _is_plain(name, at):
                    found.append(path)
    return sorted(found)


def _is_plain(name: str, folder: int) -> bool:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False  # gone meanwhile
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


@contextmanager
def opened_folder(workdir: str) -> Iterator[int]:
    """The working directory, open.  Raises UnableError."""
    try:
        fd = os.open(workdir, _FOLDER)
    except FileNotFoundError:
        raise GoneError(f"{workdir} is not there") from None
    except OSError as error:
        raise UnableError(f"{workdir} cannot be opened: {error.strerror}") from None
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def opened_parent(workdir: str, path: str) -> Iterator[tuple[int, str]]:
    """The folder that ``path`` lies in, open, and its name there; raises UnableError where a link leads to it."""
    if (why := leads_out(path)) is not None:
        raise UnableError(why)
    *folders, name = path.split("/")
    with opened_folder(workdir) as at:
        fd = os.dup(at)
        try:
            for each in folders:
                inner = os.open(each, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
                os.close(fd)
                fd = inner
            yield fd, name
        except FileNotFoundError:
            raise GoneError(f"{path} is not there") from None
        except OSError as error:
            raise UnableError(f"{path}: {error.strerror}") from None
        finally:
            os.close(fd)


@contextmanager
def opened_file(workdir: str, path: str, flags: int = os.O_RDWR, mode: int = 0o600) -> Iterator[int]:
    """A regular file within the working directory, open; raises UnableError, also for what is no regular file."""
    with opened_parent(workdir, path) as (folder, name):
        fd = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise UnableError(f"{path} is not a regular file")
            yield fd
        finally:
            os.close(fd)


def read_within(workdir: str, path: str, limit: int) -> bytes:
    """A file's content; raises UnableError, also where it is longer than ``limit`` bytes."""
    with opened_file(workdir, path, os.O_RDONLY) as fd:
        if os.fstat(fd).st_size > limit:
            raise UnableError(f"{path} is longer than {limit} bytes")
        with open(fd, "rb", closefd=False) as file:
            return file.read(limit)


def write_within(workdir: str, path: str, content: bytes, like: os.stat_result | None = None) -> None:
    """Put a file in its place in one go, synced, with mode and owner of ``like``; raises UnableError."""
    with opened_parent(workdir, path) as (folder, name):
        new = f"{OWN}{name}.new"
        with suppress(FileNotFoundError):
            os.unlink(new, dir_fd=folder)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with open(fd, "wb") as file:
            file.write(content)
            if like is not None:
                os.fchown(fd, like.st_uid, like.st_gid)
                os.fchmod(fd, stat.S_IMODE(like.st_mode))
            file.flush()
            os.fsync(fd)
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)


def remove_within(workdir: str, path: str) -> None:
    """Remove a file, if it is there; raises UnableError."""
    with opened_parent(workdir, path) as (folder, name), suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
