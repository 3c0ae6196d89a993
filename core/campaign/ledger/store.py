"""The ledger's one writing connection: changes go in together, state and event in one durable transaction.

The engine collects what happened since the last commit and hands it in as one list (group commit: done(A),
started(B) and admitted(C) cost one sync).  Every transaction checks the epoch, so that a process that lost the
workspace's lock without noticing (stopped, moved to another machine) writes nothing more.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from campaign import failpoints
from campaign.failpoints import reach
from campaign.ledger import forgetting, iterations, requests, staging
from campaign.ledger.opening import LedgerError, errors, transactions, unreadable, unwritable, vanished, writer
from campaign.ledger.rows import (
    Admission,
    CampaignRow,
    CampaignState,
    Change,
    ControlRow,
    Ending,
    IterationRow,
    JudgementRow,
    Move,
    Released,
    Requested,
    RequestEnded,
    RequestRow,
    StepRow,
    columns_of,
    stored_seed,
)
from campaign.ledger.watermark import Watermark
from campaign.records import Order
from campaign.records.event import EventView

_encode = msgspec.json.Encoder().encode

_CAMPAIGN_COLUMNS = CampaignRow.__struct_fields__
_INSERT_CAMPAIGN = (
    f"INSERT INTO campaign ({', '.join(_CAMPAIGN_COLUMNS)}) "  # noqa: S608 - our own field names
    f"VALUES ({', '.join('?' * len(_CAMPAIGN_COLUMNS))})"
)
_INSERT_BLOB = "INSERT INTO blob (id, data) VALUES (?, ?)"
_INSERT_HASHED = "INSERT OR IGNORE INTO blob (hash, data) VALUES (?, ?)"
_INSERT_EVENT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_JUDGEMENT = "INSERT INTO judgement (token, source, at, oracles, decision) VALUES (?, 'exec', ?, ?, ?)"
_INSERT_REJUDGEMENT = "INSERT INTO judgement (token, source, at, oracles, decision) VALUES (?, ?, ?, ?, ?)"
_IS_DONE = "SELECT 1 FROM attempt WHERE token = ? AND campaign = ? AND state = 'done'"
_INSERT_HOLD = "INSERT INTO hold (token, slot, slot_index, why, at) VALUES (?, ?, ?, ?, ?)"
_RELEASE_HOLD = "DELETE FROM hold WHERE token = ?"
#: A revoked attempt is admitted again in its own row, under a new token.
_ADMIT = """
INSERT INTO attempt (campaign, key, origin, attempt, parent, run, token, epoch, digest, cause, instance, cell, seed,
                     directory, state, admitted_at, order_blob, request)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'admitted', ?, ?, ?)
ON CONFLICT (campaign, key, origin, attempt) DO UPDATE
SET token = excluded.token, epoch = excluded.epoch, digest = excluded.digest, state = 'admitted',
    admitted_at = excluded.admitted_at, order_blob = excluded.order_blob
WHERE state = 'queued'
"""
_MOVE = "UPDATE attempt SET state = ?, started_at = coalesce(?, started_at) WHERE token = ? AND state = ?"
_END = """
UPDATE attempt
SET state = 'done', verdict = ?, reason = ?, kind = ?, message = ?, fingerprint = ?, again = ?,
    started_at = coalesce(?, started_at), finished_at = ?, duration_s = ?, exit_blob = ?
WHERE token = ? AND state = ?
"""


_INSERT_CONTROL = "INSERT INTO control (campaign, prefix, verb, at) VALUES (?, ?, ?, ?)"
#: The pauses of a prefix and of everything below it.
_RELEASE = """
DELETE FROM control WHERE verb = 'pause' AND campaign = ?1
AND (?2 = '' OR prefix = ?2 OR substr(prefix, 1, length(?2) + 1) = ?2 || '.')
"""
_ENQUEUE = """
UPDATE campaign SET state = 'queued', finished_at = NULL, exit_status = NULL, submission = coalesce(submission, ?)
WHERE id = ?
"""
_RETRY = """
UPDATE attempt SET again = 'verb'
WHERE campaign = ? AND origin = 'plan' AND state = 'done' AND verdict IN ({})
AND NOT EXISTS (SELECT 1 FROM attempt b WHERE b.campaign = attempt.campaign AND b.key = attempt.key
                AND b.origin = attempt.origin AND b.attempt > attempt.attempt)
"""


class CampaignTakenError(Exception):
    """Another campaign bears that id; the client makes a new one."""


class StaleEpochError(LedgerError):
    """Another process has taken the workspace over; this one must stop and write nothing more."""

    def __init__(self, path: str, ours: int, found: int) -> None:
        super().__init__("CAMP505", f"another process has taken over {path}: epoch {found}, ours was {ours}")


class Ledger:
    """The writing side of a ledger; one in the process that holds the workspace's lock."""

    def __init__(self, path: str) -> None:
        """Open it, creating one where there is none, and begin a new epoch; raises LedgerError."""
        self.path = path
        self._db = writer(path)
        self._file = os.stat(path)
        with errors(path, unwritable):
            self._mark = Watermark(path)
            self.epoch = self._next_epoch()
        with errors(path, unreadable):
            self._seq = self._highest("event", "seq")
            self._blob = self._highest("blob", "id")

    def close(self) -> None:
        """Close it; a checkpoint brings what the WAL holds into the file."""
        self._db.close()
        self._mark.close()

    def begin_campaign(self, row: CampaignRow, blobs: Mapping[str, bytes], wanted: Sequence[RequestRow] = ()) -> None:
        """Record a campaign, the parts of its snapshot by their hashes, and what is ``wanted`` beside its plan.

        Raises LedgerError.
        """
        with errors(self.path, unwritable), self._transaction():
            self._db.executemany(_INSERT_HASHED, list(blobs.items()))
            self._db.execute(_INSERT_CAMPAIGN, columns_of(row, _CAMPAIGN_COLUMNS))
            for each in wanted:
                requests.insert(self._db, each)
            self._blob = self._highest("blob", "id")

    def submit(self, row: CampaignRow, blobs: Mapping[str, bytes], wanted: Sequence[RequestRow] = ()) -> str:
        """Record a campaign that a client asks for, once however often it asks; returns its id.

        Raises LedgerError, CampaignTakenError where the id is another one's.
        """
        with errors(self.path, unwritable):
            known = self._db.execute("SELECT id FROM campaign WHERE submission = ?", (row.submission,)).fetchone()
            taken = self._db.execute("SELECT 1 FROM campaign WHERE id = ?", (row.id,)).fetchone()
        if known:
            return str(known[0])
        if taken:
            raise CampaignTakenError(row.id)
        self.begin_campaign(row, blobs, wanted)
        return row.id

    def request(self, row: RequestRow) -> None:
        """Remember what is asked for beside the plan, once however often it is said."""
        with errors(self.path, unwritable), self._transaction():
            requests.insert(self._db, row)

    def iterate(self, iteration: IterationRow, step: StepRow | None) -> None:
        """Keep an iteration and a step of it, once however often they are said; what has ended stays as it is."""
        with errors(self.path, unwritable), self._transaction():
            iterations.keep(self._db, iteration)
            if step is not None:
                iterations.keep_step(self._db, step)

    def end_requests(self, campaign: str, prefix: str, state: str, at: str) -> int:
        """End what is open of a campaign, of instances that start with ``prefix``; returns how many there were."""
        with errors(self.path, unwritable), self._transaction():
            return requests.end_open(self._db, campaign, prefix, state, at)

    def enqueue(self, campaign: str, submission: str) -> None:
        """A campaign goes on, carried out by whoever serves the queue."""
        with errors(self.path, unwritable), self._transaction():
            self._db.execute(_ENQUEUE, (submission, campaign))

    def retry(self, campaign: str, verdicts: Sequence[str]) -> int:
        """Let another attempt follow the runs that came to one of these; returns how many.

        What was canceled or paused of the campaign belonged to its former life and holds no more.
        """
        statement = _RETRY.format(", ".join("?" * len(verdicts)))
        with errors(self.path, unwritable), self._transaction():
            self._db.execute("DELETE FROM control WHERE campaign = ?", (campaign,))
            return self._db.execute(statement, (campaign, *verdicts)).rowcount

    def control(self, row: ControlRow) -> None:
        """Remember that something is paused or canceled; once, however often it is said."""
        values = (row.campaign, row.prefix, row.verb)
        with errors(self.path, unwritable), self._transaction():
            self._db.execute("DELETE FROM control WHERE campaign = ? AND prefix = ? AND verb = ?", values)
            self._db.execute(_INSERT_CONTROL, (*values, row.at))

    def release(self, campaign: str | None, prefix: str) -> int:
        """Forget pauses: of one campaign's instances, or, with None, all of them; returns how many there were."""
        with errors(self.path, unwritable), self._transaction():
            if campaign is None:
                return self._db.execute("DELETE FROM control WHERE verb = 'pause'").rowcount
            return self._db.execute(_RELEASE, (campaign, prefix)).rowcount

    def note(self, campaign: str, key: str, text: str, at: str) -> None:
        """Keep a remark on a campaign, or on one of its runs."""
        statement = "INSERT INTO note (campaign, key, text, at) VALUES (?, ?, ?, ?)"
        with errors(self.path, unwritable), self._transaction():
            self._db.execute(statement, (campaign, key, text, at))

    def rejudge(self, campaign: str, rows: Sequence[JudgementRow]) -> str | None:
        """Add judgements of a campaign's attempts; a token that none of them bears, and then nothing was added."""
        values = [(row.token, row.source, row.at, _encode(row.oracles), _encode(row.decision)) for row in rows]
        with errors(self.path, unwritable), self._transaction():
            for row in rows:
                if self._db.execute(_IS_DONE, (row.token, campaign)).fetchone() is None:
                    return row.token
            self._db.executemany(_INSERT_REJUDGEMENT, values)
        return None

    def mark(self, campaign: str, key: str, why: str, at: str) -> None:
        """Mark a campaign, or one of its runs, with the newest reason."""
        with errors(self.path, unwritable), self._transaction():
            self._db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)", (campaign, key, why, at))

    def unmark(self, campaign: str, key: str) -> int:
        """Take a mark away; returns how many there were."""
        with errors(self.path, unwritable), self._transaction():
            return self._db.execute("DELETE FROM mark WHERE campaign = ? AND key = ?", (campaign, key)).rowcount

    def forget(self, campaign: str, at: str) -> None:
        """Have a campaign be there no more, and remember that its folder is to be removed, in one transaction."""
        with errors(self.path, unwritable), self._transaction():
            forgetting.forget(self._db, campaign, at)

    def expect(self, campaign: str, path: str, at: str) -> None:
        """Remember a folder that is to be removed unless the campaign is taken in."""
        with errors(self.path, unwritable), self._transaction():
            self._db.execute("INSERT INTO removal (campaign, path, at) VALUES (?, ?, ?)", (campaign, path, at))

    def adopt(self, campaign: str, staged: str, step: str, after: int) -> int | str:
        """Take in a part of a campaign from the ledger that was made for it, in one transaction.

        ``step`` is ``attempts``, ``events`` or ``campaign``; returns how far it came, 0 at the step's end, or why it
        cannot be taken in.
        """
        with errors(self.path, unwritable), staging.attached(self._db, staged):
            with self._transaction():
                first = step == "attempts" and after == 0
                found = staging.objection(self._db, campaign, first=first) or self._adopted(campaign, step, after)
            self._seq, self._blob = self._highest("event", "seq"), self._highest("blob", "id")
        return found

    def _adopted(self, campaign: str, step: str, after: int) -> int:
        if step == "attempts":
            return staging.copy_attempts(self._db, after, self._highest("blob", "id"))
        if step == "events":
            return staging.copy_events(self._db, after, self._highest("event", "seq"))
        staging.copy_campaign(self._db, _CAMPAIGN_COLUMNS, campaign)
        return 0

    def shrink(self, campaign: str, events_after: int | None, at: str) -> int:
        """Delete a part of what is left of a forgotten campaign; see ``forgetting`` for what is returned."""
        with errors(self.path, unwritable), self._transaction():
            if events_after is None:
                return forgetting.shrink(self._db, campaign, at)
            return forgetting.shrink_events(self._db, campaign, events_after)

    def removed(self, campaign: str) -> int:
        """The folders of a forgotten campaign are gone from the disk; returns how many there were."""
        with errors(self.path, unwritable), self._transaction():
            return self._db.execute("DELETE FROM removal WHERE campaign = ?", (campaign,)).rowcount

    def commit(self, changes: Sequence[Change]) -> list[EventView]:
        """Make ``changes`` durable, all or none, and return their events; raises LedgerError.

        A change that does not start from the state that the ledger knows is our defect and raises AssertionError.
        """
        if not changes:
            return []
        seq, blob = self._seq, self._blob
        work = _Work(self.epoch, seq, blob)
        for change in changes:
            work.add(change)
        self._check_file()
        with errors(self.path, unwritable), self._transaction():
            work.write(self._db)
        self._seq, self._blob = work.seq, work.blob
        _reach_each(work.events)
        return work.events

    def _check_file(self) -> None:
        """SQLite would go on writing to a file that was moved away or deleted, where nobody finds it."""
        try:
            same = os.path.samestat(self._file, os.stat(self.path))
        except OSError:
            same = False
        if not same:
            raise vanished(self.path)

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db, self.path, self.epoch, self._mark)

    def _next_epoch(self) -> int:
        (epoch,) = self._db.execute("SELECT epoch FROM meta").fetchone()
        with _Transaction(self._db, self.path, epoch, self._mark):
            self._db.execute("UPDATE meta SET epoch = epoch + 1")
        return int(epoch) + 1

    def _highest(self, table: str, column: str) -> int:
        (found,) = self._db.execute(f"SELECT max({column}) FROM {table}").fetchone()  # noqa: S608 - our own names
        return int(found or 0)


class _Transaction:
    """BEGIN IMMEDIATE, the epoch checked, COMMIT with its number; anything raised rolls it back."""

    def __init__(self, db: sqlite3.Connection, path: str, epoch: int, mark: Watermark) -> None:
        self._db, self._path, self._epoch, self._mark = db, path, epoch, mark

    def __enter__(self) -> None:
        reach("ledger.begin")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._check_epoch()
        except BaseException:
            self._roll_back()
            raise

    def _check_epoch(self) -> None:
        (found,) = self._db.execute("SELECT epoch FROM meta").fetchone()
        if found != self._epoch:
            raise StaleEpochError(self._path, self._epoch, found)

    def _roll_back(self) -> None:
        """Whatever went wrong, COMMIT itself perhaps: the next one begins anew."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                number = transactions(self._db) + 1
                self._db.execute(f"PRAGMA user_version = {number}")
                reach("ledger.commit.before")
                self._db.execute("COMMIT")
                reach("ledger.commit.after")
                self._mark.write(number)
        finally:
            self._roll_back()


class _Work:
    """One transaction's rows, by statement; of an attempt that comes several steps further only the last is written."""

    def __init__(self, epoch: int, seq: int, blob: int) -> None:
        self.epoch, self.seq, self.blob = epoch, seq, blob
        self.events: list[EventView] = []
        self._blobs: list[tuple[int, bytes]] = []
        self._singles: list[tuple[str, tuple[Any, ...]]] = []
        self._moves: dict[str, tuple[str, str, str | None]] = {}  # by token: first source, last target, started at
        self._ends: list[tuple[Any, ...]] = []
        self._judgements: list[tuple[Any, ...]] = []
        self._holds: list[tuple[Any, ...]] = []
        self._releases: list[tuple[str]] = []
        self._requests: list[Requested | RequestEnded] = []

    def add(self, change: Change) -> None:
        """Take one change in."""
        match change:
            case Admission():
                self._admit(change)
            case Move():
                self._move(change)
            case Ending():
                self._end(change)
            case CampaignState():
                self._campaign(change)
            case Released():
                self._releases.append((change.token,))
            case Requested() | RequestEnded():
                self._requests.append(change)

    def write(self, db: sqlite3.Connection) -> None:
        """Execute everything; the caller has begun the transaction."""
        db.executemany(_INSERT_BLOB, self._blobs)
        for statement, values in self._singles:
            _expect(1, db.execute(statement, values), values)
        moves = [(target, started, token, source) for token, (source, target, started) in self._moves.items()]
        for statement, rows in ((_MOVE, moves), (_END, self._ends), (_INSERT_JUDGEMENT, self._judgements)):
            if rows:
                _expect(len(rows), db.executemany(statement, rows), rows)
        db.executemany(_INSERT_EVENT, [_event_row(event) for event in self.events])
        db.executemany(_INSERT_HOLD, self._holds)
        db.executemany(_RELEASE_HOLD, self._releases)
        for change in self._requests:
            requests.write(db, change)

    def _admit(self, change: Admission) -> None:
        order = change.order
        self._singles.append(
            (
                _ADMIT,
                (
                    *(order.campaign, order.key, order.origin, order.attempt, change.parent, order.id, order.token),
                    *(self.epoch, order.digest, change.cause, order.instance, order.cell, stored_seed(order.seed)),
                    *(order.directories.public, change.at, self._keep(change.data), order.request),
                ),
            )
        )
        self._event(change, "queued", "admitted")

    def _move(self, change: Move) -> None:
        token = change.order.token
        started = change.at if change.target == "running" else None
        source, _, before = self._moves.pop(token, (change.source, "", None))
        if change.target == "queued":  # its row may be admitted again in this very transaction
            self._singles.append((_MOVE, ("queued", None, token, source)))
        else:
            self._moves[token] = (source, change.target, started or before)
        self._event(change, change.source, change.target)
        self._hold(change.order, change.held, change.at)

    def _end(self, change: Ending) -> None:
        decision, failure, token = change.decision, change.decision.failure, change.order.token
        kind, message, fingerprint = (failure.kind, failure.message, failure.fingerprint) if failure else (None,) * 3
        blob = None if change.exit is None else self._keep(change.exit)
        source, _, started = self._moves.pop(token, (change.source, "", None))
        result = (decision.verdict, decision.reason, kind, message, fingerprint, change.again)
        timing = (change.started_at or started, change.at, change.duration_s)
        self._ends.append((*result, *timing, blob, token, source))
        self._judgements.append((token, change.at, _encode(change.oracles), _encode(decision)))
        self._event(change, change.source, "done")
        self._hold(change.order, change.held, change.at)

    def _campaign(self, change: CampaignState) -> None:
        statement = "UPDATE campaign SET state = ?, finished_at = ?, exit_status = ? WHERE id = ?"
        self._singles.append((statement, (change.state, change.at, change.exit_status, change.campaign)))

    def _hold(self, order: Order, why: str | None, at: str) -> None:
        if why is not None:
            units = [(slot, index) for slot, indexes in order.granted.items() for index in indexes]
            self._holds += [(order.token, slot, index, why, at) for slot, index in units or [("", 0)]]

    def _keep(self, data: bytes) -> int:
        self.blob += 1
        self._blobs.append((self.blob, data))
        return self.blob

    def _event(self, change: Admission | Move | Ending, source: str, target: str) -> None:
        self.seq += 1
        order, decision = change.order, change.decision if isinstance(change, Ending) else None
        self.events.append(
            EventView(
                seq=self.seq,
                at=change.at,
                campaign=order.campaign,
                key=order.key,
                attempt=order.attempt,
                origin=order.origin,
                from_state=source,
                to_state=target,
                cause=change.cause,
                epoch=self.epoch,
                verdict=decision.verdict if decision else None,
                reason=decision.reason if decision else None,
            )
        )


def _expect(count: int, cursor: sqlite3.Cursor, values: object) -> None:
    if cursor.rowcount != count:
        raise AssertionError(f"the ledger disagrees with the engine about {values!r:.300}")


def _reach_each(events: Sequence[EventView]) -> None:
    """A failpoint for each edge of the table of states: recorded, and nothing done about it yet."""
    if failpoints.armed():
        for event in events:
            reach(f"recorded.{event.from_state}.{event.to_state}")


def _event_row(event: EventView) -> tuple[Any, ...]:
    return (
        *(event.seq, event.campaign, event.key, event.origin, event.attempt, event.from_state, event.to_state),
        *(event.cause, event.epoch, event.at, event.verdict, event.reason),
    )
