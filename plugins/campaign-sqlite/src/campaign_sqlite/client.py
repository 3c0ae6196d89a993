"""A client of the server: asks for transactions until its time is up, and acknowledges each one that was answered."""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from campaign_sqlite.ledger import Acknowledgements


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one client; 0 when its time is up or the server is gone, 1 where there is no server to begin with."""
    parser = argparse.ArgumentParser(prog="campaign_sqlite.client", description=__doc__)
    parser.add_argument("--database", type=Path, required=True, help="where the acknowledgements go beside")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--duration-s", type=float, default=10.0)
    options = parser.parse_args(arguments)
    try:
        connection = socket.create_connection(("127.0.0.1", options.port))
    except OSError as error:
        print(f"sqlite client: no server at port {options.port}: {error}", file=sys.stderr)
        return 1
    with connection:
        _ask(connection, options)
    return 0


def _ask(connection: socket.socket, options: argparse.Namespace) -> None:
    """Ask until the time is up; a server that goes away ends the client, and its answers so far must hold."""
    acknowledged = Acknowledgements(options.database)
    replies = connection.makefile("rb")
    until_s = time.monotonic() + options.duration_s
    txn, slowest_s = 0, 0.0
    while (asked_s := time.monotonic()) < until_s:
        txn += 1
        try:
            connection.sendall(b"txn %d\n" % txn)
            reply = replies.readline()
        except OSError:
            reply = b""
        if reply != b"ok %d\n" % txn:
            print("the server is gone")
            return
        acknowledged.add(txn)
        slowest_s = max(slowest_s, time.monotonic() - asked_s)
        print(f"commits {txn} slowest {slowest_s * 1000:.0f}ms", flush=True)


if __name__ == "__main__":
    sys.exit(main())
