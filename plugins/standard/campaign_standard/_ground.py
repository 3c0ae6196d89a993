"""Become a tool that has a small disk of its own, as an ordinary user.

    python -m campaign_standard._ground WORKDIR PATH SOURCE SIZE -- PROGRAM ARGUMENT …

The disk is memory in a mount namespace of the tool's own: nobody else sees it, and it is gone with the tool, however
that ends.  A child stays behind, waits for that end, and copies what is on the disk to where it was mounted.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import sys
from contextlib import suppress

from campaign.plugins.api import UnableError
from campaign_standard._mounts import copy_out, make_folder, mount_tmpfs

_CLONE_NEWUSER, _CLONE_NEWNS = 0x10000000, 0x00020000
_CANNOT = 126


def main() -> None:
    """Mount, leave the child behind, become the program."""
    workdir, path, source, size, _, *argv = sys.argv[1:]
    try:
        _own_namespace()
        below = make_folder(workdir, path)
        mount_tmpfs(below, source, int(size))
        _leave_copier(os.path.join(workdir, path), below)
        os.execv(argv[0], argv)  # noqa: S606 - no shell is wanted
    except (OSError, UnableError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        sys.exit(_CANNOT)


def _own_namespace() -> None:
    """In which this user may mount, and is the same user as outside.  Raises OSError."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER | _CLONE_NEWNS) != 0:
        raise OSError(number := ctypes.get_errno(), os.strerror(number))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "wb") as file:
            file.write(text.encode())


def _leave_copier(disk: str, below: int) -> None:
    tool = os.pidfd_open(os.getpid())
    pid = os.fork()
    if pid:
        os.close(tool)
        return
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    select.select([tool], [], [])
    with suppress(OSError, shutil.Error):
        copy_out(disk, f"/proc/self/fd/{below}")
    os._exit(0)


if __name__ == "__main__":
    main()
