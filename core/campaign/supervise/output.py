"""The output of tools: read as fast as they write, head and tail kept, the middle counted.

A tool is never blocked and never killed for its output.  ``output.log`` holds the first ``HEAD_BYTES`` as they come; of
the rest the last ``TAIL_BYTES`` stay in memory and are written when the attempt ends, after a line that says how much
was left out between them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from typing import Protocol

from campaign.records import OutputRecord
from campaign.supervise.folders import create_file, write_all
from campaign.supervise.loop import Loop

HEAD_BYTES = 1 << 20
TAIL_BYTES = 1 << 20
#: Read at once; also the most that patterns look at in one go.
CHUNK_BYTES = 1 << 16
_FLOOD_PIPE_BYTES = 1 << 20
#: What served tools write between two runs: so much of it, the last, goes to the later one.
_BETWEEN_BYTES = 1 << 16
_ROUNDS = 32  # chunks of one pipe before others get their turn

Data = bytes | memoryview


class Sink(Protocol):
    """Takes the output of one stream."""

    def write(self, data: memoryview) -> None:
        """Take a chunk; it is valid only during the call."""

    def end(self) -> None:
        """The stream is over."""


class Tail:
    """The last ``size`` bytes of what was written, in memory that is taken only when it is needed."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ring = bytearray()
        self.total = 0

    def write(self, data: Data) -> None:
        """Add bytes; the oldest ones fall out."""
        if not self._ring:
            self._ring = bytearray(self._size)
        kept = data[-self._size :]
        start = (self.total + len(data) - len(kept)) % self._size
        fits = min(len(kept), self._size - start)
        self._ring[start : start + fits] = kept[:fits]
        self._ring[: len(kept) - fits] = kept[fits:]
        self.total += len(data)

    def parts(self) -> tuple[memoryview, memoryview]:
        """What is kept, in order, in two pieces."""
        view = memoryview(self._ring)
        if self.total <= self._size:
            return view[: self.total], view[:0]
        turn = self.total % self._size
        return view[turn:], view[:turn]


class Log:
    """One output file, made when there is something to write.

    ``error`` says why it could not be written; the output is still read and counted then.
    """

    def __init__(self, folder: Callable[[], int], name: str, path: str) -> None:
        self._folder, self._name, self._path = folder, name, path
        self._fd = -1
        self._head = 0
        self._tail = Tail(TAIL_BYTES)
        self._finished = False
        self.total = 0
        self.error: str | None = None

    def write(self, data: Data) -> None:
        """Keep what belongs to the head or the tail."""
        self.total += len(data)
        if self._head < HEAD_BYTES:
            room = HEAD_BYTES - self._head
            self._head += len(data[:room])
            self._append(data[:room])
            data = data[room:]
        if data:
            self._tail.write(data)

    @property
    def dropped(self) -> int:
        """Bytes left out between head and tail; until the tail is written, all that is behind the head."""
        return max(0, self._tail.total - TAIL_BYTES) if self._finished else self._tail.total

    def dropped_within(self, start: int, end: int) -> int:
        """How many of the bytes from ``start`` to ``end`` of everything written were left out."""
        return max(0, min(end, self._head + self.dropped) - max(start, self._head))

    def finish(self) -> None:
        """Write the tail and close the file; harmless when repeated."""
        if self._finished:
            return
        self._finished = True
        if self.dropped:
            self._append(f"\n[campaign left out {self.dropped} bytes here]\n".encode())
        for part in self._tail.parts():
            self._append(part)
        if self._fd >= 0:
            os.close(self._fd)

    def record(self) -> OutputRecord:
        """What was kept of it."""
        return OutputRecord(self._path, self.total, self.dropped) if self.total else OutputRecord()

    def _append(self, data: Data) -> None:
        if self.error is not None or not data:
            return
        try:
            if self._fd < 0:
                self._fd = create_file(self._folder(), self._name)
            write_all(self._fd, data)
        except OSError as error:
            self.error = f"{self._path} could not be written: {error.strerror}"


class Stream:
    """A pipe that a tool writes its stdout and stderr to, and our reading end of it.

    It is watched until its last writer has closed it or ``close`` is called, so that a grandchild that outlives its
    tool is neither blocked nor killed by a broken pipe while the attempt lasts.  ``sink`` may be replaced at any time.
    """

    def __init__(self, loop: Loop, buffer: bytearray, sink: Sink) -> None:
        self._loop, self._buffer, self.sink = loop, memoryview(buffer), sink
        self._read = self._write = -1
        self._large = False
        self.on_end: Callable[[], None] | None = None

    @property
    def ended(self) -> bool:
        """Whether every writer has closed it."""
        return self._read < 0

    def open(self) -> int:
        """Make the pipe; returns the end to write to, which stays ours until ``started``.  Raises OSError."""
        self._read, self._write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read, False)
        self._loop.watch(self._read, self._readable)
        return self._write

    def started(self) -> None:
        """The tool has the writing end now: let go of ours."""
        os.close(self._write)
        self._write = -1

    def drain(self) -> None:
        """Read what is there now."""
        while self._pump():
            pass

    def close(self) -> None:
        """Read no further; harmless when repeated."""
        if self._write >= 0:
            self.started()
        if self._read >= 0:
            self._loop.forget(self._read)
            os.close(self._read)
            self._read = -1
            self.sink.end()
            if self.on_end is not None:
                self.on_end()

    def _readable(self) -> None:
        for _ in range(_ROUNDS):
            if not self._pump():
                return

    def _pump(self) -> bool:
        """Read one chunk; False where nothing more is there for now."""
        if self._read < 0:
            return False
        try:
            count = os.readv(self._read, [self._buffer])
        except BlockingIOError:
            return False
        if count == 0:
            self.close()
            return False
        self.sink.write(self._buffer[:count])
        if count == len(self._buffer) and not self._large:
            self._enlarge()
        return True

    def _enlarge(self) -> None:
        """A tool that writes much gets a larger pipe, where the system has one to give."""
        self._large = True
        try:
            fcntl.fcntl(self._read, fcntl.F_SETPIPE_SZ, _FLOOD_PIPE_BYTES)
        except OSError:
            return


class Between:
    """Takes what a served tool writes while no run is there to have it."""

    def __init__(self) -> None:
        self._tail = Tail(_BETWEEN_BYTES)

    def write(self, data: memoryview) -> None:
        """Keep the last of it."""
        self._tail.write(data)

    def end(self) -> None:
        """What is kept stays."""

    def pour(self, write: Callable[[memoryview], None]) -> None:
        """Give what was kept away."""
        for part in self._tail.parts():
            if part:
                write(part)
