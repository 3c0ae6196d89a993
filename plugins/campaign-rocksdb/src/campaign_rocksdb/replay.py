"""Carries out the operations of a trace, one after the other; where its tool was killed, it kills itself there."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence

from campaign.plugins.traces import TRUNCATED, Operation, TraceError, header, read
from campaign_rocksdb.database import add_options
from campaign_rocksdb.history import Recorder
from campaign_rocksdb.operations import ARGUMENTS, OPERATIONS, Kind
from campaign_rocksdb.stress import begin_session, carry_out


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay; 0 at the end of a trace, 1 where it cannot be replayed or RocksDB refused, which stderr says."""
    parser = argparse.ArgumentParser(prog="campaign_rocksdb.replay", description=__doc__)
    add_options(parser)
    parser.add_argument("trace")
    options = parser.parse_args(arguments)
    try:
        _replay(options)
    except Exception as error:  # the binding raises nothing narrower
        print(f"rocksdb replay: {error}", file=sys.stderr)
        return 1
    return 0


def _replay(options: argparse.Namespace) -> None:
    found = header(options.trace)
    if found.state == TRUNCATED:
        raise TraceError(f"{options.trace} is truncated: what came after it is not known")
    replayed = _Replayed(options)
    operations = read(options.trace, OPERATIONS)
    for operation in _but_the_last(operations) if found.died else operations:
        replayed.carry_out(operation)
    replayed.say()
    if found.died:
        os.kill(os.getpid(), signal.SIGKILL)
    replayed.close()


def _but_the_last(operations: Iterator[Operation]) -> Iterator[Operation]:
    before: Operation | None = None
    for operation in operations:
        if before is not None:
            yield before
        before = operation


class _Replayed:
    """The database, as it was opened last."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._recorder = Recorder(options.database)
        self._done = self._flushes = self._sessions = 0
        self._open()

    def carry_out(self, operation: Operation) -> None:
        """One operation; raises Exception where RocksDB refuses it, TraceError for one that is none."""
        if operation.kind in (Kind.PUT, Kind.DELETE):
            key, size = ARGUMENTS.unpack(operation.data)
            self._done += 1
            carry_out(self._database, self._recorder, key, operation.unit, size if operation.kind == Kind.PUT else None)
        elif operation.kind == Kind.FLUSH:
            self._flushes += 1
            self._recorder.begin("flush", self._flushes)
            self._database.flush()
            self._recorder.end("flush", self._flushes)
        elif operation.kind == Kind.REOPEN:
            self.close()
            self._open()
        else:
            raise TraceError(f"an operation of kind {operation.kind}, which is none of {OPERATIONS}")

    def _open(self) -> None:
        self._database, history = begin_session(self._options, self._recorder)
        self._session = history.sessions + 1

    def close(self) -> None:
        """End a session."""
        self._recorder.begin("close", self._session)
        self._database.close()
        self._recorder.end("close", self._session)
        self._sessions += 1
        print(f"sessions {self._sessions}", flush=True)

    def say(self) -> None:
        """Print what the tool prints."""
        print(f"flushes {self._flushes}\noperations {self._done}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
