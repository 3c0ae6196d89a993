"""Taking a campaign in that was recorded elsewhere: its rows come from a ledger of their own, made for that purpose.

Whoever imports writes and checks that ledger; the process that holds the workspace's own copies the rows over, in
transactions that are short, with numbers that are free here; its row in ``campaign`` comes last, and makes it be there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from campaign.failpoints import reach
from campaign.ledger import requests
from campaign.ledger.opening import writer
from campaign.ledger.rows import AttemptRow, CampaignRow, RequestRow, columns_of
from campaign.records import EventView, Remark

_ATTEMPT = (
    *("campaign", "key", "origin", "attempt", "parent", "run", "token", "epoch", "digest", "cause", "instance", "cell"),
    *("seed", "directory", "state", "verdict", "reason", "kind", "message", "fingerprint", "again", "admitted_at"),
    *("started_at", "finished_at", "duration_s", "request"),
)
_JUDGEMENT = ("token", "source", "at", "oracles", "decision")
_EVENT = ("campaign", "key", "origin", "attempt", '"from"', '"to"', "cause", "epoch", "at", "verdict", "reason")


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(names)


#: What is copied last, with the campaign's own row, which makes it be there.
_REST = (
    "INSERT OR IGNORE INTO blob (hash, data) SELECT hash, data FROM staged.blob WHERE hash IS NOT NULL",
    "INSERT INTO note (campaign, key, text, at) SELECT campaign, key, text, at FROM staged.note ORDER BY id",
    "INSERT INTO mark (campaign, key, why, at) SELECT campaign, key, why, at FROM staged.mark",
    f"INSERT OR IGNORE INTO request ({_columns(requests.COLUMNS)}) "  # noqa: S608 - our names
    f"SELECT {_columns(requests.COLUMNS)} FROM staged.request ORDER BY rowid",
)
_BLOBS = """
INSERT INTO blob (id, data) SELECT id + :shift, data FROM staged.blob
WHERE id BETWEEN :lowest AND :highest AND hash IS NULL ORDER BY id
"""
_ATTEMPTS = f"""
INSERT INTO attempt ({_columns(_ATTEMPT)}, order_blob, exit_blob)
SELECT {_columns(_ATTEMPT)}, order_blob + :shift, exit_blob + :shift FROM staged.attempt
WHERE id > :after AND id <= :last ORDER BY id
"""  # noqa: S608 - our names
_JUDGEMENTS = f"""
INSERT INTO judgement ({_columns(_JUDGEMENT)}) SELECT {_columns(_JUDGEMENT)} FROM staged.judgement
WHERE token IN (SELECT token FROM staged.attempt WHERE id > :after AND id <= :last) ORDER BY id
"""  # noqa: S608 - our names
_COPY_EVENTS = f"""
INSERT INTO event (seq, {_columns(_EVENT)}) SELECT seq - :after + :seq, {_columns(_EVENT)} FROM staged.event
WHERE seq > :after AND seq <= :last ORDER BY seq
"""  # noqa: S608 - our names
#: Attempts and events that are copied at a time: whoever writes the ledger is never kept for long.
_ATTEMPTS_AT_A_TIME, _EVENTS_AT_A_TIME = 2000, 20_000


@contextmanager
def attached(db: sqlite3.Connection, path: str) -> Iterator[None]:
    """The ledger at ``path`` as ``staged``."""
    db.execute("ATTACH ? AS staged", (path,))
    try:
        yield
    finally:
        db.execute("DETACH staged")


def objection(db: sqlite3.Connection, campaign: str, *, first: bool) -> str | None:
    """Why what is staged cannot be taken in, None where it can."""
    found = [str(name) for (name,) in db.execute("SELECT id FROM staged.campaign")]
    if found != [campaign]:
        return "what was prepared is another campaign"
    if not db.execute("SELECT 1 FROM removal WHERE campaign = ?", (campaign,)).fetchone():
        return "its folder was removed meanwhile"
    if not first:
        return None
    taken = "SELECT a.token FROM staged.attempt s JOIN attempt a ON a.token = s.token LIMIT 1"
    return "a token of its attempts is another one's here" if db.execute(taken).fetchone() else None


def copy_attempts(db: sqlite3.Connection, after: int, blob: int) -> int:
    """Copy some attempts above number ``after``; ``blob`` is the highest number of a blob here.

    Returns the last one copied, 0 where none was left.  Blobs stand in the order of their attempts.
    """
    find = "SELECT max(id) FROM (SELECT id FROM staged.attempt WHERE id > ? ORDER BY id LIMIT ?)"
    (last,) = db.execute(find, (after, _ATTEMPTS_AT_A_TIME)).fetchone()
    if last is None:
        return 0
    span = "SELECT min(order_blob), max(max(order_blob, coalesce(exit_blob, 0))) FROM staged.attempt"
    lowest, highest = db.execute(f"{span} WHERE id > ? AND id <= ?", (after, last)).fetchone()
    shift = blob + 1 - lowest
    db.execute(_BLOBS, {"shift": shift, "lowest": lowest, "highest": highest})
    db.execute(_ATTEMPTS, {"shift": shift, "after": after, "last": last})
    db.execute(_JUDGEMENTS, {"after": after, "last": last})
    return int(last)


def copy_events(db: sqlite3.Connection, after: int, seq: int) -> int:
    """Copy some events above number ``after``; ``seq`` is the highest here.  Returns the last one, 0 for none."""
    last = after + _EVENTS_AT_A_TIME
    copied = db.execute(_COPY_EVENTS, {"after": after, "last": last, "seq": seq}).rowcount
    return last if copied else 0


def copy_campaign(db: sqlite3.Connection, columns: tuple[str, ...], campaign: str) -> None:
    """Copy the rest: from now on the campaign is there, and its folder is no longer to be removed."""
    for statement in _REST:
        db.execute(statement)
    names = _columns(columns)
    db.execute(f"INSERT INTO campaign ({names}) SELECT {names} FROM staged.campaign")  # noqa: S608 - our names
    db.execute("DELETE FROM removal WHERE campaign = ?", (campaign,))


class Stage:
    """A ledger that is made to be taken in; ``with Stage(path, row) as stage``.  Raises LedgerError, sqlite3.Error."""

    def __init__(self, path: str, row: CampaignRow) -> None:
        self._db = writer(path)
        self._db.execute("PRAGMA synchronous = OFF")  # taken in at once, or thrown away
        self._db.execute("BEGIN")
        self._insert("campaign", CampaignRow.__struct_fields__, columns_of(row, CampaignRow.__struct_fields__))

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            reach("stage.commit.before")
            self._db.execute("COMMIT")
            reach("stage.commit.after")
        self._db.close()

    def part(self, hash_: str, data: bytes) -> None:
        """A part of the snapshot."""
        self._insert("blob", ("hash", "data"), (hash_, data))

    def attempt(self, row: AttemptRow, order: bytes, exit_: bytes | None) -> None:
        """An attempt with its order and exit record as JSON."""
        blobs = (self._blob(order), None if exit_ is None else self._blob(exit_))
        values = columns_of(row, _ATTEMPT)
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

    def request(self, row: RequestRow) -> None:
        """What was asked for beside the plan."""
        requests.insert(self._db, row)

    def _blob(self, data: bytes) -> int:
        return self._insert("blob", ("data",), (data,))

    def _insert(self, table: str, names: tuple[str, ...], values: Sequence[Any]) -> int:
        marks = ", ".join("?" * len(names))
        cursor = self._db.execute(f"INSERT INTO {table} ({_columns(names)}) VALUES ({marks})", values)  # noqa: S608 - our names
        return int(cursor.lastrowid or 0)
