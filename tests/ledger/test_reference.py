"""``docs/reference/ledger.md`` names every table and every column, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from campaign.ledger.store import Ledger


def test_every_table_and_column_is_documented(root: Path, path: str) -> None:
    db = Ledger(path)._db
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    real = {table: {row[1] for row in db.execute(f"PRAGMA table_info({table})")} for table in tables}
    text = (root / "docs" / "reference" / "ledger.md").read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    documented = {
        section.split("\n", 1)[0]: {
            name
            for cell in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
            for name in re.findall(r"`(\w+)`", cell)
        }
        for section in sections
    }
    internal = {table: {"id"} for table in ("attempt", "control", "hold", "judgement", "note", "removal")}
    assert documented == {table: columns - internal.get(table, set()) for table, columns in real.items()}
