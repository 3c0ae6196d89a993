"""What a writer did, carried out again from its trace."""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator

from campaign.plugins.traces import TRUNCATED, Operation, TraceError, header, read
from campaign_sqlite.ledger import Acknowledgements
from campaign_sqlite.operations import ACKNOWLEDGE, BEGIN, CLOSE, COMMIT, CREATE, NAME, PUT, PUT_DATA
from campaign_sqlite.transactions import connect, create, put

_PROGRESS_S = 0.1


def replay(options: argparse.Namespace) -> int:
    """Carry out the operations of ``options.replay`` in their order, each on the connection of its worker.

    Where the writer was killed, the last one was under way: die by SIGKILL instead of it.  Raises TraceError, OSError
    and sqlite3.Error.
    """
    found = header(options.replay)
    if found.state == TRUNCATED:
        raise TraceError(f"{options.replay} is truncated: what came after it is not known")
    player = _Player(options)
    for operation, is_last in _marked(read(options.replay, NAME)):
        if is_last and found.died:
            break
        player.play(operation)
    player.tell()
    if found.died:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    player.close()
    return 0


def _marked(operations: Iterator[Operation]) -> Iterator[tuple[Operation, bool]]:
    """Each operation, and whether it is the last one."""
    before: Operation | None = None
    for operation in operations:
        if before is not None:
            yield before, False
        before = operation
    if before is not None:
        yield before, True


class _Player:
    """One thread with the connections of all workers: the recorded order is the order in which each has its turn."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._connections: dict[int, sqlite3.Connection] = {}
        self._acknowledged: Acknowledgements | None = None
        self._commits = self._count = 0
        self._told_s = time.monotonic()

    def play(self, operation: Operation) -> None:
        """Carry out one operation."""
        self._count += 1
        if operation.kind == CREATE:
            create(self._options)
        elif operation.kind == CLOSE:
            self._close(operation.worker)
        elif operation.kind == ACKNOWLEDGE:
            self._acknowledge(operation.unit)
        else:
            self._execute(operation)

    def _execute(self, operation: Operation) -> None:
        connection = self._connection(operation.worker)
        if operation.kind == BEGIN:
            connection.execute("BEGIN IMMEDIATE")
        elif operation.kind == PUT and connection.in_transaction and len(operation.data) == PUT_DATA.size:
            position, key, amount = PUT_DATA.unpack(operation.data)
            put(connection, operation.unit, position, self._options.rows, key, amount)
        elif operation.kind == COMMIT:
            connection.execute("COMMIT")
        else:
            raise TraceError(f"operation {self._count} of the trace, of kind {operation.kind}, makes no sense there")

    def _connection(self, worker: int) -> sqlite3.Connection:
        if worker not in self._connections:
            # nobody else is at it: a lock that is held means that the trace has two transactions at once
            self._connections[worker] = connect(self._options, busy_timeout_s=0)
        return self._connections[worker]

    def _acknowledge(self, txn: int) -> None:
        if self._acknowledged is None:
            self._acknowledged = Acknowledgements(self._options.database)
        self._acknowledged.add(txn)
        self._commits += 1
        if time.monotonic() - self._told_s > _PROGRESS_S:
            self.tell()

    def tell(self) -> None:
        """Say how far it is, as the writer does."""
        print(f"commits {self._commits}", flush=True)
        self._told_s = time.monotonic()

    def _close(self, worker: int) -> None:
        if worker in self._connections:
            self._connections.pop(worker).close()

    def close(self) -> None:
        """Close every connection that is still open."""
        for worker in list(self._connections):
            self._close(worker)
