"""A ledger that is open for reading, and what every query needs: rows in a stream, and damage told as such."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from campaign.ledger.opening import LedgerError, errors, reader, unreadable
from campaign.records import Decision, Exit, OracleRecord, Order

#: The attempt that decides a run is the newest of the plan's own.
DECIDES = """
NOT EXISTS (SELECT 1 FROM attempt b WHERE b.campaign = a.campaign AND b.key = a.key AND b.origin = a.origin
            AND b.attempt > a.attempt)
"""
#: What a blob that was damaged raises; text that is none is not among msgspec's own errors.
NOT_DECODED = (msgspec.MsgspecError, UnicodeDecodeError)
_ROWS_AT_A_TIME = 500
_Part = TypeVar("_Part")

decode_order = msgspec.json.Decoder(Order).decode
decode_exit = msgspec.json.Decoder(Exit).decode
decode_oracles = msgspec.json.Decoder(tuple[OracleRecord, ...]).decode
decode_decision = msgspec.json.Decoder(Decision).decode


class Reading:
    """A read-only connection, closed at the end of ``with``."""

    def __init__(self, path: str) -> None:
        """Open ``path``; raises LedgerMissingError where there is none, LedgerError where it cannot be read."""
        self.path = path
        self._db = reader(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._db.close()

    def _rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with errors(self.path, unreadable):
            cursor = self._db.execute(query, values)
            while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
                yield from rows

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        with errors(self.path, unreadable):
            found: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return found

    def _count(self, query: str, *values: Any) -> int:
        row = self._one(query, *values)
        return int(row[0] or 0) if row else 0

    def _decoded(self, decode: Callable[[bytes], _Part], row: tuple[Any, ...] | None) -> _Part:
        try:
            return decode(row[0] if row else b"")
        except NOT_DECODED as error:
            raise unreadable(self.path, error) from error


def refuse_no_time(whose: str, *times: str | None) -> None:
    """Raise LedgerError where a time is none: whoever reckons with it would fail, and not say why."""
    for time in times:
        if time is not None and not _is_time(time):
            what = f"{whose} bears the time {time!r}"
            raise LedgerError("CAMP501", f"the ledger is damaged: {what}", "restore it from a copy")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
