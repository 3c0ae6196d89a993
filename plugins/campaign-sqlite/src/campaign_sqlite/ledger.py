"""The database under test, and the files beside it.

``account`` holds a balance for each key, all 0 at first.  A transaction moves amounts between accounts: it inserts an
``entry`` for each change and updates the account, so that

- the entries of a transaction are all there or none of them, and their amounts add up to 0,
- every balance is the sum of that account's entries,

and any part of a transaction that outlives a crash breaks one of the two.  ``stamp`` (the last transaction that touched
an account) is indexed and changes with every update, so that torn writes also show between table and index.

An acknowledgement is one ``write`` to a file opened with ``O_APPEND``: what was written is in the kernel, so it
outlives ``kill -9`` without any sync.  (It would not outlive a power loss; neither would this test.)
"""

from __future__ import annotations

import os
from pathlib import Path

SCHEMA = """
CREATE TABLE account (
    key     INTEGER PRIMARY KEY,
    balance INTEGER NOT NULL,
    stamp   INTEGER NOT NULL,
    note    TEXT NOT NULL
);
CREATE INDEX account_by_stamp ON account (stamp, note);
CREATE TABLE entry (
    txn      INTEGER NOT NULL,
    position INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    key      INTEGER NOT NULL,
    amount   INTEGER NOT NULL,
    PRIMARY KEY (txn, position)
) WITHOUT ROWID;
"""


def acknowledgements(database: Path) -> Path:
    """The file with the number of every acknowledged transaction, one a line."""
    return database.with_name(database.name + ".acks")


def port_file(database: Path) -> Path:
    """The file with a server's port; it is there once the server answers."""
    return database.with_name(database.name + ".port")


class Acknowledgements:
    """Where commits are acknowledged; safe to use from several threads and processes at a time."""

    def __init__(self, database: Path) -> None:
        self._file = os.open(acknowledgements(database), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def add(self, txn: int) -> None:
        """Acknowledge a transaction whose commit has returned."""
        os.write(self._file, b"%d\n" % txn)


def read_acknowledged(database: Path) -> set[int]:
    """The acknowledged transactions; a last line without its end was never finished and does not count."""
    path = acknowledgements(database)
    if not path.exists():
        return set()
    *whole, _unfinished = path.read_bytes().split(b"\n")
    return {int(line) for line in whole}
