"""The expected values: what was asked of the database and what it acknowledged, in a file outside it.

One line each, appended by one ``write`` to a file opened with ``O_APPEND``: what was written is in the kernel, so it
outlives ``kill -9`` at any moment.  (It would not outlive a power loss; neither would this test.)

    opening               the database is about to be opened
    open 1 log            it is, and a session begins, with the write-ahead log (or ``nolog``)
    put 17 812 100        operation 812, begun: key 17 gets a value of 100 bytes, which follow from 17 and 812
    delete 17 813         operation 813, begun
    ack 17 812            operation 812 was acknowledged
    flush 3, flushed 3    a flush was asked for, and has returned
    close 1, closed 1     the same of a close
    known 17 812          found at the next ``open``: key 17 holds the value of 812 (0: nothing)

A line that is not whole, because its writer was killed in the middle of it, does not count.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: The least size of a value: it begins with its key and the number of its operation.
LEAST_BYTES = 32


class Operation(NamedTuple):
    """A put of ``size`` bytes, or a delete (None); ``begun`` and ``acknowledged`` are lines of the file."""

    number: int
    size: int | None
    begun: int
    acknowledged: int | None = None

    def __str__(self) -> str:
        return f"{'delete' if self.size is None else 'put'} {self.number}"


#: What a key holds before anything was written to it.
NOTHING = Operation(0, None, 0, 0)


def history_file(database: Path) -> Path:
    """The file with the expected values of ``database``: beside it, never in it."""
    return database.with_name(database.name + ".expected")


def key_bytes(key: int) -> bytes:
    """How a key is written in the database."""
    return b"key%08d" % key


def value_bytes(key: int, number: int, size: int) -> bytes:
    """The value that operation ``number`` gives to ``key``: nothing else ever writes the same bytes."""
    head = b"%d %d " % (key, number)
    return (head + hashlib.shake_128(head).digest(max(0, size - len(head))))[:size]


def read_value(key: int, value: bytes) -> int | None:
    """The operation that wrote ``value`` to ``key``; None where none ever did."""
    owner, number, _ = (*value[:LEAST_BYTES].split(b" ", 2), b"", b"")[:3]
    if not (owner.isdigit() and number.isdigit() and int(owner) == key):
        return None
    return int(number) if value == value_bytes(key, int(number), len(value)) else None


class Recorder:
    """Appends to the file; safe to use from several threads at a time."""

    def __init__(self, database: Path) -> None:
        self._file = os.open(history_file(database), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        end = os.lseek(self._file, 0, os.SEEK_END)
        if end and os.pread(self._file, 1, end - 1) != b"\n":
            os.write(self._file, b"#\n")  # makes a line that a killed writer did not finish unreadable for good

    def put(self, key: int, number: int, size: int) -> None:
        """A put begins."""
        os.write(self._file, b"put %d %d %d\n" % (key, number, size))

    def delete(self, key: int, number: int) -> None:
        """A delete begins."""
        os.write(self._file, b"delete %d %d\n" % (key, number))

    def acknowledge(self, key: int, number: int) -> None:
        """The call returned."""
        os.write(self._file, b"ack %d %d\n" % (key, number))

    def begin(self, what: str, number: int) -> None:
        """``flush`` or ``close`` is about to be called."""
        os.write(self._file, f"{what} {number}\n".encode())

    def end(self, what: str, number: int) -> None:
        """It has returned."""
        os.write(self._file, f"{_ENDS[what]} {number}\n".encode())

    def opening(self) -> None:
        """The database is about to be opened: what was closed is so no more."""
        os.write(self._file, b"opening\n")

    def open(self, session: int, log: bool, known: dict[int, int]) -> None:
        """A session begins on a database in which ``known`` was found; counts as a whole or not at all."""
        lines = [f"known {key} {number}" for key, number in known.items()]
        os.write(self._file, "\n".join([*lines, f"open {session} {'log' if log else 'nolog'}\n"]).encode())

    def close(self) -> None:
        """Close the file; everything is in it already."""
        os.close(self._file)


_ENDS = {"flush": "flushed", "close": "closed"}


class History:
    """What each key must hold, and what it may hold instead.

    ``settled`` is the last promised operation of each key; ``later`` are the ones begun after it, oldest first, each of
    which may be there instead: those in flight when the writer was killed and, without a log, those not yet flushed.
    Whoever asks for ``everything`` is promised each acknowledged operation, with a log or without.
    """

    def __init__(self, everything: bool = False) -> None:
        self.settled: dict[int, Operation] = {}
        self.later: dict[int, list[Operation]] = {}
        self.sessions = 0
        self.acknowledged = 0
        self.last_number = 0
        self.log = True
        self.closed = False
        self.everything = everything
        self._begun: dict[tuple[str, int], int] = {}
        self._known: dict[int, int] = {}

    def candidates(self, key: int) -> list[Operation]:
        """What ``key`` may hold, the promised operation first."""
        return [self.settled.get(key, NOTHING), *self.later.get(key, ())]

    def asked(self) -> set[int]:
        """Every key that something was ever asked for."""
        return self.settled.keys() | self.later.keys()

    def promised(self) -> int:
        """How many keys have a value that must be there."""
        return sum(operation.size is not None for operation in self.settled.values())

    def read(self, lines: Iterator[bytes]) -> None:
        """Follow a file from its beginning."""
        for line, text in enumerate(lines, 1):
            if text.endswith(b"\n"):
                self._follow(line, text.split())

    def _follow(self, line: int, words: list[bytes]) -> None:
        match words:
            case [b"put", key, number, size] if _whole(key, number, size):
                self._begin(int(key), Operation(int(number), int(size), line))
            case [b"delete", key, number] if _whole(key, number):
                self._begin(int(key), Operation(int(number), None, line))
            case [b"ack", key, number] if _whole(key, number):
                self._acknowledge(int(key), int(number), line)
            case [b"flush" | b"close" as what, number] if _whole(number):
                self._begun[what.decode(), int(number)] = line
            case [b"flushed" | b"closed" as what, number] if _whole(number):
                self._end("flush" if what == b"flushed" else "close", int(number))
            case [b"known", key, number] if _whole(key, number):
                self._known[int(key)] = int(number)
            case [b"opening"]:
                self.closed = False
            case [b"open", number, b"log" | b"nolog" as log] if _whole(number):
                self._open(int(number), log == b"log", line)

    def _begin(self, key: int, operation: Operation) -> None:
        self.closed = False
        self.last_number = max(self.last_number, operation.number)
        self.later.setdefault(key, []).append(operation)

    def _acknowledge(self, key: int, number: int, line: int) -> None:
        later = self.later.get(key)
        if not later or later[-1].number != number:  # a thread asks one thing at a time, and shares its keys with none
            return
        self.acknowledged += 1
        later[-1] = later[-1]._replace(acknowledged=line)
        if self.log or self.everything:
            self.settled[key] = later[-1]
            del self.later[key]

    def _end(self, what: str, number: int) -> None:
        """What was acknowledged before the flush was asked for is on disk."""
        asked = self._begun.pop((what, number), 0)
        self.closed = what == "close"
        for key, later in list(self.later.items()):
            done = [at for at, each in enumerate(later) if each.acknowledged is not None and each.acknowledged < asked]
            if done:
                self.settled[key] = later[done[-1]]
                self.later[key] = later[done[-1] + 1 :]

    def _open(self, session: int, log: bool, line: int) -> None:
        """What was found is what is there from now on; what was lost stays lost for whoever asks for everything."""
        for key, number in self._known.items():
            for found in self.candidates(key):
                if number == (0 if found.size is None else found.number):
                    self.settled[key] = found._replace(begun=line, acknowledged=line)
            self.later.pop(key, None)
        self._known.clear()
        self._begun.clear()
        self.sessions, self.log, self.closed = session, log, False


def _whole(*numbers: bytes) -> bool:
    return all(number.isdigit() for number in numbers)


def read_history(database: Path, everything: bool = False) -> History:
    """The expected values of ``database``; nothing is expected where there is no file."""
    history = History(everything)
    path = history_file(database)
    if path.exists():
        with path.open("rb") as lines:
            history.read(iter(lines))
    return history
