"""The program that is killed: writes transactions until its time is up, and acknowledges each one after its commit."""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from campaign_sqlite.ledger import Acknowledgements
from campaign_sqlite.operations import ACKNOWLEDGE, CLOSE, CREATE, NAME, Record, nothing
from campaign_sqlite.transactions import add_options, connect, create, transact

if TYPE_CHECKING:
    from campaign.plugins.traces import TraceWriter

_PROGRESS_S = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one writer; 0 when its time is up, 1 where SQLite refused something, which stderr names."""
    options = _parser().parse_args(arguments)
    try:
        return _replay(options) if options.replay else _write(options)
    except (sqlite3.Error, OSError) as error:
        print(f"sqlite writer: {error}", file=sys.stderr)
        return 1


def _replay(options: argparse.Namespace) -> int:
    from campaign.plugins.traces import TraceError  # late: a writer that traces nothing needs nothing of it
    from campaign_sqlite.replaying import replay

    try:
        return replay(options)
    except TraceError as error:
        print(f"sqlite writer: {error}", file=sys.stderr)
        return 1


def _write(options: argparse.Namespace) -> int:
    if options.trace is None:
        create(options)
        return _write_in_processes(options, None)
    from campaign.plugins.traces import TraceWriter  # late, as above

    trace = TraceWriter(options.trace, NAME, options.trace_bytes)
    try:
        trace.add(CREATE, 0, 0)
        create(options)
        return _write_in_processes(options, trace)
    finally:
        trace.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="campaign_sqlite.writer", description=__doc__)
    add_options(parser)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--duration-s", type=float, default=10.0)
    parser.add_argument("--trace", help="where every operation is recorded")
    parser.add_argument("--trace-bytes", type=int, default=64 << 20, help="what the trace may hold")
    parser.add_argument("--replay", help="a trace to carry out instead; it says for how long and by how many threads")
    return parser


def _write_in_processes(options: argparse.Namespace, trace: TraceWriter | None) -> int:
    """Fork before there is any thread or connection: neither outlives a fork."""
    if options.processes == 1:
        return _write_in_threads(options, 0, trace)
    sys.stdout.flush()
    children = [_fork(options, process, trace) for process in range(options.processes)]
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return int(any(statuses))


def _fork(options: argparse.Namespace, process: int, trace: TraceWriter | None) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        status = _write_in_threads(options, process, trace)
        sys.stdout.flush()
    finally:
        os._exit(status)


def _write_in_threads(options: argparse.Namespace, process: int, trace: TraceWriter | None) -> int:
    """Write until the time is up, saying how far it is so that a killed writer has said something too."""
    first = process * options.threads
    writers = [_Writer(options, first + thread, trace) for thread in range(options.threads)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        writers[0].join(_PROGRESS_S)
        print(f"commits {sum(writer.commits for writer in writers)}", flush=True)
    failures = [writer.failure for writer in writers if writer.failure]
    for failure in failures:
        print(f"sqlite writer: {failure}", file=sys.stderr)
    return 1 if failures else 0


class _Writer(threading.Thread):
    """One thread with a connection, a generator and a range of transaction numbers of its own."""

    def __init__(self, options: argparse.Namespace, index: int, trace: TraceWriter | None) -> None:
        super().__init__(daemon=True)
        self.commits = 0
        self.failure: Exception | None = None
        self._options = options
        self._index = index
        self._trace = trace
        self._stride = options.threads * options.processes
        self._random = random.Random(f"{options.seed}/{index}")
        self._until_s = time.monotonic() + options.duration_s

    def run(self) -> None:
        """Write until the time is up or SQLite refuses."""
        try:
            self._write()
        except (sqlite3.Error, OSError) as error:
            self.failure = error

    def _write(self) -> None:
        """A connection is closed come what may: what it has begun must not lock the others out."""
        with closing(connect(self._options)) as connection:
            acknowledged = Acknowledgements(self._options.database)
            try:
                while time.monotonic() < self._until_s:
                    txn = 1 + self._index + self.commits * self._stride
                    record = self._recorder(txn)
                    transact(connection, txn, self._options, self._random, record)
                    record(ACKNOWLEDGE, b"")
                    acknowledged.add(txn)
                    self.commits += 1
            finally:
                self._recorder(0)(CLOSE, b"")

    def _recorder(self, txn: int) -> Record:
        trace, index = self._trace, self._index
        return nothing if trace is None else lambda kind, data: trace.add(kind, index, txn, data)


if __name__ == "__main__":
    sys.exit(main())
