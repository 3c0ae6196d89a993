"""The trace files of an attempt: their folders made, the disk they take bounded, what is left of them recorded.

A tool writes its trace itself, so nothing may stop or slow it for that.  While it runs, what is beyond the cap is given
back to the disk by punching a hole, which the tool does not notice (to cut the file would end one that has it mapped);
when its tree is gone, the file is cut.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from campaign.plugins import traces
from campaign.records import TraceExit, TraceOrder
from campaign.supervise.folders import closing_fd, open_below
from campaign.supervise.loop import Loop, Timer

FOLDER = "trace"
LOOK_S = 0.25
_KEEP_SIZE_PUNCH_HOLE = 0x01 | 0x02  # fallocate(2)
_FILE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PASSED = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK_BYTES = 512  # of st_blocks, see stat(3type)
_SLACK_BYTES = 1 << 20  # what a file may take on disk beyond its cap before it is worth a system call


class Traces:
    """``public`` is the attempt's open folder; nothing outside its ``trace/`` is ever touched, and no link followed."""

    def __init__(self, loop: Loop, public: int) -> None:
        self._loop, self._public = loop, public
        self._watched: list[TraceOrder] = []
        self._timer: Timer | None = None

    def expect(self, order: TraceOrder) -> None:
        """A tool is about to write a trace: make its folder, and look after it from now on.  Raises OSError."""
        fd = os.dup(self._public)
        for name in (FOLDER, *_steps(order)[:-1]):
            with closing_fd(fd):
                fd = open_below(fd, name)
        os.close(fd)
        self._watched.append(order)
        if self._timer is None:
            self._look()

    def finish(self, order: TraceOrder) -> TraceExit | None:
        """Cut a trace to its cap; what is left of it, None where its tool has written none."""
        with suppress(OSError), self._opened(order) as fd:
            size = os.fstat(fd).st_size
            if size > order.most_bytes:
                os.ftruncate(fd, order.most_bytes)
            cut = size > order.most_bytes
            return TraceExit(order.path, min(size, order.most_bytes), cut or _says_truncated(fd))
        return None

    def close(self) -> None:
        """Look after nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        for order in self._watched:
            with suppress(OSError), self._opened(order) as fd:
                _punch(fd, order.most_bytes)
        self._timer = self._loop.call_later(LOOK_S, self._look)

    @contextmanager
    def _opened(self, order: TraceOrder) -> Iterator[int]:
        """The file, if it is one; raises OSError."""
        *folders, name = FOLDER, *_steps(order)
        fd = os.dup(self._public)
        for each in folders:
            with closing_fd(fd):
                fd = os.open(each, _PASSED, dir_fd=fd)
        with closing_fd(fd):
            file = os.open(name, _FILE, dir_fd=fd)
        with closing_fd(file):
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, "no regular file", order.path)
            yield file


def _steps(order: TraceOrder) -> list[str]:
    """The names that lead from the folder for traces to the file."""
    folder, *names = order.path.split("/")
    if folder != FOLDER or not names or not {"", ".", ".."}.isdisjoint(names):
        raise NotADirectoryError(errno.ENOTDIR, f"no file below {FOLDER}/", order.path)
    return names


def _punch(fd: int, start: int) -> None:
    """Give back what a file takes on disk from ``start`` on; nothing where the file system cannot."""
    told = os.fstat(fd)
    if told.st_size > start and told.st_blocks * _BLOCK_BYTES > start + _SLACK_BYTES:
        length = told.st_size - start
        _FALLOCATE(fd, _KEEP_SIZE_PUNCH_HOLE, ctypes.c_int64(start), ctypes.c_int64(length))


_FALLOCATE: Callable[..., int] = ctypes.CDLL(None).fallocate


def _says_truncated(fd: int) -> bool:
    """Whether a trace of our own format says that it had to stop."""
    return traces.ended(os.pread(fd, traces.HEADER_BYTES, 0)) == traces.TRUNCATED
