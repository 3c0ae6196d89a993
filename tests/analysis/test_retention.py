"""Which campaigns may be cleaned away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.analysis.retention import Ties, examine
from campaign.ledger.rows import CampaignRow

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def row(name: str, ended: str | None = "2026-11-01T00:00:00.000Z", state: str = "finished", **what: Any) -> CampaignRow:
    return CampaignRow(
        id=name,
        name="n",
        spec="/s",
        run_root=f"/r/{name}",
        plan_hash="p",
        seed=0,
        parallel=1,
        created_at="2026-10-01T00:00:00.000Z",
        finished_at=ended,
        state=state,
        **what,
    )


@pytest.mark.parametrize(
    ("campaign", "ties", "why"),
    [
        (row("a"), Ties((), (), ()), None),
        (row("a"), Ties(("a",), (), ()), "marked"),
        (row("a"), Ties((), ("a",), ()), "seen in it first"),
        (row("a"), Ties((), (), ("a",)), "lost or holds"),
        (row("a", None, "interrupted"), Ties((), (), ()), "interrupted"),
        (row("a", None, "running"), Ties((), (), ()), "running"),
        (row("a", None, "queued"), Ties((), (), ()), "queued"),
    ],
)
def test_what_keeps_a_campaign(campaign: CampaignRow, ties: Ties, why: str | None) -> None:
    (found,) = examine([campaign], NOW, ties)
    assert found.why is None if why is None else why in (found.why or "")


def test_what_is_younger_is_not_looked_at() -> None:
    young = [row("a", "2026-11-21T00:00:00.000Z"), row("b", "2026-11-22T00:00:00+00:00")]
    assert list(examine(young, NOW, Ties((), (), ()))) == []


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["", "m", "f", "u"]))), st.integers(0, 40))
def test_a_longer_time_never_removes_more(ages: list[tuple[int, str]], days: int) -> None:
    rows = [row(f"{tie}{n}", (NOW - timedelta(days=age)).isoformat()) for n, (age, tie) in enumerate(ages)]
    ties = Ties(*({each.id for each in rows if each.id.startswith(tie)} for tie in "mfu"))

    def gone(age: int) -> set[str]:
        return {each.campaign.id for each in examine(rows, NOW - timedelta(days=age), ties) if each.why is None}

    assert gone(days + 1) <= gone(days)
    assert not any(name[0] in "mfu" for name in gone(days))
