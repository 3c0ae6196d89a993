"""A database behind a socket: a line ``txn N`` is one transaction, answered ``ok N`` when its commit has returned."""

from __future__ import annotations

import argparse
import random
import socketserver
import sqlite3
import sys
from collections.abc import Sequence

from campaign_sqlite.ledger import port_file
from campaign_sqlite.transactions import add_options, connect, create, transact


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until it is stopped; 1 where SQLite or the network refused something, which stderr names."""
    parser = argparse.ArgumentParser(prog="campaign_sqlite.server", description=__doc__)
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        create(options)
        with _Server(options) as server:
            _publish(options, server.server_address[1])
            server.serve_forever()
    except (sqlite3.Error, OSError) as error:
        print(f"sqlite server: {error}", file=sys.stderr)
        return 1
    return 0


def _publish(options: argparse.Namespace, port: object) -> None:
    """Write the port whole or not at all: whoever sees the file can connect."""
    path = port_file(options.database)
    draft = path.with_name(path.name + ".draft")
    draft.write_text(f"{port}\n")
    draft.replace(path)


class _Server(socketserver.ThreadingTCPServer):
    """On this machine only, on a port that the kernel chooses; one thread and one connection for each client."""

    daemon_threads = True

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        super().__init__(("127.0.0.1", 0), _Session)


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """Carry out a client's transactions, one after another."""
        assert isinstance(self.server, _Server)
        options = self.server.options
        connection = connect(options)
        for line in self.rfile:
            txn = int(line.split()[1])
            transact(connection, txn, options, random.Random(f"{options.seed}/{txn}"))
            self.wfile.write(b"ok %d\n" % txn)
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
