"""Forgetting a campaign: first its name, then, a part at a time, every row of it.

A campaign without its row in ``campaign`` is not there, whatever else is left of it: no question about attempts answers
from those of a campaign that is not there.  It goes in one transaction, which lists its folder in ``removal``; its
attempts go a part at a time, so that whoever writes the ledger is never kept for long, and list their private folders
there.  A crash at any point leaves a ledger that knows a campaign wholly or not at all, and says what is still to be
removed.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from campaign.diagnostics import CampaignError
from campaign.plan import snapshot as snapshots

_FORGET = (
    "INSERT INTO removal (campaign, path, at) SELECT id, run_root, :at FROM campaign WHERE id = :campaign",
    *(f"DELETE FROM {table} WHERE campaign = :campaign" for table in ("control", "note", "mark", "request")),  # noqa: S608 - our own names
    "DELETE FROM campaign WHERE id = :campaign",
)
#: The attempts that go at a time; the same in each statement, for they themselves go last.
_PART = "(SELECT id FROM attempt WHERE campaign = :campaign LIMIT 2000)"
_SHRINK = (
    f"""INSERT INTO removal (campaign, path, at)
        SELECT campaign, 'attempts/' || token, :at FROM attempt WHERE id IN {_PART} ORDER BY id""",  # noqa: S608 - ours
    f"DELETE FROM judgement WHERE token IN (SELECT token FROM attempt WHERE id IN {_PART})",  # noqa: S608 - ours
    f"DELETE FROM blob WHERE id IN (SELECT order_blob FROM attempt WHERE id IN {_PART})",  # noqa: S608 - ours
    f"DELETE FROM blob WHERE id IN (SELECT exit_blob FROM attempt WHERE id IN {_PART})",  # noqa: S608 - ours
)
_LAST = f"DELETE FROM attempt WHERE id IN {_PART}"  # noqa: S608 - ours
#: Events are found by their numbers, of which so many are looked at in one go.
_EVENTS = 50_000


def forget(db: sqlite3.Connection, campaign: str, at: str) -> None:
    """Have a campaign be there no more; the caller has begun the transaction."""
    for statement in _FORGET:
        db.execute(statement, {"campaign": campaign, "at": at})
    _forget_snapshots(db)


def shrink(db: sqlite3.Connection, campaign: str, at: str) -> int:
    """Delete some attempts of a campaign that is not there; returns how many, 0 where none is left."""
    if _is_there(db, campaign):
        return 0
    for statement in _SHRINK:
        db.execute(statement, {"campaign": campaign, "at": at} if ":at" in statement else {"campaign": campaign})
    return db.execute(_LAST, {"campaign": campaign}).rowcount


def shrink_events(db: sqlite3.Connection, campaign: str, after: int) -> int:
    """Delete its events above number ``after``, as far as one go reaches; returns how far, 0 at the end."""
    (highest,) = db.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
    if after >= highest or _is_there(db, campaign):
        return 0
    statement = "DELETE FROM event WHERE seq > ? AND seq <= ? AND campaign = ?"
    db.execute(statement, (after, after + _EVENTS, campaign))
    return after + _EVENTS


def _is_there(db: sqlite3.Connection, campaign: str) -> bool:
    return db.execute("SELECT 1 FROM campaign WHERE id = ?", (campaign,)).fetchone() is not None


def _forget_snapshots(db: sqlite3.Connection) -> None:
    """Delete the parts of snapshots that no campaign needs any more; where one cannot be read, all are kept."""
    needed: set[str] = set()
    for (manifest,) in db.execute("SELECT DISTINCT coalesce(snapshot, plan_hash) FROM campaign").fetchall():
        needed.add(manifest)
        with suppress(CampaignError):
            needed.update(file.digest for file in snapshots.load(manifest, lambda hash_: _blob(db, hash_)).files)
            continue
        return
    stored = {hash_ for (hash_,) in db.execute("SELECT hash FROM blob WHERE hash IS NOT NULL")}
    db.executemany("DELETE FROM blob WHERE hash = ?", [(hash_,) for hash_ in stored - needed])


def _blob(db: sqlite3.Connection, hash_: str) -> bytes | None:
    row = db.execute("SELECT data FROM blob WHERE hash = ?", (hash_,)).fetchone()
    return bytes(row[0]) if row else None
