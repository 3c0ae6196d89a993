"""What was asked of the server and what it acknowledged, in a file outside of it.

One line each, appended by one ``write`` to a file opened with ``O_APPEND``: what was written is in the kernel, so it
outlives ``kill -9`` at any moment.  (It would not outlive a power loss; neither would this test.)

    server 1 9a83e07f…       from now on 1 stands for the server process with this ``run_id``
    set 812 17 1             write 812 begins: key 17 gets a value that follows from 17 and 812, on server 1
    ack 812 1523.271004      it was acknowledged, at that second of the monotonic clock
    unknown 812              no answer came: it may be done, or still be done as long as server 1 lives
    refused 812              it was answered with an error: it was not done
    mark 5 1                 server 1 is about to be asked what of the acknowledged writes it has written to disk
    written 5                it had no append-only data left to write: all before the mark is in the kernel
    saved 5                  a snapshot that it began after the mark is complete

A line that is not whole, because its writer was killed in the middle of it, does not count.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from campaign_redis.configuration import Persistence

#: The least size of a value: it begins with its key and the number of its write.
LEAST_BYTES = 32
#: With ``everysec`` Redis acknowledges first while a sync takes long, and writes at most two seconds later, by a clock
#: that it reads ten times a second (``flushAppendOnlyFile`` in its ``aof.c``).
EVERYSEC_S = 2.5
#: What is promised to whoever expects all that was acknowledged to be there.
EVERYTHING = Persistence(appendonly=True, appendfsync="always")


class Write(NamedTuple):
    """One write; ``line`` is where it was acknowledged, 0 where it was not, ``at_s`` when."""

    number: int
    server: int
    line: int = 0
    at_s: float = 0.0


class Mark(NamedTuple):
    """That a server was asked for its disk: ``line`` is where."""

    line: int
    server: int


def key_bytes(key: int) -> bytes:
    """How a key is written in the database."""
    return b"key:%d" % key


def value_bytes(key: int, number: int, size: int) -> bytes:
    """The value that write ``number`` gives to ``key``: nothing else ever writes the same bytes."""
    head = b"%d %d " % (key, number)
    return (head + hashlib.shake_128(head).hexdigest(max(0, size - len(head)) // 2 + 1).encode())[:size]


def read_value(key: int, value: bytes) -> int | None:
    """The write that gave ``value`` to ``key``; None where none ever did."""
    owner, number, _ = (*value[:LEAST_BYTES].split(b" ", 2), b"", b"")[:3]
    if not (owner.isdigit() and number.isdigit() and int(owner) == key):
        return None
    return int(number) if value == value_bytes(key, int(number), len(value)) else None


class Recorder:
    """Appends to the file; safe to use from several threads at a time."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def add(self, *words: str | int) -> None:
        """Append a line."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())

    def close(self) -> None:
        """Close the file; everything is in it already."""
        os.close(self._file)


class History:
    """All writes, by key in the order in which they began, and what the servers said of their disks."""

    def __init__(self) -> None:
        self.writes: dict[int, list[Write]] = {}
        self.refused: set[int] = set()
        self.acknowledged = 0
        self.servers = 0
        self._keys: dict[int, int] = {}
        self._marks: dict[int, Mark] = {}
        self._written: dict[int, int] = {}
        self._saved: dict[int, int] = {}
        self._last_s: dict[int, float] = {}

    def read(self, lines: Iterable[bytes]) -> None:
        """Follow a file from its beginning."""
        for line, text in enumerate(lines, 1):
            if text.endswith(b"\n"):
                self._follow(line, text.split())

    def _follow(self, line: int, words: list[bytes]) -> None:
        match words:
            case [b"server", server, _]:
                self.servers = max(self.servers, int(server))
            case [b"set", number, key, server]:
                self._keys[int(number)] = int(key)
                self.writes.setdefault(int(key), []).append(Write(int(number), int(server)))
            case [b"ack", number, at_s]:
                self._acknowledge(int(number), line, float(at_s))
            case [b"refused", number]:
                self.refused.add(int(number))
            case [b"mark", mark, server]:
                self._marks[int(mark)] = Mark(line, int(server))
            case [b"written" | b"saved" as what, mark]:
                asked = self._marks[int(mark)]
                (self._written if what == b"written" else self._saved)[asked.server] = asked.line

    def _acknowledge(self, number: int, line: int, at_s: float) -> None:
        writes = self.writes[self._keys[number]]
        write = writes[-1]._replace(line=line, at_s=at_s)  # a thread asks one thing at a time, and shares no key
        writes[-1] = write
        self.acknowledged += 1
        self._last_s[write.server] = max(self._last_s.get(write.server, 0.0), at_s)

    def promised(self, write: Write, persistence: Persistence) -> bool:
        """Whether a write outlives the killing of its server, by what is kept on disk and when.

        The process is killed, not the machine: what it gave to the kernel stays.  With ``always`` and ``no`` Redis
        writes before it acknowledges.  With ``everysec`` it may hold back what it acknowledged in the last seconds
        before it died, which is at most that long before its last answer.  Without an append-only file all that is
        kept are snapshots, and what was acknowledged before one of them was begun.
        """
        if not write.line:
            return False
        if not persistence.appendonly:
            return write.line < self._saved.get(write.server, 0)
        if persistence.appendfsync != "everysec":
            return True
        old = write.at_s < self._last_s[write.server] - EVERYSEC_S
        return old or write.line < self._written.get(write.server, 0)


class Expected(NamedTuple):
    """What a key must hold: the newest promised write (None: nothing is), or one of those that may be there instead."""

    promised: Write | None
    instead: tuple[Write, ...]


def expected(history: History, key: int, persistence: Persistence) -> Expected:
    """What ``key`` must hold once all servers are gone.

    Whatever began after the newest promised write may be there instead.  So may an older one that was never answered,
    as long as the server that it was sent to lived: it may have been carried out late.
    """
    writes = [each for each in history.writes.get(key, ()) if each.number not in history.refused]
    newest = next((at for at in reversed(range(len(writes))) if history.promised(writes[at], persistence)), None)
    if newest is None:
        return Expected(None, tuple(writes))
    late = [each for each in writes[:newest] if not each.line and each.server >= writes[newest].server]
    return Expected(writes[newest], (*late, *writes[newest + 1 :]))


def read_history(path: Path) -> History:
    """The history in a file; raises FileNotFoundError."""
    history = History()
    with path.open("rb") as lines:
        history.read(lines)
    return history
