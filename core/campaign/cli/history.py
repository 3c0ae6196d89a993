"""What became of one cell from campaign to campaign: ``campaign show --history CELL``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from campaign.analysis.statistics import wilson
from campaign.cli.tables import table, when
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.ledger.lookback import Turn
from campaign.ledger.queries import LedgerReader

_WIDTH = 31


def history_of(ledger: LedgerReader, cell: str) -> list[Turn]:
    """Its turns, oldest first; raises CampaignError for a cell that never ran."""
    turns = ledger.history(cell)
    if not turns:
        hint = "a cell is named as in `campaign show --runs`, without its #seed"
        raise CampaignError([Diagnostic("CAMP581", f"no run of a cell called {cell}", hint=hint)])
    return turns


def history_record(cell: str, turns: Sequence[Turn]) -> dict[str, Any]:
    """For programs: each turn with its win rate, 0..1, and the interval of it (Wilson, 95 %)."""
    return {"cell": cell, "history": [{**msgspec.structs.asdict(each), **_rate(each)} for each in turns]}


def history_text(cell: str, turns: Sequence[Turn], now: datetime) -> str:
    """A line a campaign with a plot of the win rate: the interval, and in it the rate."""
    changed = ["", *("*" if b.plan_hash != a.plan_hash else "" for a, b in pairwise(turns))]
    rows = [
        [each.campaign, mark, when(each.at, now), each.passed, each.failed, each.errors, _percent(each), _plot(each)]
        for each, mark in zip(turns, changed, strict=True)
    ]
    scale = f"0 %{'100 %':>{_WIDTH - 3}}"
    headers = ["campaign", "plan", "when", "pass", "fail", "error", "win rate", scale]
    told = table(headers, rows, numbers=("pass", "fail", "error", "win rate"))
    note = "\n* another plan than the time before: spec, rule sets, options or plugins" if "*" in changed else ""
    return f"{cell}\n\n{told}{note}"


def _rate(turn: Turn) -> dict[str, Any]:
    trials = turn.passed + turn.failed
    rate = turn.passed / trials if trials else None
    return {"win_rate": rate, "win_rate_interval": wilson(turn.passed, trials)}


def _percent(turn: Turn) -> str:
    trials = turn.passed + turn.failed
    return f"{turn.passed / trials:.1%}" if trials else "-"


def _plot(turn: Turn) -> str:
    interval = wilson(turn.passed, turn.passed + turn.failed)
    if interval is None:
        return "no valid trial"
    low, high = (round(end * (_WIDTH - 1)) for end in interval)
    line = [" " if place < low or place > high else "─" for place in range(_WIDTH)]
    line[round(turn.passed / (turn.passed + turn.failed) * (_WIDTH - 1))] = "●"
    return f"│{''.join(line)}│"
