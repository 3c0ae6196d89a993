"""The client: writes with several threads through every outage, and notes what was asked and what was acknowledged.

Each thread has keys and numbers of its own, so that the order of what was done to a key is the order of the file.  One
more connection asks the server what it has written to disk, so that the oracle need not guess.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from campaign_redis.history import LEAST_BYTES, Recorder, key_bytes, value_bytes
from campaign_redis.resp import Connection, RefusedError, info

_PROGRESS_S = 0.1
#: Between two tries to connect, or to write where the server refuses to.
_AGAIN_S = 0.02
#: How often the server is asked for its disk.
_MARK_S = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Write until the time is up; 1 where there was no server all the time, or the file cannot be written."""
    options = _parser().parse_args(arguments)
    try:
        met = _Workload(options).run()
    except OSError as error:
        print(f"redis workload: {error}", file=sys.stderr)
        return 1
    if not met:  # one that is hit before the first connection, and comes back, is an outage like any other
        print(f"redis workload: no server at port {options.port}", file=sys.stderr)
    return 0 if met else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="campaign_redis.workload", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--rate", type=int, default=1000, help="writes a second, all threads together")
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--value-bytes", type=int, default=100)
    parser.add_argument("--patience-s", type=float, default=1.0, help="an answer that takes longer is given up")
    parser.add_argument("--duration-s", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    return parser


class _Tally:
    """What all threads have seen together."""

    def __init__(self) -> None:
        self.acknowledged = self.unknown = self.errors = 0
        self._lock = threading.Lock()
        self._last_s = time.monotonic()
        self._longest_s = 0.0

    def count(self, acknowledged: int = 0, unknown: int = 0, errors: int = 0) -> None:
        """Count what became of a write, or of a try to connect."""
        with self._lock:
            self.acknowledged += acknowledged
            self.unknown += unknown
            self.errors += errors
            if acknowledged:
                self._longest_s, self._last_s = self._gap(), time.monotonic()

    def tell(self) -> None:
        """Say how far it is, so that a killed client has said something too."""
        with self._lock:
            gap_ms = self._gap() * 1000
            text = f"acknowledged {self.acknowledged}, unknown {self.unknown}, errors {self.errors}"
        print(f"{text}, longest gap {gap_ms:.0f}ms", flush=True)

    def _gap(self) -> float:
        return max(self._longest_s, time.monotonic() - self._last_s)


class _Servers:
    """Connections to whatever server is there, and a number for each server process that was met."""

    def __init__(self, options: argparse.Namespace, recorder: Recorder) -> None:
        self._options, self._recorder = options, recorder
        self._lock = threading.Lock()
        self._known: dict[str, int] = {}

    def connect(self) -> tuple[Connection, int]:
        """A connection, and who is at its other end; raises OSError and RefusedError."""
        connection = Connection(self._options.port, self._options.patience_s)
        try:
            return connection, self._number(info(connection, "server").get("run_id", "?"))
        except (OSError, RefusedError):
            connection.close()
            raise

    def _number(self, run_id: str) -> int:
        with self._lock:
            if run_id not in self._known:
                self._known[run_id] = len(self._known) + 1
                self._recorder.add("server", self._known[run_id], run_id)
            return self._known[run_id]

    @property
    def any(self) -> bool:
        """Whether one was met at all."""
        return bool(self._known)


class _Workload:
    """One run: the threads that write, and the one that asks for the disk."""

    def __init__(self, options: argparse.Namespace) -> None:
        options.threads = min(options.threads, options.keys)
        self._recorder = Recorder(options.history)
        self._tally = _Tally()
        self._servers = servers = _Servers(options, self._recorder)
        until_s = time.monotonic() + options.duration_s
        self._writers = [
            _Writer(options, index, servers, self._recorder, self._tally, until_s) for index in range(options.threads)
        ]
        self._marker = _Marker(servers, self._recorder)

    def run(self) -> bool:
        """Write until the time is up; whether there ever was a server.  Raises OSError."""
        for thread in (*self._writers, self._marker):
            thread.start()
        while busy := [writer for writer in self._writers if writer.is_alive()]:
            busy[0].join(_PROGRESS_S)
            self._tally.tell()
        self._marker.over.set()
        self._marker.join()
        self._tally.tell()
        for thread in (*self._writers, self._marker):
            if thread.failure:
                raise thread.failure
        return self._servers.any


class _Rider(threading.Thread):
    """A thread that goes on through outages: a connection as long as it lasts, then the next one."""

    def __init__(self, servers: _Servers) -> None:
        super().__init__(daemon=True)
        self.failure: OSError | None = None
        self._servers = servers
        self._connection: Connection | None = None
        self._server = 0

    def run(self) -> None:
        """Do what is to be done, until it is over or the disk of this machine fails."""
        try:
            self._ride()
        except OSError as error:
            self.failure = error

    def _ride(self) -> None:
        raise NotImplementedError

    def _connected(self) -> Connection | None:
        """The connection, made anew where there is none; None where no server answers."""
        if self._connection is None:
            try:
                self._connection, self._server = self._servers.connect()
            except (OSError, RefusedError):
                return None
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class _Writer(_Rider):
    """One thread with keys, numbers and a generator of its own."""

    def __init__(  # noqa: PLR0913, PLR0917 - what all of them share, and its own index
        self,
        options: argparse.Namespace,
        index: int,
        servers: _Servers,
        recorder: Recorder,
        tally: _Tally,
        until_s: float,
    ) -> None:
        super().__init__(servers)
        self._recorder, self._tally, self._until_s = recorder, tally, until_s
        self._keys = range(index, options.keys, options.threads)
        self._number, self._stride = 1 + index, options.threads
        self._every_s = options.threads / options.rate
        self._value_bytes = max(LEAST_BYTES, options.value_bytes)
        self._random = random.Random(f"{options.seed}/{index}")

    def _ride(self) -> None:
        next_s = time.monotonic() + self._random.uniform(0, self._every_s)
        while (now_s := max(next_s, time.monotonic())) < self._until_s:
            time.sleep(max(0.0, now_s - time.monotonic()))
            connection = self._connected()
            if connection is None:
                self._tally.count(errors=1)
                next_s = time.monotonic() + _AGAIN_S
            else:
                self._write(connection)
                next_s = now_s + self._every_s  # what an outage has cost is not made up for
        self._drop()

    def _write(self, connection: Connection) -> None:
        number, key = self._number, self._random.choice(self._keys)
        size = self._random.randint(LEAST_BYTES, self._value_bytes)
        self._number += self._stride
        self._recorder.add("set", number, key, self._server)
        try:
            connection.ask("SET", key_bytes(key), value_bytes(key, number, size))
        except RefusedError:
            self._recorder.add("refused", number)
            self._tally.count(errors=1)
            time.sleep(_AGAIN_S)
        except OSError:
            self._recorder.add("unknown", number)
            self._tally.count(unknown=1, errors=1)
            self._drop()
        else:
            self._recorder.add("ack", number, f"{time.monotonic():.6f}")
            self._tally.count(acknowledged=1)


class _Marker(_Rider):
    """Asks the server what it has written to disk, again and again, and once more when the writers are done."""

    def __init__(self, servers: _Servers, recorder: Recorder) -> None:
        super().__init__(servers)
        self.over = threading.Event()
        self._recorder = recorder
        self._mark = 0
        self._snapshots: tuple[int, int, int] | None = None  # a mark, on which server, and its snapshots so far

    def _ride(self) -> None:
        over = False
        while not over:
            over = self.over.wait(_MARK_S)
            connection = self._connected()
            if connection is not None:
                try:
                    self._ask(connection)
                except (OSError, RefusedError):
                    self._drop()
        self._drop()

    def _ask(self, connection: Connection) -> None:
        self._mark += 1
        self._recorder.add("mark", self._mark, self._server)
        said = info(connection, "persistence")
        if said.get("aof_enabled") == "1" and said.get("aof_buffer_length") == "0":
            self._recorder.add("written", self._mark)
        if "rdb_saves" in said:
            self._look_at_snapshots(int(said["rdb_saves"]), said.get("rdb_bgsave_in_progress") == "0")

    def _look_at_snapshots(self, saves: int, idle: bool) -> None:
        """A snapshot that was complete now and neither complete nor under way at a mark was begun after it."""
        before = self._snapshots if self._snapshots and self._snapshots[1] == self._server else None
        if before is not None and saves > before[2]:
            self._recorder.add("saved", before[0])
        if idle:
            self._snapshots = (self._mark, self._server, saves)


if __name__ == "__main__":
    sys.exit(main())
