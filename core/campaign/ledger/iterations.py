"""Iterations and their steps, as the ledger keeps them; every statement runs in the caller's transaction."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from campaign.ledger.rows import IterationRow, StepRow

ITERATION, STEP = IterationRow.__struct_fields__, StepRow.__struct_fields__
_INSERT = (
    f"INSERT OR IGNORE INTO iteration ({', '.join(ITERATION)}) VALUES ({', '.join(f':{name}' for name in ITERATION)})"  # noqa: S608 - our own names
)
_END = "UPDATE iteration SET state = :state, ended_at = :ended_at, result = :result WHERE id = :id AND state = 'open'"
_INSERT_STEP = f"INSERT OR IGNORE INTO step ({', '.join(STEP)}) VALUES ({', '.join(f':{name}' for name in STEP)})"  # noqa: S608 - our own names
_END_STEP = """
UPDATE step SET state = :state, campaign = :campaign, ended_at = :ended_at, result = :result
WHERE iteration = :iteration AND number = :number AND state = 'open'
"""
#: The campaigns of iterations: what an iteration adopted, and what was submitted for its steps.
CAMPAIGNS = """
SELECT c.id, s.iteration, s.round, s.kind, i.state = 'open' FROM step s JOIN iteration i ON i.id = s.iteration
JOIN campaign c ON c.id = s.campaign OR c.submission = s.submission ORDER BY s.rowid
"""


def keep(db: sqlite3.Connection, row: IterationRow) -> None:
    """An iteration, once however often it comes; one that has ended ends the one that is kept."""
    values = {name: getattr(row, name) for name in ITERATION}
    values |= {"settings": msgspec.json.encode(row.settings), "result": _maybe(row.result)}
    db.execute(_INSERT, values)
    if row.state != "open":
        db.execute(_END, {name: values[name] for name in ("id", "state", "ended_at", "result")})


def keep_step(db: sqlite3.Connection, row: StepRow) -> None:
    """A step, in the same way."""
    values = {name: getattr(row, name) for name in STEP}
    values |= {"settings": msgspec.json.encode(row.settings), "result": _maybe(row.result)}
    db.execute(_INSERT_STEP, values)
    if row.state != "open":
        names = ("iteration", "number", "state", "campaign", "ended_at", "result")
        db.execute(_END_STEP, {name: values[name] for name in names})


def iteration_row(row: tuple[Any, ...]) -> IterationRow:
    """A row as it was read; raises msgspec.MsgspecError where it is damaged."""
    return msgspec.convert(_told(ITERATION, row), IterationRow)


def step_row(row: tuple[Any, ...]) -> StepRow:
    """A row as it was read; raises msgspec.MsgspecError where it is damaged."""
    return msgspec.convert(_told(STEP, row), StepRow)


def _told(columns: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    told = dict(zip(columns, row, strict=True))
    told["settings"] = msgspec.json.decode(told["settings"])
    told["result"] = None if told["result"] is None else msgspec.json.decode(told["result"])
    return told


def _maybe(value: dict[str, Any] | None) -> bytes | None:
    return None if value is None else msgspec.json.encode(value)
