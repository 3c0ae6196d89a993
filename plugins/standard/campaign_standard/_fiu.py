"""libfiu, which stands between a program and its C library: how tools are started with it, and told what fails.

The protocol of its named pipes is that of fiu-ctrl(1): a command goes into ``PREFIX-PID.in``, its result comes out of
``PREFIX-PID.out``, 0 or -1.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Iterator
from contextlib import suppress

from campaign.plugins.api import Process, UnableError, boot_id, running
from campaign_standard._inside import OWN

#: By the call as a spec names it: libfiu's points of failure.
POINTS = {
    "open": ("posix/io/oc/open", "posix/stdio/oc/fopen"),
    "close": ("posix/io/oc/close",),
    "read": ("posix/io/rw/read", "posix/io/rw/pread", "posix/io/rw/readv", "posix/io/rw/preadv"),
    "write": ("posix/io/rw/write", "posix/io/rw/pwrite", "posix/io/rw/writev", "posix/io/rw/pwritev"),
    "fsync": ("posix/io/sync/fsync", "posix/io/sync/fdatasync"),
    "truncate": ("posix/io/rw/truncate", "posix/io/rw/ftruncate"),
    "rename": ("posix/io/dir/rename",),
    "unlink": ("posix/io/dir/unlink",),
    "readdir": ("posix/io/dir/opendir", "posix/io/dir/readdir"),
    "mmap": ("posix/mm/mmap",),
    "malloc": ("libc/mm/malloc", "libc/mm/calloc", "libc/mm/realloc"),
}
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES", "EMFILE", "ENFILE", "ENOMEM", "EINTR", "EAGAIN", "ENOENT")

_FOLDERS = ("/usr/lib/fiu", "/usr/lib64/fiu", "/usr/local/lib/fiu")
_LIBRARIES = ("fiu_run_preload.so", "fiu_posix_preload.so")
_PIPES = f"{OWN}fiu"
_PATIENCE_S = 10.0
_COMES_UP_S = 2.0
#: Between two looks at a pipe that libfiu makes and reads when it comes round to it.
_LOOK_AGAIN_S = 0.01


def libraries() -> str | None:
    """What is to be preloaded, None where it is not installed."""
    for folder in _FOLDERS:
        paths = [f"{folder}/{name}" for name in _LIBRARIES]
        if all(os.access(path, os.R_OK) for path in paths):
            return " ".join(paths)
    return None


def environment(workdir: str, commands: tuple[str, ...] = ()) -> dict[str, str]:
    """What a tool is started with so that it obeys; ``commands`` hold from its first instruction."""
    env = {"LD_PRELOAD": libraries() or "", "FIU_CTRL_FIFO": f"{workdir}/{_PIPES}"}
    return {**env, "FIU_ENABLE": "\n".join(commands)} if commands else env


def enabling(calls: tuple[str, ...], error: str, probability: float) -> tuple[str, ...]:
    """The commands that have these calls fail."""
    rest = f"failinfo={getattr(errno, error)}"
    if probability >= 1:
        return tuple(f"enable name={point},{rest}" for call in calls for point in POINTS[call])
    return tuple(
        f"enable_random name={point},probability={probability:.9f},{rest}" for call in calls for point in POINTS[call]
    )


def disabling(calls: tuple[str, ...]) -> tuple[str, ...]:
    """The commands that have them work again."""
    return tuple(f"disable name={point}" for call in calls for point in POINTS[call])


def obeys(workdir: str, process: Process) -> bool:
    """Whether a process was started with libfiu; one that was gets a moment to come up."""
    end, pipe = time.monotonic() + _COMES_UP_S, f"{workdir}/{_PIPES}-{process.pid}.in"
    while not os.path.exists(pipe):
        if time.monotonic() > end or not _is_preloaded(process.pid):
            return False
        time.sleep(_LOOK_AGAIN_S)
    return True


def _is_preloaded(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return any(each.startswith(b"FIU_CTRL_FIFO=") for each in file.read().split(b"\0"))
    except OSError:
        return False


def tell(workdir: str, process: Process, commands: tuple[str, ...]) -> None:
    """Have a process carry out commands; one that has ended is passed over.  Raises UnableError."""
    for command in commands:
        answer = _ask(f"{workdir}/{_PIPES}-{process.pid}", process, command)
        disabled = command.startswith("disable ")  # refused where it is disabled already: that is as it should be
        if answer not in {"0", None} and not disabled:
            raise UnableError(f"libfiu in process {process.pid} refused to {command.partition(',')[0]}")


def _ask(pipes: str, process: Process, command: str) -> str | None:
    """One command, and what came of it; None where the process has ended."""
    end = time.monotonic() + _PATIENCE_S
    try:
        out = os.open(f"{pipes}.out", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not _sent(f"{pipes}.in", process, command, end):
            return None
        for answer in _answers(out):
            if answer or not running(process, boot_id()):
                return answer or None
            if time.monotonic() > end:
                break
    finally:
        os.close(out)
    raise UnableError(f"libfiu in process {process.pid} does not answer: is it stopped?")


def _sent(pipe: str, process: Process, command: str, end: float) -> bool:
    """Whether the command went in; False where the process has ended."""
    while running(process, boot_id()) and time.monotonic() < end:
        with suppress(FileNotFoundError, OSError):
            fd = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(fd, f"{command}\n".encode())
            finally:
                os.close(fd)
            return True
        time.sleep(_LOOK_AGAIN_S)  # nobody reads it yet
    return running(process, boot_id())


def _answers(out: int) -> Iterator[str]:
    """What has come out so far, again and again."""
    said = b""
    while True:
        select.select([out], [], [], _LOOK_AGAIN_S)
        with suppress(BlockingIOError):
            said += os.read(out, 64)
        yield said.decode("ascii", "replace").strip() if said.endswith(b"\n") else ""
        time.sleep(_LOOK_AGAIN_S)


def sweep(workdir: str) -> None:
    """Remove the pipes that killed processes left."""
    with suppress(FileNotFoundError), os.scandir(workdir) as entries:
        for each in entries:
            if each.name.startswith(f"{_PIPES}-"):
                with suppress(FileNotFoundError):
                    os.unlink(each.path)
