"""The judge from outside: what the tools themselves left, against what campaign claims.

Nothing of campaign is used here but its files: the ledger is read as a database, exit records as JSON.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from .ground import Ground


class Row(NamedTuple):
    """An attempt as the ledger has it."""

    campaign: str
    instance: str
    seed: int
    attempt: int
    token: str
    state: str
    verdict: str | None
    reason: str | None

    @property
    def name(self) -> str:
        return f"{self.campaign}@{self.instance}@{self.seed}@{self.attempt}"


def attempts(ground: Ground) -> list[Row]:
    """Every attempt in the ledger, in the order of their numbers."""
    db = sqlite3.connect(f"file:{ground.workspace}/ledger.sqlite?mode=ro", uri=True)
    try:
        columns = ", ".join(Row._fields)
        return [Row(*row) for row in db.execute(f"SELECT {columns} FROM attempt ORDER BY attempt")]
    finally:
        db.close()


def deciding(rows: list[Row]) -> dict[tuple[str, int], Row]:
    """The last attempt of each run, by campaign and seed."""
    return {(row.campaign, row.seed): row for row in rows}


def verdicts(ground: Ground) -> Counter[str]:
    """How many runs came to what."""
    return Counter(row.verdict or row.state for row in deciding(attempts(ground)).values())


def violations(ground: Ground, acknowledged: Mapping[str, int]) -> list[str]:
    """Everything that must never happen; ``acknowledged`` campaigns with the number of their runs."""
    rows = attempts(ground)
    return [*ground.defects, *_twice(ground), *_lost(rows, acknowledged), *_passes(ground, rows), *_files(ground, rows)]


def _twice(ground: Ground) -> list[str]:
    begun, _ = ground.effects()
    more = [f"{name} was executed {count} times" for name, count in begun.items() if count > 1]
    return more + [f"{name} was executed although it had been" for name in ground.twice()]


def _lost(rows: list[Row], acknowledged: Mapping[str, int]) -> list[str]:
    decided = deciding(rows)
    wanted = [(campaign, seed) for campaign, runs in acknowledged.items() for seed in range(1, runs + 1)]
    found = [(each, decided.get(each)) for each in wanted]
    return [
        f"{campaign}: run {seed} is {row.state if row else 'not there'}, although it was acknowledged"
        for (campaign, seed), row in found
        if row is None or row.state != "done"
    ]


def _passes(ground: Ground, rows: list[Row]) -> list[str]:
    begun, ended = ground.effects()
    said = []
    for row in rows:
        if row.verdict not in {"pass", "fail"}:
            continue
        record = exit_record(ground, row.token)
        if record is None or record.get("token") != row.token:
            said.append(f"{row.name} came to {row.verdict} without an exit record")
        if row.verdict == "pass" and (row.seed % 3 == 0 or (begun[row.name], ended[row.name]) != (1, 1)):
            said.append(f"{row.name} passed; it began {begun[row.name]} times and ended {ended[row.name]} times")
    return said


def exit_record(ground: Ground, token: str) -> dict[str, Any] | None:
    """How an attempt ended, None where its record is missing or damaged."""
    try:
        found = json.loads((ground.workspace / "attempts" / token / "exit.json").read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _files(ground: Ground, rows: list[Row]) -> list[str]:
    """Where the files for people say something else than the ledger."""
    decided = deciding(rows)
    said = []
    for path in ground.workspace.glob("runs/*/*/*/seed-*/run.json"):
        try:
            run = json.loads(path.read_bytes())
        except ValueError as error:
            said.append(f"{path} is damaged: {error}")
            continue
        row = decided.get((run["campaign"], run["seed"]))
        if row is None or (row.state == "done" and run["verdict"] != row.verdict):
            said.append(f"{path} says {run['verdict']}, the ledger {row and row.verdict}")
    return said
