"""What has happened, read only: the questions that ``list``, ``show``, ``failures``, reports and resume ask.

Rows are streamed, so that a campaign of 100,000s of runs costs constant memory.
"""

# ruff: noqa: S608 - the queries are put together from the names of our own columns; every value is bound

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from campaign.ledger import iterations, lookback, requests, sightings, trials
from campaign.ledger.opening import LedgerError, errors, reader, unreadable
from campaign.ledger.rows import (
    PLAN,
    STATES,
    VERDICTS,
    AttemptRecord,
    AttemptRow,
    Belonging,
    CampaignRow,
    ControlRow,
    FailureRow,
    Glance,
    HoldRow,
    IterationRow,
    JudgementRow,
    RemovalRow,
    RequestRow,
    Sighting,
    StepRow,
    Trial,
    seed_of,
)
from campaign.ledger.trials import Faults, Shape
from campaign.records import Decision, Exit, FaultExit, OracleRecord, Order, Remark, WatchExit
from campaign.records.event import EventView

_CAMPAIGN = ", ".join(CampaignRow.__struct_fields__)
_ATTEMPT = ", ".join(f"a.{name}" for name in AttemptRow.__struct_fields__)
_EVENT = 'seq, at, campaign, key, attempt, origin, "from", "to", cause, epoch, verdict, reason'
#: The attempt that decides a run is the newest of the plan's own.
_DECIDES = """
NOT EXISTS (SELECT 1 FROM attempt b WHERE b.campaign = a.campaign AND b.key = a.key AND b.origin = a.origin
            AND b.attempt > a.attempt)
"""
_REMARKS = """
SELECT at, text, key, 0 FROM note WHERE campaign = ?1 AND (?2 IS NULL OR key = ?2)
UNION ALL SELECT at, why, key, 1 FROM mark WHERE campaign = ?1 AND (?2 IS NULL OR key = ?2) ORDER BY at
"""
#: Campaigns of which something is not done, still to be carried out, or still holds slots.
_UNSETTLED = """
SELECT DISTINCT campaign FROM attempt WHERE state != 'done'
UNION SELECT campaign FROM request WHERE state = 'open'
UNION SELECT DISTINCT a.campaign FROM hold h JOIN attempt a ON a.token = h.token
"""
_Part = TypeVar("_Part")
_ROWS_AT_A_TIME = 500
_GLANCE = (
    *("key", "attempt", "cause", "instance", "cell", "seed", "directory", "verdict", "reason", "fingerprint"),
    *("started_at", "finished_at", "duration_s"),
)


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


_order = msgspec.json.Decoder(Order).decode
_exit = msgspec.json.Decoder(Exit).decode
_oracles = msgspec.json.Decoder(tuple[OracleRecord, ...]).decode
_decision = msgspec.json.Decoder(Decision).decode
_axes_of = msgspec.json.Decoder(_AxesOf).decode
_shape = msgspec.json.Decoder(Shape).decode
_faults = msgspec.json.Decoder(Faults).decode
_end_of = msgspec.json.Decoder(_EndOf).decode


#: What a blob that was damaged raises; text that is none is not among msgspec's own errors.
_NOT_DECODED = (msgspec.MsgspecError, UnicodeDecodeError)


class LedgerReader:
    """A read-only view of a ledger; ``with LedgerReader(path) as ledger``.

    Every method raises LedgerError where the ledger turns out to be damaged.
    """

    def __init__(self, path: str) -> None:
        """Open ``path``; raises LedgerMissingError where there is none, LedgerError where it cannot be read."""
        self.path = path
        self._db = reader(path)

    def __enter__(self) -> LedgerReader:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._db.close()

    def campaigns(self) -> Iterator[CampaignRow]:
        """Every campaign, newest first."""
        rows = self._rows(f"SELECT {_CAMPAIGN} FROM campaign ORDER BY created_at DESC, id DESC")
        return (_campaign_row(row) for row in rows)

    def campaign(self, campaign: str) -> CampaignRow | None:
        """The campaign of that id."""
        row = self._one(f"SELECT {_CAMPAIGN} FROM campaign WHERE id = ?", campaign)
        return _campaign_row(row) if row else None

    def newest_campaign(self, spec: str | None = None, *, unfinished: bool = False) -> CampaignRow | None:
        """The newest campaign, of this spec (an absolute path), that is not finished: as asked for."""
        where = ["1"] + (["spec = ?"] if spec else []) + (["state != 'finished'"] if unfinished else [])
        query = (
            f"SELECT {_CAMPAIGN} FROM campaign WHERE {' AND '.join(where)} ORDER BY created_at DESC, id DESC LIMIT 1"
        )
        row = self._one(query, *([spec] if spec else []))
        return _campaign_row(row) if row else None

    def submitted(self, submission: str) -> str | None:
        """The id of the campaign that was recorded for a client's request."""
        row = self._one("SELECT id FROM campaign WHERE submission = ?", submission)
        return str(row[0]) if row else None

    def queue(self) -> list[CampaignRow]:
        """The campaigns that were submitted and are not finished, in the order of their submission."""
        query = f"SELECT {_CAMPAIGN} FROM campaign WHERE submission IS NOT NULL AND state != 'finished' ORDER BY rowid"
        return [_campaign_row(row) for row in self._rows(query)]

    def controls(self) -> list[ControlRow]:
        """What is paused and canceled, in the order in which that was said."""
        return [ControlRow(*row) for row in self._rows("SELECT campaign, prefix, verb, at FROM control ORDER BY id")]

    def held(self) -> dict[str, int]:
        """Named slots that stay held until a person releases them."""
        rows = self._rows("SELECT slot, count(DISTINCT slot_index) FROM hold WHERE slot != '' GROUP BY slot")
        return {str(slot): int(count) for slot, count in rows}

    def holds(self) -> list[HoldRow]:
        """What attempts hold until a person releases it, oldest first."""
        return [HoldRow(*row) for row in self._rows("SELECT token, slot, slot_index, why, at FROM hold ORDER BY id")]

    def decided(self, campaign: str) -> dict[str, int]:
        """How many runs came to each verdict, nothing to follow."""
        query = f"""
            SELECT a.verdict, count(*) FROM attempt a WHERE a.campaign = ? AND a.origin = 'plan'
            AND a.state = 'done' AND a.again IS NULL AND {_DECIDES} GROUP BY a.verdict
        """
        return {str(verdict): int(count) for verdict, count in self._rows(query, campaign)}

    def progress(self, campaign: str) -> list[tuple[str, str, str | None, int]]:
        """Runs by (instance, state, verdict) and how many, by the attempt that decides each."""
        query = f"""
            SELECT a.instance, a.state, a.verdict, count(*) FROM attempt a
            WHERE a.campaign = ? AND a.origin = 'plan' AND {_DECIDES} GROUP BY 1, 2, 3 ORDER BY min(a.id)
        """
        return [(str(name), str(state), verdict, int(n)) for name, state, verdict, n in self._rows(query, campaign)]

    def blob(self, digest: str) -> bytes | None:
        """A part of a snapshot by its hash."""
        row = self._one("SELECT data FROM blob WHERE hash = ?", digest)
        return bytes(row[0]) if row else None

    def attempts(self, campaign: str, key: str | None = None, origin: str | None = PLAN) -> Iterator[AttemptRow]:
        """The attempts of a campaign, or of one of its runs, in the order of admission; ``origin`` None: of any."""
        where = "a.campaign = ?1 AND (?3 IS NULL OR a.origin = ?3)" + (" AND a.key = ?2" if key is not None else "")
        rows = self._rows(f"SELECT {_ATTEMPT} FROM attempt a WHERE {where} ORDER BY a.id", campaign, key, origin)
        return (_attempt_row(row) for row in rows)

    def asked_attempts(self, request: str) -> list[AttemptRow]:
        """The attempts that a request asked for, in the order of admission."""
        rows = self._rows(f"SELECT {_ATTEMPT} FROM attempt a WHERE a.request = ? ORDER BY a.id", request)
        return [_attempt_row(row) for row in rows]

    def requests(self, campaign: str | None = None, *, state: str | None = None) -> list[RequestRow]:
        """What was asked for beside the plans, of a campaign or of all, in the order in which it was asked for."""
        where = "campaign IN (SELECT id FROM campaign) AND (?1 IS NULL OR campaign = ?1) AND (?2 IS NULL OR state = ?2)"
        return self._requests(where, campaign, state)

    def request(self, identity: str) -> RequestRow | None:
        """One of these."""
        return next(iter(self._requests("id = ?", identity)), None)

    def requests_of(self, token: str) -> list[RequestRow]:
        """What was asked for that is about one attempt."""
        return self._requests("parent = ?", token)

    def _requests(self, where: str, *values: Any) -> list[RequestRow]:
        query = f"SELECT {', '.join(requests.COLUMNS)} FROM request WHERE {where} ORDER BY rowid"
        try:
            return [requests.request_row(row) for row in self._rows(query, *values)]
        except msgspec.MsgspecError as error:
            raise unreadable(self.path, error) from error

    def deciding_attempts(self, campaign: str, origin: str = "plan") -> Iterator[AttemptRow]:
        """The attempt that decides each run, in the order of admission."""
        query = f"SELECT {_ATTEMPT} FROM attempt a WHERE a.campaign = ? AND a.origin = ? AND {_DECIDES} ORDER BY a.id"
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
            WHERE a.campaign = ? AND a.origin = ? AND a.state = 'done' AND a.again IS NULL AND {_DECIDES} ORDER BY a.id
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
            WHERE a.campaign = ? AND a.state = 'done' AND a.again IS NOT NULL AND {_DECIDES} ORDER BY a.id
        """
        return [_attempt_row(row) for row in self._rows(query, campaign)]

    def counts(self, campaign: str, origin: str = "plan") -> dict[tuple[str, str | None], int]:
        """How many runs stand in each (state, verdict), by the attempt that decides."""
        query = f"""
            SELECT a.state, a.verdict, count(*) FROM attempt a
            WHERE a.campaign = ? AND a.origin = ? AND {_DECIDES} GROUP BY a.state, a.verdict
        """
        return {(state, verdict): count for state, verdict, count in self._rows(query, campaign, origin)}

    def failing(self, campaign: str) -> dict[tuple[str, str | None, str | None], int]:
        """How many runs failed, or could not be told, by verdict, kind and fingerprint of the attempt that decides."""
        query = f"""
            SELECT a.verdict, a.kind, a.fingerprint, count(*) FROM attempt a
            WHERE a.campaign = ? AND a.origin = 'plan' AND a.verdict IN ('fail', 'error') AND {_DECIDES}
            GROUP BY a.verdict, a.kind, a.fingerprint
        """
        return {(verdict, kind, mark): count for verdict, kind, mark, count in self._rows(query, campaign)}

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

    def glances(self, campaign: str, origin: str = "plan", *, axes: bool = True) -> Iterator[Glance]:
        """A little of every attempt, in the order of admission; a third of the price of ``records``.

        Without ``axes`` no order is read, which saves a third of that.
        """
        columns = ", ".join(f"a.{name}" for name in _GLANCE)
        # The ids are sorted alone: a sort of whole rows would write every order and exit record to the disk again.
        # Without a LIMIT SQLite takes the order of a subquery for superfluous.
        order, orders = ("o.data", "CROSS JOIN blob o ON o.id = a.order_blob") if axes else ("NULL", "")
        query = f"""
            WITH s AS MATERIALIZED (SELECT id FROM attempt WHERE campaign = ? AND origin = ? ORDER BY id LIMIT -1)
            SELECT {columns}, {_DECIDES}, {order}, e.data FROM s CROSS JOIN attempt a ON a.id = s.id
            {orders} LEFT JOIN blob e ON e.id = a.exit_blob
        """
        return (self._glance(row) for row in self._rows(query, campaign, origin))

    def trials(self, campaign: str) -> Iterator[Trial]:
        """The attempt that decides each run of the plan, in the order of admission; half the price of ``glances``."""
        return (Trial(*row) for row in self._rows(trials.TRIALS, campaign))

    def order_of(self, trial: Trial) -> Order:
        """What was to be done."""
        return self._decoded(_order, self._one(trials.ORDER, trial.order))

    def shape_of(self, trial: Trial) -> Shape:
        """The same, as far as it holds for every run of its cell."""
        return self._decoded(_shape, self._one(trials.ORDER, trial.order))

    def faults_of(self, trial: Trial) -> tuple[FaultExit, ...]:
        """The faults that it had."""
        return () if trial.exit is None else self._decoded(_faults, (trial.exit,)).faults

    def exit_of(self, trial: Trial) -> Exit | None:
        """What happened; None where nothing was started."""
        return None if trial.exit is None else self._decoded(_exit, (trial.exit,))

    def oracles_of(self, trial: Trial) -> tuple[OracleRecord, ...]:
        """What the oracles said when it was judged first."""
        row = self._one(trials.ORACLES, trial.token)
        return () if row is None else self._decoded(_oracles, row)

    def _decoded(self, decode: Callable[[bytes], _Part], row: tuple[Any, ...] | None) -> _Part:
        try:
            return decode(row[0] if row else b"")
        except _NOT_DECODED as error:
            raise unreadable(self.path, error) from error

    def seen_first_in(self, fingerprint: str) -> str | None:
        """The campaign in which a failure was seen first."""
        row = self._one(trials.SEEN_FIRST, fingerprint)
        return str(row[0]) if row else None

    def failures(self, campaign: str | None = None) -> Iterator[FailureRow]:
        """The failures of a campaign, or of all, by fingerprint, the most frequent first."""
        rows = self._rows(sightings.FAILURES if campaign is None else sightings.FAILURES_OF, campaign)
        return map(sightings.failure_row, rows)

    def first_of(self, fingerprint: str) -> Sighting | None:
        """The attempt of the plan that failed so before all others, as the ledger came to know it."""
        row = self._one(sightings.FIRST, fingerprint)
        return Sighting(*row) if row else None

    def fingerprints(self, beginning: str, most: int) -> list[tuple[str, str]]:
        """The fingerprints that begin so, at most so many, each with the token of its first attempt."""
        query = """
            SELECT f.fingerprint, a.token FROM (
                SELECT fingerprint, min(id) AS first FROM attempt
                WHERE fingerprint >= ?1 AND fingerprint < ?1 || 'g' GROUP BY fingerprint LIMIT ?2
            ) f JOIN attempt a ON a.id = f.first
        """
        return [(str(fingerprint), str(token)) for fingerprint, token in self._rows(query, beginning, most)]

    def cells_of(self, fingerprint: str, campaign: str | None = None, most: int = -1) -> list[str]:
        """Cells that a failure came in, of a campaign or of all."""
        return [str(cell) for (cell,) in self._rows(sightings.CELLS, campaign, fingerprint, most)]

    def last_of(self, fingerprint: str, name: str, at: str) -> tuple[str, int] | None:
        """Where a failure was judged last, in campaigns of a name that had begun by then: campaign and attempt."""
        row = self._one(sightings.LAST, fingerprint, name, at)
        return (str(row[0]), int(row[1])) if row else None

    def failed_runs(self, fingerprint: str, campaign: str) -> int:
        """How many runs of a campaign failed so."""
        return self._count(sightings.FAILED_RUNS, fingerprint, campaign)

    def named(self, name: str, at: str, most: int) -> list[str]:
        """The campaigns of a name that had begun by then, newest first."""
        return [str(campaign) for (campaign,) in self._rows(sightings.NAMED, name, at, most)]

    def decided_runs(self, campaign: str, cells: Sequence[str] | None = None, after: int = 0) -> int:
        """How many runs (of these cells) passed or failed, in attempts whose ids are above ``after``."""
        if cells is None:
            return self._count(sightings.DECIDED_RUNS, campaign, after)
        return sum(self._count(sightings.DECIDED_RUNS_OF, campaign, after, cell) for cell in cells)

    def recovered(self, campaign: str, key: str, origin: str, attempt: int) -> bool:
        """Whether a later attempt of that run passed."""
        return self._one(sightings.RECOVERED, campaign, key, origin, attempt) is not None

    def judgements(self, token: str) -> list[JudgementRow]:
        """The judgements of an attempt, oldest first."""
        query = "SELECT token, source, at, oracles, decision FROM judgement WHERE token = ? ORDER BY id"
        try:
            return [_judgement_row(row) for row in self._rows(query, token)]
        except _NOT_DECODED as error:
            raise unreadable(self.path, error) from error

    def last_event(self) -> int:
        """The number of the newest event, 0 where there is none."""
        row = self._one("SELECT max(seq) FROM event")
        return int(row[0] or 0) if row else 0

    def events(self, campaign: str | None = None, after: int = 0) -> Iterator[EventView]:
        """The events above number ``after``, in order."""
        where, values = ("AND campaign = ?", (after, campaign)) if campaign is not None else ("", (after,))
        rows = self._rows(f"SELECT {_EVENT} FROM event WHERE seq > ? {where} ORDER BY seq", *values)
        return (_event_view(row) for row in rows)

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

    def remarks(self, campaign: str, key: str | None = None) -> list[Remark]:
        """The notes and marks of a campaign and its runs, or of one run, in the order in which they were made."""
        rows = self._rows(_REMARKS, campaign, key)
        return [Remark(at=at, text=text, key=key or None, mark=bool(mark)) for at, text, key, mark in rows]

    def marked(self) -> set[str]:
        """The campaigns that are marked, or have a run that is."""
        return {str(campaign) for (campaign,) in self._rows("SELECT DISTINCT campaign FROM mark")}

    def history(self, cell: str) -> list[lookback.Turn]:
        """What became of a cell in each campaign that had it, oldest first."""
        return [lookback.turn(row) for row in self._rows(lookback.HISTORY.format(decides=_DECIDES), cell)]

    def search(self, words: Sequence[str]) -> list[lookback.Finding]:
        """Where notes, marks and failures' messages hold all of these words (small letters or not), newest first."""
        wanted = [lookback.pattern(word) for word in words[: lookback.MOST_WORDS]]
        return [lookback.Finding(*row) for row in self._rows(lookback.search(len(wanted)), *wanted)]

    def first_seen(self) -> set[str]:
        """The campaigns in which some fingerprint was seen first."""
        return {str(campaign) for (campaign,) in self._rows(sightings.FIRST_CAMPAIGNS)}

    def unsettled(self) -> set[str]:
        """The campaigns of which something is not done, or still holds slots."""
        return {str(campaign) for (campaign,) in self._rows(_UNSETTLED)}

    def iterations(self) -> list[IterationRow]:
        """Every iteration, the newest first."""
        query = f"SELECT {', '.join(iterations.ITERATION)} FROM iteration ORDER BY at DESC, rowid DESC"
        try:
            return [iterations.iteration_row(row) for row in self._rows(query)]
        except _NOT_DECODED as error:
            raise unreadable(self.path, error) from error

    def steps(self, iteration: str) -> list[StepRow]:
        """The steps of an iteration, in order."""
        query = f"SELECT {', '.join(iterations.STEP)} FROM step WHERE iteration = ? ORDER BY number"
        try:
            return [iterations.step_row(row) for row in self._rows(query, iteration)]
        except _NOT_DECODED as error:
            raise unreadable(self.path, error) from error

    def belonging(self) -> dict[str, Belonging]:
        """Which campaigns belong to which iteration; of several to the newest."""
        return {str(campaign): Belonging(*row) for campaign, *row in self._rows(iterations.CAMPAIGNS)}

    def removals(self) -> list[RemovalRow]:
        """What is still to be removed from the disk."""
        return [RemovalRow(*row) for row in self._rows("SELECT campaign, path, at FROM removal ORDER BY id")]

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
                order=_order(order),
                exit=_exit(exit_) if exit_ is not None else None,
                oracles=_oracles(oracles) if oracles is not None else (),
                decision=_decision(decision) if decision is not None else None,
            )
        except _NOT_DECODED as error:
            raise unreadable(self.path, error) from error

    def _glance(self, row: tuple[Any, ...]) -> Glance:
        *columns, decides, order, exit_ = row
        try:
            end = _EndOf() if exit_ is None else _end_of(exit_)
            axes = {} if order is None else _axes_of(order).axes
        except _NOT_DECODED as error:
            raise unreadable(self.path, error) from error
        metrics = {name: text for step in end.steps for name, text in step.metrics.items()}
        named = dict(zip(_GLANCE, columns, strict=True))
        named["seed"] = seed_of(named["seed"])
        _refuse_no_time(f"attempt {named['key']}", named["started_at"], named["finished_at"])
        named |= {"granted": end.granted, "faults": end.faults, "watches": end.watches}
        return Glance(**named, decides=bool(decides), axes=axes, metrics=metrics)

    def _rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with errors(self.path, unreadable):
            cursor = self._db.execute(query, values)
            while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
                yield from rows

    def _count(self, query: str, *values: Any) -> int:
        row = self._one(query, *values)
        return int(row[0] or 0) if row else 0

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        return next(self._rows(query, *values), None)


def _campaign_row(row: tuple[Any, ...]) -> CampaignRow:
    named = dict(zip(CampaignRow.__struct_fields__, row, strict=True))
    found = CampaignRow(**{**named, "seed": seed_of(named["seed"])})
    _refuse_no_time(f"campaign {found.id}", found.created_at, found.finished_at)
    return found


def _attempt_row(row: tuple[Any, ...]) -> AttemptRow:
    named = dict(zip(AttemptRow.__struct_fields__, row, strict=True))
    named["seed"] = seed_of(named["seed"])
    found = AttemptRow(**named)
    if found.state not in STATES or found.verdict not in {None, *VERDICTS}:
        what = f"attempt {found.token} is {found.state!r} with the verdict {found.verdict!r}"
        raise LedgerError("CAMP501", f"the ledger is damaged: {what}", "restore it from a copy")
    _refuse_no_time(f"attempt {found.token}", found.started_at, found.finished_at)
    return found


def _refuse_no_time(whose: str, *times: str | None) -> None:
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


def _judgement_row(row: tuple[Any, ...]) -> JudgementRow:
    token, source, at, oracles, decision = row
    return JudgementRow(token=token, source=source, at=at, oracles=_oracles(oracles), decision=_decision(decision))


def _event_view(row: tuple[Any, ...]) -> EventView:
    names = ("seq", "at", "campaign", "key", "attempt", "origin", "from_state", "to_state", "cause", "epoch")
    return EventView(**dict(zip((*names, "verdict", "reason"), row, strict=True)))
