"""What is wrong with a database that a writer left behind: the first thing, in one line."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from campaign_sqlite.ledger import read_acknowledged

#: How the message of a broken database starts, and what is the same bug however it shows: where in a transaction the
#: process was killed decides which page is hit first.
_SIGNATURES = (
    ("integrity_check: ", "torn transaction"),
    ("half a transaction is there", "torn transaction"),
    ("database disk image is malformed", "torn transaction"),
    ("acknowledged commit ", "lost commit"),
)
#: Everything that belongs to a database on disk; ``-shm`` is left out, SQLite makes it again from the log.
_PARTS = ("", "-wal", "-journal")
#: What SQLite answers where the file itself is damaged; anything else (no space, no permission) says nothing of it.
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Finding(NamedTuple):
    """What was found: ``wrong`` is the first thing wrong, None where all is well; counts are of transactions.

    ``integrity_check`` is what SQLite printed; ``committed`` is None where the database could not be read.
    """

    wrong: str | None
    acknowledged: int
    committed: int | None = None
    integrity_check: str = ""


def signature(message: str) -> str | None:
    """What bug a message of ``inspect`` speaks of; None for a message of somebody else."""
    return next((f"sqlite: {bug}" for start, bug in _SIGNATURES if message.startswith(start)), None)


def inspect(database: Path) -> Finding:
    """Look at a copy of ``database``: opening it recovers it, and evidence is not changed.

    Raises FileNotFoundError where there is neither a database nor an acknowledgement: nothing to judge.
    """
    acknowledged = read_acknowledged(database)
    if not database.exists():
        if acknowledged:
            return Finding(f"{database.name} is gone with {len(acknowledged)} acknowledged commits", len(acknowledged))
        raise FileNotFoundError(f"the writer left no {database.name}: there is nothing to judge")
    with tempfile.TemporaryDirectory(prefix="campaign-sqlite-") as scratch:
        return _inspect_copy(_copy(database, Path(scratch)), acknowledged)


def _copy(database: Path, scratch: Path) -> Path:
    for part in _PARTS:
        source = database.with_name(database.name + part)
        if source.exists():
            shutil.copyfile(source, scratch / source.name)
    return scratch / database.name


def _inspect_copy(database: Path, acknowledged: set[int]) -> Finding:
    checked = ""
    try:
        with closing(sqlite3.connect(database)) as connection:
            checked = "\n".join(str(line) for (line,) in connection.execute("PRAGMA integrity_check"))
            if checked != "ok":
                return Finding(f"integrity_check: {_first_line(checked)}", len(acknowledged), None, checked)
            committed, wrong = _judge(connection, acknowledged)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:  # the low byte is the primary code
            raise
        return Finding(str(error), len(acknowledged), None, checked)
    return Finding(wrong, len(acknowledged), committed, checked)


def _first_line(text: str) -> str:
    """The first line that says something: SQLite puts ``*** in database main ***`` above page errors."""
    lines = [line for line in text.splitlines() if line and not line.startswith("***")]
    return lines[0] if lines else "it printed nothing"


def _judge(connection: sqlite3.Connection, acknowledged: set[int]) -> tuple[int, str | None]:
    """How many transactions are there, and the first broken promise, in the order of ``_PROMISES``."""
    if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'entry'").fetchone()[0]:
        return 0, _lost(acknowledged) if acknowledged else None
    committed = {txn for (txn,) in connection.execute("SELECT DISTINCT txn FROM entry")}
    for query, sentence in _PROMISES:
        broken = connection.execute(query).fetchone()
        if broken:
            return len(committed), sentence.format(*broken)
    return len(committed), _lost(acknowledged - committed)


#: Queries that find nothing in a sound database, and what to say of the first row that they find.
_PROMISES = (
    (
        "SELECT txn, count(*), max(size) FROM entry GROUP BY txn HAVING count(*) <> max(size) ORDER BY txn LIMIT 1",
        "half a transaction is there: {1} of the {2} rows of transaction {0}",
    ),
    (
        "SELECT txn, sum(amount) FROM entry GROUP BY txn HAVING sum(amount) <> 0 ORDER BY txn LIMIT 1",
        "half a transaction is there: the amounts of transaction {0} add up to {1}",
    ),
    (
        "SELECT key, balance, coalesce(total, 0) FROM account"
        " LEFT JOIN (SELECT key, sum(amount) AS total FROM entry GROUP BY key) USING (key)"
        " WHERE balance <> coalesce(total, 0) ORDER BY key LIMIT 1",
        "half a transaction is there: account {0} holds {1}, its entries add up to {2}",
    ),
)


def _lost(missing: set[int]) -> str | None:
    if not missing:
        return None
    return f"acknowledged commit {min(missing)} is missing, {len(missing)} in all"
