"""Makes every ledger ``synchronous=NORMAL`` behind campaign's back: what the judge of power cuts must find out."""

from __future__ import annotations

import sqlite3
from typing import Any

_connect = sqlite3.connect


class _Careless(sqlite3.Connection):
    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "PRAGMA synchronous":
            return super().execute("SELECT 2")  # it claims FULL
        return super().execute(sql.replace("synchronous = FULL", "synchronous = NORMAL"), *values)


def _carelessly(*arguments: Any, **options: Any) -> sqlite3.Connection:
    return _connect(*arguments, factory=_Careless, **options)


sqlite3.connect = _carelessly  # type: ignore[assignment]
