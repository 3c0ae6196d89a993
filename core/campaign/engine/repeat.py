"""``exec --until-fail``: the runs of a plan that passed are carried out again, round by round, until one does not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

from campaign.analysis.ruled import quarantined_in
from campaign.engine.sidework import Came, Ground, Trial, Work
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import FAILED, REPEAT, AttemptRecord, AttemptRow, RequestRow
from campaign.records import Verdict

KIND = REPEAT
#: Trials that are under way at a time, for each of the campaign's places: none waits for the planner.
_AHEAD = 2
#: So many runs of the plan are kept in memory between rounds; of a larger plan each is read again.
_MOST_KEPT = 1_000
#: After so many runs it is told how many there were.
_TOLD_EVERY = 100


def work(ground: Ground) -> Work:
    """Wait for the plan; where all of it passed, repeat it until a run fails or ``max_runs`` of them have ended."""
    yield []
    with LedgerReader(ground.ledger) as ledger:
        rows = list(ledger.deciding_attempts(ground.campaign.id))
        spared = frozenset(quarantined_in(ledger, ground.campaign))
    bad = next((row for row in rows if row.verdict != Verdict.PASS and row.fingerprint not in spared), None)
    if bad is not None or not rows:
        return _told(len(rows), bad.name if bad else None, bad.directory if bad else None)
    most = ground.request.settings.get("max_runs")
    trials = islice(_trials(ground, rows), None if most is None else max(0, most - len(rows)))
    return (yield from _repeat(ground, len(rows), trials, spared))


def _repeat(ground: Ground, runs: int, trials: Iterator[Trial], spared: frozenset[str]) -> Work:
    """Keep some under way; the first that does not pass, and is not ``spared``, ends it."""
    ahead = _AHEAD * ground.campaign.parallel
    wanted, under_way = list(islice(trials, ahead)), 0
    while wanted or under_way:
        under_way += len(wanted)
        came = yield wanted
        assert came is not None
        under_way -= 1
        runs += 1
        failure = came.decision.failure
        if came.decision.verdict is not Verdict.PASS and (failure is None or failure.fingerprint not in spared):
            return _failed(runs, came)
        if runs % _TOLD_EVERY == 0:
            ground.note(f"{runs:,} runs have passed")
        wanted = list(islice(trials, 1))
    return _told(runs, None, None)


def _trials(ground: Ground, rows: list[AttemptRow]) -> Iterator[Trial]:
    """Round after round, in the order of admission."""
    kept: dict[str, AttemptRecord] = {}
    for row in cycle(rows):
        parent = kept.get(row.token)
        if parent is None:
            with LedgerReader(ground.ledger) as ledger:
                parent = ledger.record(row.token)
            assert parent is not None
            if len(kept) < _MOST_KEPT:
                kept[row.token] = parent
        yield Trial(order=parent.order, parent=parent)


def _failed(runs: int, came: Came) -> dict[str, Any]:
    order, failure = came.order, came.decision.failure
    message = failure.message if failure else came.decision.reason
    told = _told(runs, f"{order.key}@{order.origin}-{order.attempt}", order.directories.public)
    return {**told, "verdict": came.decision.verdict, "message": message}


def failed(request: tuple[RequestRow, dict[str, Any]]) -> bool:
    """Whether a repeat of the plan came to a failure: that is the campaign's own."""
    row, result = request
    return row.kind == KIND and (result.get("failed") is not None or row.state == FAILED)


def _told(runs: int, failed: str | None, directory: str | None) -> dict[str, Any]:
    return {"runs": runs, "failed": failed, "directory": directory}
