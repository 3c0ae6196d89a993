"""Questions about a campaign's attempts: which there are, what decides each run, and all that is known of one."""

# ruff: noqa: S608 - the queries are put together from the names of our own columns; every value is bound

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import msgspec
from msgspec import Struct

from campaign.ledger.opening import LedgerError, unreadable
from campaign.ledger.reading import (
    DECIDES,
    NOT_DECODED,
    Reading,
    decode_decision,
    decode_exit,
    decode_oracles,
    decode_order,
    kinds_of,
    refuse_no_time,
)
from campaign.ledger.rows import PLAN, STATES, VERDICTS, AttemptRecord, AttemptRow, Glance, JudgementRow, seed_of
from campaign.records import FaultExit, WatchExit

_ATTEMPT = ", ".join(f"a.{name}" for name in AttemptRow.__struct_fields__)
_GLANCE = (
    *("key", "attempt", "cause", "instance", "cell", "seed", "directory", "verdict", "reason", "fingerprint"),
    *("started_at", "finished_at", "duration_s"),
)

_BLOBS = frozenset((bytes, type(None)))
_GLANCE_KINDS = (*kinds_of(Glance, *_GLANCE), frozenset((int,)), _BLOBS, _BLOBS)


class _AxesOf(Struct, frozen=True):
    """What a glance reads of an order."""

    axes: dict[str, Any] = {}


class _MetricsOf(Struct, frozen=True):
    metrics: dict[str, str] = {}


class _EndOf(Struct, frozen=True):
    """What a glance reads of an exit record."""

    steps: tuple[_MetricsOf, ...] = ()
    granted: dict[str, tuple[int, ...]] = {}
    faults: tuple[FaultExit, ...] = ()
    watches: tuple[WatchExit, ...] = ()


_axes_of = msgspec.json.Decoder(_AxesOf).decode
_end_of = msgspec.json.Decoder(_EndOf).decode


class AttemptQueries(Reading):
    """What is asked about attempts; those of the plan, unless another origin is named."""

    def attempts(self, campaign: str, key: str | None = None, origin: str | None = PLAN) -> Iterator[AttemptRow]:
        """The attempts of a campaign, or of one of its runs, in the order of admission; ``origin`` None: of any."""
        where = "a.campaign = ?1 AND (?3 IS NULL OR a.origin = ?3)" + (" AND a.key = ?2" if key is not None else "")
        rows = self._rows(f"SELECT {_ATTEMPT} FROM attempt a WHERE {where} ORDER BY a.id", campaign, key, origin)
        return (_attempt_row(row) for row in rows)

    def asked_attempts(self, request: str) -> Iterator[AttemptRow]:
        """The attempts that a request asked for, in the order of admission."""
        rows = self._rows(f"SELECT {_ATTEMPT} FROM attempt a WHERE a.request = ? ORDER BY a.id", request)
        return (_attempt_row(row) for row in rows)

    def deciding_attempts(self, campaign: str, origin: str = "plan") -> Iterator[AttemptRow]:
        """The attempt that decides each run, in the order of admission."""
        query = f"SELECT {_ATTEMPT} FROM attempt a WHERE a.campaign = ? AND a.origin = ? AND {DECIDES} ORDER BY a.id"
        return (_attempt_row(row) for row in self._rows(query, campaign, origin))

    def runs_by_id(self, run: str) -> Iterator[AttemptRow]:
        """The attempts of the plan's run with that id, in every campaign, newest first."""
        there = "a.campaign IN (SELECT id FROM campaign)"
        rows = self._rows(
            f"SELECT {_ATTEMPT} FROM attempt a WHERE a.run = ? AND a.origin = 'plan' AND {there} ORDER BY a.id DESC",
            run,
        )
        return (_attempt_row(row) for row in rows)

    def known_keys(self, campaign: str, origin: str = "plan") -> Iterator[str]:
        """The keys of all runs that were ever admitted: what a plan goes past when it is resumed."""
        query = "SELECT DISTINCT key FROM attempt WHERE campaign = ? AND origin = ?"
        return (str(key) for (key,) in self._rows(query, campaign, origin))

    def done_keys(self, campaign: str, origin: str = "plan") -> Iterator[str]:
        """The keys of the runs that are done: nothing follows their last attempt."""
        query = f"""
            SELECT a.key FROM attempt a
            WHERE a.campaign = ? AND a.origin = ? AND a.state = 'done' AND a.again IS NULL AND {DECIDES} ORDER BY a.id
        """
        return (str(key) for (key,) in self._rows(query, campaign, origin))

    def unfinished(self, campaign: str | None = None) -> list[AttemptRow]:
        """The attempts that are not done: queued again, in flight, or lost."""
        where, values = ("AND a.campaign = ?", (campaign,)) if campaign is not None else ("", ())
        # Named, or SQLite would rather read all attempts in the order that is asked for than sort these few.
        table = "attempt a INDEXED BY attempt_open"
        rows = self._rows(f"SELECT {_ATTEMPT} FROM {table} WHERE a.state != 'done' {where} ORDER BY a.id", *values)
        return [_attempt_row(row) for row in rows]

    def to_follow(self, campaign: str) -> list[AttemptRow]:
        """The done attempts that another one is to follow and does not yet."""
        query = f"""
            SELECT {_ATTEMPT} FROM attempt a
            WHERE a.campaign = ? AND a.state = 'done' AND a.again IS NOT NULL AND {DECIDES} ORDER BY a.id
        """
        return [_attempt_row(row) for row in self._rows(query, campaign)]

    def counts(self, campaign: str, origin: str = "plan") -> dict[tuple[str, str | None], int]:
        """How many runs stand in each (state, verdict), by the attempt that decides."""
        query = f"""
            SELECT a.state, a.verdict, count(*) FROM attempt a
            WHERE a.campaign = ? AND a.origin = ? AND {DECIDES} GROUP BY a.state, a.verdict
        """
        return {(state, verdict): count for state, verdict, count in self._rows(query, campaign, origin)}

    def progress(self, campaign: str) -> list[tuple[str, str, str | None, int]]:
        """Runs by (instance, state, verdict) and how many, by the attempt that decides each."""
        query = f"""
            SELECT a.instance, a.state, a.verdict, count(*) FROM attempt a
            WHERE a.campaign = ? AND a.origin = 'plan' AND {DECIDES} GROUP BY 1, 2, 3 ORDER BY min(a.id)
        """
        return [(str(name), str(state), verdict, int(n)) for name, state, verdict, n in self._rows(query, campaign)]

    def decided(self, campaign: str) -> dict[str, int]:
        """How many runs came to each verdict, nothing to follow."""
        query = f"""
            SELECT a.verdict, count(*) FROM attempt a WHERE a.campaign = ? AND a.origin = 'plan'
            AND a.state = 'done' AND a.again IS NULL AND {DECIDES} GROUP BY a.verdict
        """
        return {str(verdict): int(count) for verdict, count in self._rows(query, campaign)}

    def failing(self, campaign: str) -> dict[tuple[str, str | None, str | None], int]:
        """How many runs failed, or could not be told, by verdict, kind and fingerprint of the attempt that decides."""
        query = f"""
            SELECT a.verdict, a.kind, a.fingerprint, count(*) FROM attempt a
            WHERE a.campaign = ? AND a.origin = 'plan' AND a.verdict IN ('fail', 'error') AND {DECIDES}
            GROUP BY a.verdict, a.kind, a.fingerprint
        """
        return {(verdict, kind, mark): count for verdict, kind, mark, count in self._rows(query, campaign)}

    def causes(self, campaign: str, origin: str = PLAN) -> dict[str, dict[str, int]]:
        """How many attempts each run had by their cause, of the runs that had more than one."""
        query = """
            SELECT key, cause, count(*) FROM attempt WHERE campaign = ? AND origin = ?
            AND key IN (SELECT key FROM attempt WHERE campaign = ? AND origin = ? AND attempt > 1) GROUP BY key, cause
        """
        found: dict[str, dict[str, int]] = {}
        for key, cause, count in self._rows(query, campaign, origin, campaign, origin):
            found.setdefault(key, {})[cause] = count
        return found

    def record(self, token: str) -> AttemptRecord | None:
        """Everything that is known of an attempt."""
        return next(self._records("a.token = ?", token), None)

    def attempt(self, campaign: str, key: str, origin: str, attempt: int) -> AttemptRecord | None:
        """The same, by its place."""
        where = "a.campaign = ? AND a.key = ? AND a.origin = ? AND a.attempt = ?"
        return next(self._records(where, campaign, key, origin, attempt), None)

    def records(self, campaign: str, *, after: int = 0) -> Iterator[AttemptRecord]:
        """Everything that is known of a campaign's attempts, in the order of admission, ids above ``after``."""
        return self._records("a.campaign = ? AND a.id > ? ORDER BY a.id", campaign, after)

    def records_by_cell(self, campaign: str, origin: str = "plan") -> Iterator[AttemptRecord]:
        """The same, in order of cell, seed and attempt: what reports read."""
        query = "SELECT token FROM attempt WHERE campaign = ? AND origin = ? ORDER BY cell, seed < 0, seed, attempt"
        found = (self.record(token) for (token,) in self._rows(query, campaign, origin))
        return (record for record in found if record is not None)

    def judgements(self, token: str) -> list[JudgementRow]:
        """The judgements of an attempt, oldest first."""
        query = "SELECT token, source, at, oracles, decision FROM judgement WHERE token = ? ORDER BY id"
        try:
            return [_judgement_row(row) for row in self._rows(query, token)]
        except NOT_DECODED as error:
            raise unreadable(self.path, error) from error

    def glances(self, campaign: str, origin: str = "plan") -> Iterator[Glance]:
        """A little of every attempt, in the order of admission; a third of the price of ``records``."""
        columns = ", ".join(f"a.{name}" for name in _GLANCE)
        # The ids are sorted alone: a sort of whole rows would write every order and exit record to the disk again.
        # Without a LIMIT SQLite takes the order of a subquery for superfluous.
        query = f"""
            WITH s AS MATERIALIZED (SELECT id FROM attempt WHERE campaign = ? AND origin = ? ORDER BY id LIMIT -1)
            SELECT {columns}, {DECIDES}, o.data, e.data FROM s CROSS JOIN attempt a ON a.id = s.id
            CROSS JOIN blob o ON o.id = a.order_blob LEFT JOIN blob e ON e.id = a.exit_blob
        """
        return (self._glance(row) for row in self._sound(_GLANCE_KINDS, self._rows(query, campaign, origin)))

    def _records(self, where: str, *values: Any) -> Iterator[AttemptRecord]:
        query = f"""
            SELECT {_ATTEMPT}, o.data, e.data, j.oracles, j.decision FROM attempt a
            JOIN blob o ON o.id = a.order_blob LEFT JOIN blob e ON e.id = a.exit_blob
            LEFT JOIN judgement j
                   ON j.id = (SELECT max(id) FROM judgement WHERE token = a.token AND source = 'exec') WHERE {where}
        """
        return (self._record(row) for row in self._rows(query, *values))

    def _record(self, row: tuple[Any, ...]) -> AttemptRecord:
        *columns, order, exit_, oracles, decision = row
        try:
            return AttemptRecord(
                row=_attempt_row(tuple(columns)),
                order=decode_order(order),
                exit=decode_exit(exit_) if exit_ is not None else None,
                oracles=decode_oracles(oracles) if oracles is not None else (),
                decision=decode_decision(decision) if decision is not None else None,
            )
        except NOT_DECODED as error:
            raise unreadable(self.path, error) from error

    def _glance(self, row: tuple[Any, ...]) -> Glance:
        *columns, decides, order, exit_ = row
        try:
            end = _EndOf() if exit_ is None else _end_of(exit_)
            axes = _axes_of(order).axes
        except NOT_DECODED as error:
            raise unreadable(self.path, error) from error
        metrics = {name: text for step in end.steps for name, text in step.metrics.items()}
        named = dict(zip(_GLANCE, columns, strict=True))
        named["seed"] = seed_of(named["seed"])
        refuse_no_time(f"attempt {named['key']}", named["started_at"], named["finished_at"])
        if named["duration_s"] in {inf, -inf}:
            raise unreadable(self.path, f"attempt {named['key']} took {named['duration_s']} seconds")
        named |= {"granted": end.granted, "faults": end.faults, "watches": end.watches}
        return Glance(**named, decides=bool(decides), axes=axes, metrics=metrics)


def _attempt_row(row: tuple[Any, ...]) -> AttemptRow:
    named = dict(zip(AttemptRow.__struct_fields__, row, strict=True))
    named["seed"] = seed_of(named["seed"])
    found = AttemptRow(**named)
    if found.state not in STATES or found.verdict not in {None, *VERDICTS}:
        what = f"attempt {found.token} is {found.state!r} with the verdict {found.verdict!r}"
        raise LedgerError("CAMP501", f"the ledger is damaged: {what}", "restore it from a copy")
    refuse_no_time(f"attempt {found.token}", found.started_at, found.finished_at)
    return found


def _judgement_row(row: tuple[Any, ...]) -> JudgementRow:
    token, source, at, oracles, decision = row
    return JudgementRow(
        token=token, source=source, at=at, oracles=decode_oracles(oracles), decision=decode_decision(decision)
    )
