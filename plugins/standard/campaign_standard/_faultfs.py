"""The server of a faulty disk: what is under a folder, seen through FUSE, with the faults that its rules say.

    python -m campaign_standard._faultfs FOLDER RULES SOURCE

Everything is passed on to the folder as it was before, so that it holds all that reached the disk when the server is
gone, by whatever end.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import mfusepy

from campaign_standard._faultrules import Rule, Rules

_STATUS = ("st_dev", "st_gid", "st_ino", "st_mode", "st_nlink", "st_rdev", "st_size", "st_uid", "st_blocks")
_ROOM = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize")
#: A delay sleeps no longer at a time: it ends early where its rule is taken out of the file.
_SLICE_S = 0.02


class FaultyDisk(mfusepy.Operations):  # type: ignore[misc]
    """Each operation first meets its faults, then is carried out."""

    use_ns = True

    def __init__(self, folder: str, rules: Rules) -> None:
        self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._rules = rules

    def init(self, path: str) -> None:
        """Mounted: nobody reads any more what we say."""
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)

    def _meet(self, operation: str, path: str) -> list[tuple[Rule, int]]:
        """Wait and fail as the rules say; those that tear are for the write itself."""
        struck = self._rules.striking(operation, path[1:])
        for name, rule, _ in struck:
            end = time.monotonic() + rule.delay_s
            while (left := end - time.monotonic()) > 0 and self._rules.in_force(name):
                time.sleep(min(left, _SLICE_S))
        for _, rule, _ in struck:
            if rule.errno:
                raise OSError(rule.errno, os.strerror(rule.errno))
        return [(rule, count) for _, rule, count in struck if rule.torn]

    # --- files ---------------------------------------------------------------------------------------------------

    def open(self, path: str, flags: int) -> int:
        self._meet("open", path)
        return self._opened(path, flags & ~(os.O_CREAT | os.O_EXCL))

    def create(self, path: str, mode: int, fi: int | None = None) -> int:
        self._meet("open", path)
        return self._opened(path, (fi or os.O_RDWR) | os.O_CREAT, mode)

    def _opened(self, path: str, flags: int, mode: int = 0) -> int:
        """The kernel has found the end of each append, and what it caches is aligned to nothing."""
        flags = flags & ~(os.O_APPEND | os.O_DIRECT) | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(_inner(path), flags, mode, dir_fd=self._root)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._meet("read", path)
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        whole = len(data)
        for rule, count in self._meet("write", path):
            data = data[: rule.kept(path[1:], count, offset, len(data))]
        done = 0
        while done < len(data):
            done += os.pwrite(fh, data[done:], offset + done)
        return whole

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._meet("fsync", path)
        (os.fdatasync if datasync else os.fsync)(fh)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._meet("fsync", path)
        return 0

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._meet("truncate", path)
        if fh is not None:
            os.ftruncate(fh, length)
            return 0
        fd = self._opened(path, os.O_WRONLY)
        try:
            os.ftruncate(fd, length)
        finally:
            os.close(fd)
        return 0

    def flush(self, path: str, fh: int) -> int:
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    # --- names ---------------------------------------------------------------------------------------------------

    def rename(self, old: str, new: str) -> int:
        self._meet("rename", new)
        os.rename(_inner(old), _inner(new), src_dir_fd=self._root, dst_dir_fd=self._root)
        return 0

    def unlink(self, path: str) -> int:
        self._meet("unlink", path)
        os.unlink(_inner(path), dir_fd=self._root)
        return 0

    def link(self, target: str, source: str) -> int:
        os.link(_inner(source), _inner(target), src_dir_fd=self._root, dst_dir_fd=self._root, follow_symlinks=False)
        return 0

    def symlink(self, target: str, source: str) -> int:
        os.symlink(source, _inner(target), dir_fd=self._root)
        return 0

    def readlink(self, path: str) -> str:
        return os.readlink(_inner(path), dir_fd=self._root)

    def mkdir(self, path: str, mode: int) -> int:
        self._meet("mkdir", path)
        os.mkdir(_inner(path), mode, dir_fd=self._root)
        return 0

    def rmdir(self, path: str) -> int:
        os.rmdir(_inner(path), dir_fd=self._root)
        return 0

    def mknod(self, path: str, mode: int, dev: int) -> int:
        os.mknod(_inner(path), mode, dev, dir_fd=self._root)
        return 0

    def readdir(self, path: str, fh: int) -> Iterator[str]:
        self._meet("readdir", path)
        folder = os.open(_inner(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._root)
        try:
            return iter([".", "..", *os.listdir(folder)])
        finally:
            os.close(folder)

    # --- what is known of them ------------------------------------------------------------------------------------

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        status = os.fstat(fh) if fh is not None else self._status(path)
        times = {f"st_{each}time": getattr(status, f"st_{each}time_ns") for each in "amc"}
        return {name: getattr(status, name) for name in _STATUS} | times

    def _status(self, path: str) -> os.stat_result:
        return os.stat(_inner(path), dir_fd=self._root, follow_symlinks=False)

    def statfs(self, path: str) -> dict[str, int]:
        room = os.fstatvfs(self._root)
        return {name: getattr(room, name) for name in _ROOM}

    def chmod(self, path: str, mode: int) -> int:
        os.chmod(_inner(path), mode, dir_fd=self._root)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        os.chown(_inner(path), uid, gid, dir_fd=self._root, follow_symlinks=False)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        now = time.time_ns()
        os.utime(_inner(path), ns=times or (now, now), dir_fd=self._root, follow_symlinks=False)
        return 0


def _inner(path: str) -> str:
    return path[1:] or "."


def main() -> None:
    """Serve until it is unmounted."""
    folder, rules, source = sys.argv[1:]
    os.umask(0)
    options = {"fsname": source, "subtype": "campaign", "default_permissions": True, "use_ino": True}
    mfusepy.FUSE(FaultyDisk(folder, Rules(rules)), folder, foreground=True, **options)


if __name__ == "__main__":
    main()
