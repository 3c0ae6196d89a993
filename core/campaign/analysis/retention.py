"""Which campaigns may be cleaned away, and why the others are kept; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignRow


class Ties(Struct, frozen=True):
    """What keeps campaigns: by id those that are marked, hold the first of a failure, are not settled, or are needed
    by an iteration that goes on.
    """

    marked: Collection[str]
    first_seen: Collection[str]
    unsettled: Collection[str]
    iterating: Collection[str] = ()


class Kept(Struct, frozen=True):
    """A campaign that is old enough; ``why`` it is kept all the same, None where it may go."""

    campaign: CampaignRow
    why: str | None


def read_ties(ledger: LedgerReader) -> Ties:
    """What a ledger says; raises LedgerError."""
    iterating = {campaign for campaign, each in ledger.belonging().items() if each.open}
    return Ties(ledger.marked(), ledger.first_seen(), ledger.unsettled(), iterating)


def examine(rows: Iterable[CampaignRow], before: datetime, ties: Ties) -> Iterator[Kept]:
    """The campaigns that ended before that time, with what keeps each; one that has not ended has no age."""
    for row in rows:
        ended = row.finished_at if row.finished else row.created_at
        if ended is not None and datetime.fromisoformat(ended) < before:
            yield Kept(row, _tie(row, ties))


def _tie(row: CampaignRow, ties: Ties) -> str | None:
    if not row.finished:
        return f"it is {row.state}"
    if row.id in ties.marked:
        return "it is marked"
    if row.id in ties.unsettled:
        return "a run of it is lost or holds slots: campaign release"
    if row.id in ties.iterating:
        return "an iteration that goes on needs it"
    return "a failure was seen in it first" if row.id in ties.first_seen else None
