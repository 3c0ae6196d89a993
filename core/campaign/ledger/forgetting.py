"""Forgetting a campaign: every row of it, and the parts of snapshots that no other campaign has.

What is forgotten in the ledger is still on the disk: its folders are listed in ``removal``, in the same transaction,
until somebody has removed them.  A crash at any point leaves a ledger that knows a campaign wholly or not at all, and
no folder that nobody will remove.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from campaign.diagnostics import CampaignError
from campaign.plan import snapshot as snapshots

#: In this order: what refers to an attempt goes before it.
_FORGET = (
    "INSERT INTO removal (campaign, path, at) SELECT id, run_root, :at FROM campaign WHERE id = :campaign",
    """INSERT INTO removal (campaign, path, at)
       SELECT campaign, 'attempts/' || token, :at FROM attempt WHERE campaign = :campaign ORDER BY id""",
    "DELETE FROM judgement WHERE token IN (SELECT token FROM attempt WHERE campaign = :campaign)",
    "DELETE FROM blob WHERE id IN (SELECT order_blob FROM attempt WHERE campaign = :campaign)",
    "DELETE FROM blob WHERE id IN (SELECT exit_blob FROM attempt WHERE campaign = :campaign)",
    *(f"DELETE FROM {table} WHERE campaign = :campaign" for table in ("attempt", "event", "control", "note", "mark")),  # noqa: S608 - our own names
    "DELETE FROM campaign WHERE id = :campaign",
)


def forget(db: sqlite3.Connection, campaign: str, at: str) -> None:
    """Delete everything of a campaign; the caller has begun the transaction."""
    for statement in _FORGET:
        db.execute(statement, {"campaign": campaign, "at": at})
    _forget_snapshots(db)


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
