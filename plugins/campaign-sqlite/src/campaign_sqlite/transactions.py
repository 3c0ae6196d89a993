"""What writer and server both do: open the database under test, create its tables, and move amounts."""

from __future__ import annotations

import argparse
import random
import sqlite3
from pathlib import Path

from campaign_sqlite.ledger import SCHEMA
from campaign_sqlite.operations import BEGIN, COMMIT, PUT, PUT_DATA, Record, nothing

_BUSY_TIMEOUT_S = 60.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what database is under test."""
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--journal", default="wal")
    parser.add_argument("--sync", default="full")
    parser.add_argument("--cache-kib", type=int, default=64)
    parser.add_argument("--keys", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)


def connect(options: argparse.Namespace, busy_timeout_s: float = _BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """A connection with the settings under test; raises OperationalError where SQLite does not take one of them."""
    connection = sqlite3.connect(options.database, timeout=busy_timeout_s, isolation_level=None)
    (mode,) = connection.execute(f"PRAGMA journal_mode = {options.journal}").fetchone()
    if mode != options.journal:
        raise sqlite3.OperationalError(f"journal mode {options.journal} was refused, the database is in mode {mode}")
    connection.execute(f"PRAGMA synchronous = {options.sync}")
    connection.execute(f"PRAGMA cache_size = -{options.cache_kib}")
    return connection


def create(options: argparse.Namespace) -> None:
    """Make the tables and ``keys`` empty accounts, in one transaction."""
    connection = connect(options)
    connection.execute("BEGIN IMMEDIATE")
    for statement in filter(str.strip, SCHEMA.split(";")):
        connection.execute(statement)
    note = "n" * 100  # rows of a real size, so that a transaction touches more pages than the cache holds
    connection.executemany("INSERT INTO account VALUES (?, 0, 0, ?)", ((key, note) for key in range(options.keys)))
    connection.execute("COMMIT")
    connection.close()


def transact(
    connection: sqlite3.Connection, txn: int, options: argparse.Namespace, draw: random.Random, record: Record = nothing
) -> None:
    """Move amounts between ``rows`` accounts, some perhaps more than once; they add up to 0."""
    amounts = [draw.randint(-1000, 1000) for _ in range(options.rows - 1)]
    amounts.append(-sum(amounts))
    connection.execute("BEGIN IMMEDIATE")
    record(BEGIN, b"")
    for position, amount in enumerate(amounts):
        key = draw.randrange(options.keys)
        record(PUT, PUT_DATA.pack(position, key, amount))
        put(connection, txn, position, options.rows, key, amount)
    record(COMMIT, b"")
    connection.execute("COMMIT")


def put(  # noqa: PLR0913, PLR0917 - a row
    connection: sqlite3.Connection, txn: int, position: int, size: int, key: int, amount: int
) -> None:
    """Move one amount of a transaction of ``size``."""
    connection.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", (txn, position, size, key, amount))
    connection.execute("UPDATE account SET balance = balance + ?, stamp = ? WHERE key = ?", (amount, txn, key))
