"""A ledger that is open for reading, and what every query needs: rows in a stream, and damage told as such."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

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

    def _sound(self, kinds: tuple[frozenset[Any], ...], rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The rows, each column of one of its ``kinds``: SQLite holds anything anywhere.  Raises LedgerError."""
        known: set[tuple[type, ...]] = set()
        for row in rows:
            found = tuple(map(type, row))
            if found not in known:
                if not all(map(frozenset.__contains__, kinds, found)):
                    odd = next(each for each, kind in zip(row, kinds, strict=False) if type(each) not in kind)
                    raise unreadable(self.path, f"{odd!r:.60} stands where something else belongs")
                known.add(found)
            yield row

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


def kinds_of(row: type[Struct], *columns: str) -> tuple[frozenset[Any], ...]:
    """What SQLite may give for these columns, by the types of the fields of a row."""
    hints = get_type_hints(row)
    found = (frozenset(get_args(hints[name]) or (hints[name],)) for name in columns)
    return tuple(kinds | {int} if float in kinds else kinds for kinds in found)


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
