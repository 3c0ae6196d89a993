"""Taking a campaign in that was recorded elsewhere: its rows come from a ledger of their own, made for that purpose.

Whoever imports writes and checks that ledger; the process that holds the workspace's own copies the rows over, in one
transaction, with numbers that are free here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from campaign.ledger.opening import writer
from campaign.ledger.rows import AttemptRow, CampaignRow
from campaign.records import EventView, Remark

_ATTEMPT = (
    *("campaign", "key", "origin", "attempt", "parent", "run", "token", "epoch", "digest", "cause", "instance", "cell"),
    *("seed", "directory", "state", "verdict", "reason", "kind", "message", "fingerprint", "again", "admitted_at"),
    *("started_at", "finished_at", "duration_s"),
)
_JUDGEMENT = ("token", "source", "at", "oracles", "decision")
_EVENT = ("campaign", "key", "origin", "attempt", '"from"', '"to"', "cause", "epoch", "at", "verdict", "reason")


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(names)


#: ``:blob`` and ``:seq`` are the highest numbers here: those of what comes follow them.
_COPY = (
    "INSERT INTO blob (id, data) SELECT id + :blob, data FROM staged.blob WHERE hash IS NULL ORDER BY id",
    "INSERT OR IGNORE INTO blob (hash, data) SELECT hash, data FROM staged.blob WHERE hash IS NOT NULL",
    f"""INSERT INTO attempt ({_columns(_ATTEMPT)}, order_blob, exit_blob)
        SELECT {_columns(_ATTEMPT)}, order_blob + :blob, exit_blob + :blob FROM staged.attempt ORDER BY id""",  # noqa: S608 - our names
    f"""INSERT INTO event (seq, {_columns(_EVENT)})
        SELECT seq + :seq, {_columns(_EVENT)} FROM staged.event ORDER BY seq""",  # noqa: S608 - our names
    f"""INSERT INTO judgement ({_columns(_JUDGEMENT)})
        SELECT {_columns(_JUDGEMENT)} FROM staged.judgement ORDER BY id""",  # noqa: S608 - our names
    "INSERT INTO note (campaign, key, text, at) SELECT campaign, key, text, at FROM staged.note ORDER BY id",
    "INSERT INTO mark (campaign, key, why, at) SELECT campaign, key, why, at FROM staged.mark",
)


@contextmanager
def attached(db: sqlite3.Connection, path: str) -> Iterator[None]:
    """The ledger at ``path`` as ``staged``."""
    db.execute("ATTACH ? AS staged", (path,))
    try:
        yield
    finally:
        db.execute("DETACH staged")


def objection(db: sqlite3.Connection, campaign: str) -> str | None:
    """Why what is staged cannot be taken in, None where it can."""
    found = [str(name) for (name,) in db.execute("SELECT id FROM staged.campaign")]
    if found != [campaign]:
        return "what was prepared is another campaign"
    if not db.execute("SELECT 1 FROM removal WHERE campaign = ?", (campaign,)).fetchone():
        return "its folder was removed meanwhile"
    taken = "SELECT a.token FROM staged.attempt s JOIN attempt a ON a.token = s.token LIMIT 1"
    return "a token of its attempts is another one's here" if db.execute(taken).fetchone() else None


def copy(db: sqlite3.Connection, columns: tuple[str, ...], numbers: dict[str, Any]) -> None:
    """Copy everything that is staged; ``columns`` are those of a campaign.  The caller has begun the transaction."""
    names = _columns(columns)
    db.execute(f"INSERT INTO campaign ({names}) SELECT {names} FROM staged.campaign")  # noqa: S608 - our names
    for statement in _COPY:
        db.execute(statement, numbers if ":" in statement else {})


class Stage:
    """A ledger that is made to be taken in; ``with Stage(path, row) as stage``.  Raises LedgerError, sqlite3.Error."""

    def __init__(self, path: str, row: CampaignRow) -> None:
        self._db = writer(path)
        self._db.execute("PRAGMA synchronous = OFF")  # taken in at once, or thrown away
        self._db.execute("BEGIN")
        self._insert("campaign", CampaignRow.__struct_fields__, [getattr(row, name) for name in row.__struct_fields__])

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._db.execute("COMMIT")
        self._db.close()

    def part(self, hash_: str, data: bytes) -> None:
        """A part of the snapshot."""
        self._insert("blob", ("hash", "data"), (hash_, data))

    def attempt(self, row: AttemptRow, order: bytes, exit_: bytes | None) -> None:
        """An attempt with its order and exit record as JSON."""
        blobs = (self._blob(order), None if exit_ is None else self._blob(exit_))
        values = [getattr(row, name) for name in _ATTEMPT]
        self._insert("attempt", (*_ATTEMPT, "order_blob", "exit_blob"), (*values, *blobs))

    def judgement(self, token: str, source: str, at: str, oracles: bytes, decision: bytes) -> None:
        """A judgement of an attempt; what the oracles said and the decision as JSON."""
        self._insert("judgement", _JUDGEMENT, (token, source, at, oracles, decision))

    def event(self, event: EventView, number: int) -> None:
        """A change of state, by its number in this campaign."""
        origin = (event.campaign, event.key, event.origin, event.attempt, event.from_state, event.to_state)
        rest = (event.cause, event.epoch, event.at, event.verdict, event.reason)
        self._insert("event", ("seq", *_EVENT), (number, *origin, *rest))

    def remark(self, campaign: str, remark: Remark) -> None:
        """A note or a mark."""
        table, text = ("mark", "why") if remark.mark else ("note", "text")
        self._insert(table, ("campaign", "key", text, "at"), (campaign, remark.key or "", remark.text, remark.at))

    def _blob(self, data: bytes) -> int:
        return self._insert("blob", ("data",), (data,))

    def _insert(self, table: str, names: tuple[str, ...], values: Sequence[Any]) -> int:
        marks = ", ".join("?" * len(names))
        cursor = self._db.execute(f"INSERT INTO {table} ({_columns(names)}) VALUES ({marks})", values)  # noqa: S608 - our names
        return int(cursor.lastrowid or 0)
