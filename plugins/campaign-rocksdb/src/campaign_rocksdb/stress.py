"""The program that is killed: puts and deletes until its time is up, and notes what it asked and what was acknowledged.

Each thread has keys and numbers of its own, so that the order of what was done to a key is the order of the file.  The
binding holds Python's lock during a put: the threads take turns, beside them RocksDB flushes and compacts in threads of
its own.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from rocksdict import Rdict

from campaign.plugins.traces import TraceWriter
from campaign_rocksdb.database import add_options, open_database, pairs
from campaign_rocksdb.history import LEAST_BYTES, History, Recorder, key_bytes, read_history, value_bytes
from campaign_rocksdb.judging import collect, wrong_with
from campaign_rocksdb.operations import ARGUMENTS, FLUSHES, OPERATIONS, REOPENS, Kind

_PROGRESS_S = 0.05
#: How long a thread may keep Python's lock: a short time lets the threads interleave often.
_TURN_S = 0.0001


class BrokenError(Exception):
    """What was found when the database was opened is not what must be there."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one writer; 0 when its time is up, 1 where RocksDB refused or lost something, which stderr names."""
    options = _parser().parse_args(arguments)
    sys.setswitchinterval(_TURN_S)
    try:
        _Stress(options).run()
    except Exception as error:  # the binding raises nothing narrower
        print(f"rocksdb stress: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="campaign_rocksdb.stress", description=__doc__)
    add_options(parser)
    parser.add_argument("--keys", type=int, default=2000)
    parser.add_argument("--value-bytes", type=int, default=512)
    parser.add_argument("--deletes", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--flush-every-s", type=float, default=0.0)
    parser.add_argument("--reopens", type=int, default=0)
    parser.add_argument("--duration-s", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trace", help="where to write down every operation")
    parser.add_argument("--trace-bytes", type=int, default=64 << 20)
    return parser


def begin_session(options: argparse.Namespace, recorder: Recorder) -> tuple[Rdict, History]:
    """Open the database, compare what is there with what must be, and note what was found.

    Raises BrokenError where something is lost, Exception where RocksDB refuses.
    """
    recorder.opening()
    database = open_database(options)
    history = read_history(options.database)
    found = collect(pairs(database))
    if wrong := wrong_with(history, found):
        raise BrokenError(wrong)
    known = {key: found.numbers.get(key, 0) for key in history.later}
    recorder.open(history.sessions + 1, options.wal == "true", known)
    return database, history


def carry_out(database: Rdict, recorder: Recorder, key: int, number: int, size: int | None) -> None:
    """Put ``size`` bytes, or delete where there is no size, between its two lines in the expected values."""
    if size is None:
        recorder.delete(key, number)
        database.delete(key_bytes(key))
    else:
        recorder.put(key, number, size)
        database.put(key_bytes(key), value_bytes(key, number, size))
    recorder.acknowledge(key, number)


class _Stress:
    """One run: as many sessions as it opens the database."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._recorder = Recorder(options.database)
        self._trace = TraceWriter(options.trace, OPERATIONS, options.trace_bytes) if options.trace else None
        self._done = 0
        self._flushes = 0

    def run(self) -> None:
        """Write; closes and opens the database again, evenly over the time."""
        try:
            self._sessions()
        finally:
            if self._trace:
                self._trace.close()

    def _sessions(self) -> None:
        sessions = self._options.reopens + 1
        for session in range(sessions):
            if session and self._trace:
                self._trace.add(Kind.REOPEN, 0, REOPENS + session)
            self._session(self._options.duration_s / sessions)
            print(f"sessions {session + 1}", flush=True)

    def _session(self, duration_s: float) -> None:
        database, history = begin_session(self._options, self._recorder)
        threads = min(self._options.threads, self._options.keys)
        first, until_s = history.last_number + 1, time.monotonic() + duration_s
        shares = [_Share(range(index, self._options.keys, threads), first + index, until_s) for index in range(threads)]
        writers = [_Writer(self._options, _Target(database, self._recorder, self._trace), share) for share in shares]
        self._write(writers, database)
        self._recorder.begin("close", history.sessions + 1)
        database.close()
        self._recorder.end("close", history.sessions + 1)

    def _write(self, writers: list[_Writer], database: Rdict) -> None:
        """Have them write, saying how far they are, so that a killed writer has said something too."""
        for writer in writers:
            writer.start()
        every_s = self._options.flush_every_s
        flush_s = time.monotonic() + every_s
        while busy := [writer for writer in writers if writer.is_alive()]:
            busy[0].join(min(_PROGRESS_S, every_s or _PROGRESS_S))
            if every_s and time.monotonic() >= flush_s:
                self._flush(database)
                flush_s += every_s
            self._say(writers)
        self._say(writers)
        self._done += sum(writer.done for writer in writers)
        for writer in writers:
            if writer.failure:
                raise writer.failure

    def _say(self, writers: list[_Writer]) -> None:
        print(f"operations {self._done + sum(writer.done for writer in writers)}", flush=True)

    def _flush(self, database: Rdict) -> None:
        self._flushes += 1
        if self._trace:
            self._trace.add(Kind.FLUSH, 0, FLUSHES + self._flushes)
        self._recorder.begin("flush", self._flushes)
        database.flush()
        self._recorder.end("flush", self._flushes)
        print(f"flushes {self._flushes}", flush=True)


class _Share(NamedTuple):
    """What one thread does: its keys, its first number (then every ``keys.step``-th), until when."""

    keys: range
    first: int
    until_s: float


class _Target(NamedTuple):
    """What all threads write to."""

    database: Rdict
    recorder: Recorder
    trace: TraceWriter | None


class _Writer(threading.Thread):
    """One thread with a generator of its own."""

    def __init__(self, options: argparse.Namespace, target: _Target, share: _Share) -> None:
        super().__init__(daemon=True)
        self.done = 0
        self.failure: Exception | None = None
        self._target, self._share = target, share
        self._deletes, self._value_bytes = options.deletes, max(LEAST_BYTES, options.value_bytes)
        self._random = random.Random(f"{options.seed}/{share.first}")

    def run(self) -> None:
        """Write until the time is up or RocksDB refuses, once in any case."""
        try:
            while not self.done or time.monotonic() < self._share.until_s:
                self._one(self._share.first + self.done * self._share.keys.step)
                self.done += 1
        except Exception as error:  # the binding raises nothing narrower; the main thread raises it again
            self.failure = error

    def _one(self, number: int) -> None:
        key = self._random.choice(self._share.keys)
        delete = self._random.random() < self._deletes
        size = None if delete else self._random.randint(LEAST_BYTES, self._value_bytes)
        if self._target.trace:
            kind, worker = (Kind.DELETE if delete else Kind.PUT), self._share.keys.start
            self._target.trace.add(kind, worker, number, ARGUMENTS.pack(key, size or 0))
        carry_out(self._target.database, self._target.recorder, key, number, size)


if __name__ == "__main__":
    sys.exit(main())
