"""What is asked for beside the plan, as the ledger keeps it; every statement runs in the caller's transaction."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from campaign.ledger.rows import Requested, RequestEnded, RequestRow

COLUMNS = RequestRow.__struct_fields__
_NAMES = ", ".join(COLUMNS)
_VALUES = ", ".join(f":{name}" for name in COLUMNS)
_INSERT = f"INSERT OR IGNORE INTO request ({_NAMES}) VALUES ({_VALUES})"  # noqa: S608 - our own names
#: Only where the failure is new: no earlier campaign saw it, and nobody asked the same for it in this one.  Attempts
#: that failed so are gone through from the first one on, which is as a rule the one that was asked for.
_INSERT_FRESH = f"""
INSERT OR IGNORE INTO request ({_NAMES}) SELECT {_VALUES}
WHERE NOT EXISTS (SELECT 1 FROM attempt a WHERE a.fingerprint = :fresh AND (
    a.campaign != :campaign AND a.origin IN ('plan', 'repeat') AND a.campaign IN (SELECT id FROM campaign)
    OR EXISTS (SELECT 1 FROM request r WHERE r.parent = a.token AND r.campaign = :campaign AND r.kind = :kind)))
"""  # noqa: S608 - our own names
_END = "UPDATE request SET state = ?, ended_at = ?, result = ? WHERE id = ? AND state = 'open'"
_END_OPEN = """
UPDATE request SET state = ?3, ended_at = ?4 WHERE state = 'open' AND campaign = ?1
AND (?2 = '' OR instance = ?2 OR substr(instance, 1, length(?2) + 1) = ?2 || '.')
"""


def insert(db: sqlite3.Connection, row: RequestRow) -> None:
    """Keep a request, once however often it comes."""
    db.execute(_INSERT, values(row))


def write(db: sqlite3.Connection, change: Requested | RequestEnded) -> None:
    """A request, or its end."""
    if isinstance(change, RequestEnded):
        result = None if change.result is None else msgspec.json.encode(change.result)
        db.execute(_END, (change.state, change.at, result, change.request))
    elif change.fresh is None:
        insert(db, change.request)
    else:
        db.execute(_INSERT_FRESH, {**values(change.request), "fresh": change.fresh})


def end_open(db: sqlite3.Connection, campaign: str, prefix: str, state: str, at: str) -> int:
    """End what is open of a campaign's instances that start with ``prefix``; returns how many there were."""
    return db.execute(_END_OPEN, (campaign, prefix, state, at)).rowcount


def values(row: RequestRow) -> dict[str, Any]:
    """A request by column."""
    told = {name: getattr(row, name) for name in COLUMNS}
    result = None if row.result is None else msgspec.json.encode(row.result)
    return {**told, "settings": msgspec.json.encode(row.settings), "result": result}


def request_row(row: tuple[Any, ...]) -> RequestRow:
    """A row as it was read; raises msgspec.MsgspecError where it is damaged."""
    told = dict(zip(COLUMNS, row, strict=True))
    told["settings"] = msgspec.json.decode(told["settings"])
    told["result"] = None if told["result"] is None else msgspec.json.decode(told["result"])
    return msgspec.convert(told, RequestRow)
