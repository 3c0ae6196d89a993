"""What has happened, read only: the questions that ``list``, ``show``, ``failures``, reports and resume ask.

Those about attempts are in ``attempts.py``, those of analyses in ``trials.py``, those about failures in
``sightings.py``; here is what concerns whole campaigns, and the reader that answers all of them.
Rows are streamed, so that a campaign of 100,000s of runs costs constant memory.
"""

# ruff: noqa: S608 - the queries are put together from the names of our own columns; every value is bound

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from campaign.ledger import iterations, lookback, requests
from campaign.ledger.attempts import AttemptQueries
from campaign.ledger.opening import unreadable
from campaign.ledger.reading import DECIDES, NOT_DECODED, refuse_no_time
from campaign.ledger.rows import (
    Belonging,
    CampaignRow,
    ControlRow,
    HoldRow,
    IterationRow,
    RemovalRow,
    RequestRow,
    StepRow,
    seed_of,
)
from campaign.ledger.sightings import SightingQueries
from campaign.ledger.trials import TrialQueries
from campaign.records import Remark
from campaign.records.event import EventView

_CAMPAIGN = ", ".join(CampaignRow.__struct_fields__)
_EVENT = 'seq, at, campaign, key, attempt, origin, "from", "to", cause, epoch, verdict, reason'
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


class LedgerReader(AttemptQueries, TrialQueries, SightingQueries):
    """A read-only view of a ledger; ``with LedgerReader(path) as ledger``.

    Every method raises LedgerError where the ledger turns out to be damaged.
    """

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

    def unsettled(self) -> set[str]:
        """The campaigns of which something is not done, or still holds slots."""
        return {str(campaign) for (campaign,) in self._rows(_UNSETTLED)}

    def removals(self) -> list[RemovalRow]:
        """What is still to be removed from the disk."""
        return [RemovalRow(*row) for row in self._rows("SELECT campaign, path, at FROM removal ORDER BY id")]

    def blob(self, digest: str) -> bytes | None:
        """A part of a snapshot by its hash."""
        row = self._one("SELECT data FROM blob WHERE hash = ?", digest)
        return bytes(row[0]) if row else None

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

    def last_event(self) -> int:
        """The number of the newest event, 0 where there is none."""
        row = self._one("SELECT max(seq) FROM event")
        return int(row[0] or 0) if row else 0

    def events(self, campaign: str | None = None, after: int = 0) -> Iterator[EventView]:
        """The events above number ``after``, in order."""
        where, values = ("AND campaign = ?", (after, campaign)) if campaign is not None else ("", (after,))
        rows = self._rows(f"SELECT {_EVENT} FROM event WHERE seq > ? {where} ORDER BY seq", *values)
        return (_event_view(row) for row in rows)

    def remarks(self, campaign: str, key: str | None = None) -> list[Remark]:
        """The notes and marks of a campaign and its runs, or of one run, in the order in which they were made."""
        rows = self._rows(_REMARKS, campaign, key)
        return [Remark(at=at, text=text, key=key or None, mark=bool(mark)) for at, text, key, mark in rows]

    def marked(self) -> set[str]:
        """The campaigns that are marked, or have a run that is."""
        return {str(campaign) for (campaign,) in self._rows("SELECT DISTINCT campaign FROM mark")}

    def history(self, cell: str) -> list[lookback.Turn]:
        """What became of a cell in each campaign that had it, oldest first."""
        return [lookback.turn(row) for row in self._rows(lookback.HISTORY.format(decides=DECIDES), cell)]

    def search(self, words: Sequence[str]) -> list[lookback.Finding]:
        """Where notes, marks and failures' messages hold all of these words (small letters or not), newest first."""
        wanted = [word.casefold() for word in words[: lookback.MOST_WORDS]]
        self._db.create_function("folded", 1, str.casefold, deterministic=True)
        return [lookback.Finding(*row) for row in self._rows(lookback.search(len(wanted)), *wanted)]

    def iterations(self) -> list[IterationRow]:
        """Every iteration, the newest first."""
        query = f"SELECT {', '.join(iterations.ITERATION)} FROM iteration ORDER BY at DESC, rowid DESC"
        try:
            return [iterations.iteration_row(row) for row in self._rows(query)]
        except NOT_DECODED as error:
            raise unreadable(self.path, error) from error

    def steps(self, iteration: str) -> list[StepRow]:
        """The steps of an iteration, in order."""
        query = f"SELECT {', '.join(iterations.STEP)} FROM step WHERE iteration = ? ORDER BY number"
        try:
            return [iterations.step_row(row) for row in self._rows(query, iteration)]
        except NOT_DECODED as error:
            raise unreadable(self.path, error) from error

    def belonging(self) -> dict[str, Belonging]:
        """Which campaigns belong to which iteration; of several to the newest."""
        return {str(campaign): Belonging(*row) for campaign, *row in self._rows(iterations.CAMPAIGNS)}


def _campaign_row(row: tuple[Any, ...]) -> CampaignRow:
    named = dict(zip(CampaignRow.__struct_fields__, row, strict=True))
    found = CampaignRow(**{**named, "seed": seed_of(named["seed"])})
    refuse_no_time(f"campaign {found.id}", found.created_at, found.finished_at)
    return found


def _event_view(row: tuple[Any, ...]) -> EventView:
    names = ("seq", "at", "campaign", "key", "attempt", "origin", "from_state", "to_state", "cause", "epoch")
    return EventView(**dict(zip((*names, "verdict", "reason"), row, strict=True)))
