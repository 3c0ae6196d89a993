"""What is to be said of quarantines at the end of a campaign: which are over, and which are not needed any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, log
from shlex import quote

from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignRow, FailureRow
from campaign.rules.structs import Quarantine, RuleBook

#: A failure that would have shown itself with this certainty, and did not, is gone.
CERTAINTY = 0.95
#: However often it came, fewer runs than these prove nothing; campaigns that are looked through for them.
_FEWEST, _MOST_CAMPAIGNS = 3, 100
#: Cells of a failure that are looked at.
_MOST_CELLS = 200


def enough(failed: int, runs: int) -> int:
    """How many runs in a row without a failure say that it is gone, where ``failed`` of ``runs`` showed it.

    The smallest n with (1 - failed / runs)^n <= 1 - CERTAINTY, and at least three.
    """
    rate = failed / max(runs, failed, 1)
    if rate >= 1 or rate <= 0:
        return _FEWEST
    return max(_FEWEST, ceil(log(1 - CERTAINTY) / log(1 - rate)))


def remarks(
    ledger: LedgerReader, campaign: CampaignRow, book: RuleBook, failures: Iterable[FailureRow]
) -> Iterator[str]:
    """What a person should know of the quarantines that bind a campaign, by the day (UTC) on which it began."""
    if not book.quarantine:
        return
    day, seen = campaign.created_at[:10], {row.fingerprint: row for row in failures}
    for rule in book.quarantine.values():
        row, over = seen.get(rule.fingerprint), rule.until < day
        if row is not None and over:
            yield f"{_named(rule)} was in quarantine until {rule.until}: it counts again"
        elif row is not None:
            owner = f"; {rule.owner} sees to it" if rule.owner else ""
            yield f"{_named(rule)} does not count until {rule.until}{owner}"
        elif over:
            yield f"the quarantine of {_named(rule)} was over on {rule.until}, and it did not fail: {_take_out(rule)}"
        elif (runs := _runs_without(ledger, campaign, rule)) is not None:
            yield f"{_named(rule)} is in quarantine and has not failed in {_last(runs)}: {_take_out(rule)}"


def _named(rule: Quarantine) -> str:
    return f"{rule.fingerprint} ({rule.issue})"


def _last(runs: int) -> str:
    """At least so many were looked at, the newest first: not all there were."""
    return "its last run" if runs == 1 else f"its last {runs:,} runs"


def _take_out(rule: Quarantine) -> str:
    span = rule.origin.span
    return f"take it out of {quote(span.file)}:{span.line}"


def _runs_without(ledger: LedgerReader, campaign: CampaignRow, rule: Quarantine) -> int | None:
    """How many runs have not failed so since it was seen last, where these are enough to say so."""
    last = ledger.last_of(rule.fingerprint, campaign.name, campaign.created_at)
    if last is None:
        found = _count(ledger, campaign, None, 0, rule.runs) if rule.runs is not None else 0
        return found if rule.runs is not None and found >= rule.runs else None
    there, attempt = last
    cells = ledger.cells_of(rule.fingerprint, there, _MOST_CELLS)
    failed = ledger.failed_runs(rule.fingerprint, there)
    wanted = rule.runs or enough(failed, ledger.decided_runs(there, cells))
    found = _count(ledger, campaign, cells, attempt, wanted)
    return found if found >= wanted else None


def _count(ledger: LedgerReader, campaign: CampaignRow, cells: Sequence[str] | None, after: int, wanted: int) -> int:
    """Runs of these cells in attempts above number ``after``, newest campaign first, as far as they are wanted."""
    found = 0
    for name in ledger.named(campaign.name, campaign.created_at, _MOST_CAMPAIGNS):
        found += ledger.decided_runs(name, cells, after)
        if found >= wanted:
            break
    return found
