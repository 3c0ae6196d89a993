"""File systems under a run's working directory: mount(2), umount2(2), and what is mounted now."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
from contextlib import suppress
from hashlib import blake2b

from msgspec import Struct

from campaign.plugins.api import UnableError
from campaign_standard._inside import OWN, leads_out, opened_folder
from campaign_standard._setting import capable, run_command

#: What the source of every file system of ours begins with.
OURS = "campaign-"
_MNT_DETACH = 2
_MS_NOSUID, _MS_NODEV = 2, 4
_CHUNK = 1 << 20
_WITHIN_S = 10.0
_CAP_SYS_ADMIN = 21


def may_mount() -> bool:
    """Whether this process may mount where everybody sees it."""
    return capable(_CAP_SYS_ADMIN)


class Mount(Struct, frozen=True):
    """One line of mountinfo, see proc(5)."""

    path: str
    kind: str
    source: str


def mounts(pid: int | str = "self") -> list[Mount]:
    """What a process sees mounted, in order; nothing where it is gone."""
    try:
        with open(f"/proc/{pid}/mountinfo", "rb") as file:
            return [_mount(os.fsdecode(line)) for line in file]
    except OSError:
        return []


def _mount(line: str) -> Mount:
    """``36 35 98:0 /root /mnt options optional-fields - kind source options``, blanks as octal escapes."""
    before, _, after = line.partition(" - ")
    kind, source, *_ = after.split()
    path = before.split()[4]
    for escaped, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(escaped, plain)
    return Mount(path, kind, source)


def new_source(workdir: str, path: str) -> str:
    """What a file system there will be known by: no two attempts on a machine share a working directory.

    Raises UnableError where there is one already.
    """
    source = OURS + blake2b(f"{workdir}\0{path}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    if mounted_at(source) is not None:
        raise UnableError(f"{path} is a disk already: a folder is held as one once")
    return source


def mounted_at(source: str) -> str | None:
    """Where the file system of that name is mounted."""
    return next((each.path for each in mounts() if each.source == source), None)


def make_folder(workdir: str, path: str) -> int:
    """An empty folder within the working directory, made where it is not there, open.  Raises UnableError."""
    if (why := leads_out(path)) is not None:
        raise UnableError(why)
    with opened_folder(workdir) as root:
        at = os.dup(root)
    try:
        for each in path.split("/"):
            with suppress(FileExistsError):
                os.mkdir(each, 0o755, dir_fd=at)
            inner = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = inner
    except OSError as error:
        os.close(at)
        raise UnableError(f"{path} cannot be made: {error.strerror}") from None
    return at


def mount_tmpfs(folder: int, source: str, size: int) -> None:
    """Mount memory of that size on an open folder.  Raises OSError."""
    options = f"size={size},mode=0755,uid={os.getuid()},gid={os.getgid()}"
    libc = ctypes.CDLL(None, use_errno=True)
    target = f"/proc/self/fd/{folder}".encode()
    if libc.mount(source.encode(), target, b"tmpfs", _MS_NOSUID | _MS_NODEV, options.encode()) != 0:
        raise OSError(number := ctypes.get_errno(), os.strerror(number))


def detach(path: str) -> None:
    """Unmount for whoever comes now; those who use it keep it.  Raises UnableError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(path), _MNT_DETACH) == 0:
        return
    if (number := ctypes.get_errno()) != errno.EPERM:
        raise UnableError(f"{path} cannot be unmounted: {os.strerror(number)}")
    run_command(["fusermount3", "-u", "-z", path], _WITHIN_S)  # what an ordinary user has mounted


# --- what is on a disk of ours stays when the disk goes -----------------------------------------------------------


def copy_out(source: str, into: str) -> None:
    """Copy folders, files and links into a folder; holes stay holes, so that no more is written than is there.

    Raises OSError.
    """
    shutil.copytree(source, into, symlinks=True, dirs_exist_ok=True, ignore=_left_out, copy_function=_copy)


def _left_out(folder: str, names: list[str]) -> set[str]:
    """What faults of ours left, and what is neither file, folder nor link."""
    return {name for name in names if name.startswith(OWN) or not _is_kept(os.path.join(folder, name))}


def _is_kept(path: str) -> bool:
    mode = os.lstat(path).st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def _copy(source: str, into: str) -> None:
    with open(source, "rb") as old, open(into, "wb") as new:
        size, at = os.fstat(old.fileno()).st_size, 0
        while at < size and (at := _data(old.fileno(), at)) >= 0:
            end = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            while at < end and (piece := os.pread(old.fileno(), min(_CHUNK, end - at), at)):
                at += os.pwrite(new.fileno(), piece, at)
        os.ftruncate(new.fileno(), size)
    shutil.copystat(source, into)


def _data(fd: int, at: int) -> int:
    """Where the next data are from there; negative where there are none."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError:
        return -1
