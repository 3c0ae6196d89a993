"""Removing folders whole, whatever tools have left in them, and never anything else.

No link is followed, no path is put together, and nothing recurses: a folder's folders are moved up to its top and
emptied one by one, so that neither depth nor length of names matters.  What is mounted somewhere below cannot be moved,
so that it stops the removal before anything in it is touched.
"""

from __future__ import annotations

import errno
import os
import stat

from campaign.failpoints import reach

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ANY_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_folder(path: str) -> None:
    """Remove the folder ``path`` and all that is in it; what is not there is removed already.

    Raises OSError where something cannot be removed, or ``path`` is no folder of its own (a link, a mount point); what
    was removed until then stays so, and another call goes on.
    """
    try:
        if os.path.ismount(path):
            raise OSError(errno.EBUSY, "it is a mount point", path)
        _open_up(path, None)
        top = os.open(path, _FOLDER)
    except FileNotFoundError:
        return
    try:
        _empty(top)
    finally:
        os.close(top)
    os.rmdir(path)


def _empty(top: int) -> None:
    """Empty the folders right below ``top`` until there is none; those within become such themselves."""
    prefix, moved = os.urandom(6).hex(), 0
    while folders := [name for name in os.listdir(top) if not _unlinked(top, name)]:
        for folder in folders:
            _open_up(folder, top)
            fd = os.open(folder, _FOLDER, dir_fd=top)
            try:
                for name in os.listdir(fd):
                    if not _unlinked(fd, name):
                        moved += 1
                        _open_up(name, fd)
                        reach("sweep.move.before")
                        os.rename(name, f"{prefix}-{moved}", src_dir_fd=fd, dst_dir_fd=top)
                        reach("sweep.move.after")
            finally:
                os.close(fd)
            os.rmdir(folder, dir_fd=top)


def _unlinked(parent: int, name: str) -> bool:
    """Remove what is no folder; False for a folder."""
    if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        return False
    os.unlink(name, dir_fd=parent)
    return True


def _open_up(name: str, parent: int | None) -> None:
    """Let its owner into a folder that a tool has closed; never through a link."""
    fd = os.open(name, _ANY_FOLDER, dir_fd=parent)
    try:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(f"/proc/self/fd/{fd}", mode | stat.S_IRWXU)
    finally:
        os.close(fd)
