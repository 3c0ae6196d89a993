"""The trace of a tool: every operation in the order in which it was carried out, in one file that a crash leaves whole.

A program that traces may import this beside what its plugin imports of ``api``; it needs nothing but the standard
library.  ``docs/reference/traces.md`` fixes the format::

    header   32 bytes: ``CAMPTRC1``, the state ``o`` (open), ``c`` (closed), ``t`` (truncated) or ``e`` (ended by
             itself), the tool's own name of its operations with their version (``sqlite.writer/1``), zeros
    record   length of the body (u16), body: kind (u8), worker (u16), unit (u32), data; CRC-32 of all that (u32);
             little-endian

A record is one ``write`` to a file opened with ``O_APPEND``, before the operation is carried out: what was written is
in the kernel and outlives ``kill -9`` at any moment, and the order of the records is that of all threads and processes.
Whatever follows the last record whose length and checksum fit is cut: a write that a crash has torn, or damage.

A *unit* is what minimizing leaves out or keeps: a transaction, a put.  Unit 0 is always kept: what is done once.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, NamedTuple
from zlib import crc32

MAGIC = b"CAMPTRC1"
OPEN, CLOSED, TRUNCATED, ENDED = b"o", b"c", b"t", b"e"
#: Where the state stands in the header.
STATE_AT = len(MAGIC)
HEADER_BYTES = 32
#: What one operation may hold beside its kind, worker and unit; of a larger value, record how it is made.
MOST_DATA_BYTES = 0xFFFF - 7
#: More units than that are refused: nobody minimizes them, and they would fill the memory.
MOST_UNITS = 1_000_000

_HEADER = struct.Struct("<8s1s23s")
_START = struct.Struct("<HBHI")  # length, kind, worker, unit
_LENGTH = struct.Struct("<H")
_CHECK = struct.Struct("<I")
_FIXED_BYTES = _START.size - _LENGTH.size
_CHUNK_BYTES = 1 << 18
#: How many bytes a process writes before it looks again whether all of them together have reached the cap.
_UNLOOKED_BYTES = 1 << 14
_STATES = (OPEN, CLOSED, TRUNCATED, ENDED)


class TraceError(Exception):
    """A file that is no trace, or not of this kind; the text is a sentence for the user."""


class Operation(NamedTuple):
    """One operation: its kind (0 to 255), who did it (0 to 65,535), its unit (0 to 2^32-1) and what it was."""

    kind: int
    worker: int
    unit: int
    data: bytes = b""


class Header(NamedTuple):
    """What a trace says of itself: the name of its operations, and how it ended."""

    operations: str
    state: bytes

    @property
    def died(self) -> bool:
        """Whether its tool was killed before it came to an end; one that ended by itself, say by a bug, was not."""
        return self.state == OPEN


class TraceWriter:
    """Writes a trace; from many threads, and from processes that were forked after it was made.

    A trace never fails its tool: where the file cannot be written, or holds ``most_bytes``, recording stops for good
    and the header says so.
    """

    def __init__(self, path: str, operations: str, most_bytes: int) -> None:
        """Make the file; raises OSError, also where it is there already, and ValueError for too long a name."""
        name = operations.encode("ascii")
        if not 0 < len(name) <= 23:
            raise ValueError(f"{operations!r} is no name of at most 23 letters")
        self._most_bytes = most_bytes
        self._unlooked_bytes = min(_UNLOOKED_BYTES, most_bytes // 64)
        self._written = 0  # since the size of the file was looked at
        self._stopped = mmap.mmap(-1, 1)  # shared with the processes that are forked
        flags = os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._records = os.open(path, flags | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o666)
        self._header = os.open(path, flags | os.O_RDWR)  # the kernel appends whatever O_APPEND is told to write
        os.write(self._records, _HEADER.pack(MAGIC, OPEN, name))

    def add(self, kind: int, worker: int, unit: int, data: bytes = b"") -> None:
        """Record an operation that is about to be carried out."""
        if self._stopped[0]:
            return  # for good: whatever its size, an operation would follow one that was left out
        record = framed(kind, worker, unit, data)
        try:
            if self._has_room(len(record)) and os.write(self._records, record) == len(record):
                return
        except OSError:
            pass  # a full disk, say: the trace ends here, the tool goes on
        self._stopped[0] = 1
        self._become(TRUNCATED)

    def _has_room(self, size_bytes: int) -> bool:
        self._written += size_bytes
        if self._written <= self._unlooked_bytes:
            return True
        self._written = size_bytes
        return os.fstat(self._records).st_size < self._most_bytes

    def close(self) -> None:
        """The tool has come to its end, by itself: all that it did is there, unless recording had to stop."""
        with suppress(OSError):
            if os.pread(self._header, 1, STATE_AT) == OPEN:
                self._become(CLOSED)

    def _become(self, state: bytes) -> None:
        with suppress(OSError):
            os.pwrite(self._header, state, STATE_AT)


def framed(kind: int, worker: int, unit: int, data: bytes = b"") -> bytes:
    """An operation as its record; raises ValueError where it holds too much."""
    if len(data) > MOST_DATA_BYTES:
        raise ValueError(f"an operation of {len(data)} bytes, at most {MOST_DATA_BYTES} can be recorded")
    start = _START.pack(_FIXED_BYTES + len(data), kind, worker, unit) + data
    return start + _CHECK.pack(crc32(start))


def header(path: str) -> Header:
    """What a trace says of itself; raises TraceError, and OSError where it cannot be read."""
    with _opened(path) as file:
        return _header(file, path)


def ended(header: bytes) -> bytes | None:
    """The state in the first 32 bytes of a file, None where they are of no trace."""
    return header[STATE_AT : STATE_AT + 1] if header.startswith(MAGIC) else None


def read(path: str, operations: str | None = None) -> Iterator[Operation]:
    """The operations of a trace in order, up to what is torn; a few hundred KiB of memory, whatever is in it.

    ``operations`` is the name that they must bear.  Raises TraceError, also for a closed trace that is damaged, and
    OSError where it cannot be read.
    """
    with _opened(path) as file:
        found = _header(file, path)
        if operations is not None and found.operations != operations:
            raise TraceError(f"{path} holds the operations of {found.operations}, not of {operations}")
        for record in _records(file, found, path):
            _, kind, worker, unit = _START.unpack_from(record)
            yield Operation(kind, worker, unit, record[_START.size : -_CHECK.size])


def units(path: str) -> list[int]:
    """The units of a trace in order of their first operation, without unit 0; raises as ``read``, and for too many."""
    found: dict[int, None] = {}
    for operation in read(path):
        found[operation.unit] = None
        if len(found) > MOST_UNITS:
            raise TraceError(f"{path} has more than {MOST_UNITS:,} operations that could be left out")
    found.pop(0, None)
    return list(found)


def keep(path: str, indexes: Iterable[int], into: str) -> None:
    """Write a trace of only these units, by their position in ``units(path)`` from 0; it ends as this one does.

    Raises as ``units``, IndexError for a unit that is not there, and OSError where ``into`` cannot be written anew.
    """
    known = units(path)
    wanted = {0, *(known[index] for index in indexes if _is_there(index, known))}
    with _opened(path) as file, open(into, "xb") as kept:
        found = _header(file, path)
        kept.write(_HEADER.pack(MAGIC, found.state, found.operations.encode("ascii")))
        kept.writelines(record for record in _records(file, found, path) if _START.unpack_from(record)[3] in wanted)


def _is_there(index: int, known: list[int]) -> bool:
    if not 0 <= index < len(known):
        raise IndexError(f"unit {index} of {len(known)}")
    return True


def _opened(path: str) -> IO[bytes]:
    """The file, if it is one: whatever else stands there is not waited for."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise TraceError(f"{path} is no file")
    return open(fd, "rb", buffering=_CHUNK_BYTES)


def _header(file: IO[bytes], path: str) -> Header:
    data = file.read(HEADER_BYTES)
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC[:-1]):
        raise TraceError(f"{path} is no trace")
    magic, state, name = _HEADER.unpack(data)
    name = name.rstrip(b"\0")
    if magic != MAGIC:
        raise TraceError(f"{path} is a trace of version {magic[-1:]!a}, this reads version 1")
    if state not in _STATES or not name.isascii() or not name.decode("ascii").isprintable():
        raise TraceError(f"the header of {path} is damaged")
    return Header(name.decode("ascii"), state)


def _records(file: IO[bytes], header: Header, path: str) -> Iterator[bytes]:
    """The records up to the first one that is torn; raises TraceError where none can be."""
    count = 0
    while length := file.read(_LENGTH.size):
        record = _record(file, length)
        if record is None and header.state == CLOSED:
            raise TraceError(f"{path} is damaged: it was closed, and only {count:,} operations can be read")
        if record is None:
            return
        count += 1
        yield record


def _record(file: IO[bytes], length: bytes) -> bytes | None:
    """The record that begins with its ``length``, None where it is not whole."""
    if len(length) < _LENGTH.size:
        return None
    wanted = _LENGTH.unpack(length)[0] + _CHECK.size
    rest = file.read(wanted)
    if len(rest) < wanted or wanted < _FIXED_BYTES + _CHECK.size:
        return None
    record = length + rest
    return record if _CHECK.unpack_from(record, len(record) - _CHECK.size)[0] == crc32(record[: -_CHECK.size]) else None


__all__ = [
    "CLOSED",
    "ENDED",
    "HEADER_BYTES",
    "MOST_DATA_BYTES",
    "OPEN",
    "STATE_AT",
    "TRUNCATED",
    "Header",
    "Operation",
    "TraceError",
    "TraceWriter",
    "ended",
    "framed",
    "header",
    "keep",
    "read",
    "units",
]
