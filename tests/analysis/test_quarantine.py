"""When a quarantine is over, and when it is not needed any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.analysis.quarantine import CERTAINTY, enough, remarks
from campaign.diagnostics import Span
from campaign.ledger.queries import LedgerReader
from campaign.rules.failures import quarantined
from campaign.rules.structs import Origin, Quarantine, RuleBook

ORIGIN = Origin("z", Span("rules/z.yaml", 7, 5, 7, 9))


def book(mark: str, until: str = "2027-01-31", **what: Any) -> RuleBook:
    rule = Quarantine(fingerprint=mark, issue="D-1", until=until, origin=ORIGIN, **what)
    return RuleBook(quarantine={mark: rule})


@pytest.fixture
def told(tmp_path: Path) -> Any:
    def of(campaign: Any, rules: RuleBook) -> list[str]:
        with LedgerReader(str(tmp_path / ".campaign/ledger.sqlite")) as ledger:
            return list(remarks(ledger, campaign, rules, list(ledger.failures(campaign.id))))

    return of


def mark_of(tmp_path: Path, campaign: Any) -> str:
    with LedgerReader(str(tmp_path / ".campaign/ledger.sqlite")) as ledger:
        return next(ledger.failures(campaign.id)).fingerprint


@pytest.mark.parametrize(("day", "held"), [("2027-01-30", True), ("2027-01-31", True), ("2027-02-01", False)])
def test_the_last_day_is_still_in_it(day: str, held: bool) -> None:
    assert ("f" * 16 in quarantined(book("f" * 16), day)) is held


def test_what_fails_is_said_to_be_held_or_to_count_again(recorded: Any, told: Any, tmp_path: Path) -> None:
    row = recorded([("a", 1, ["fail: x"])])
    mark = mark_of(tmp_path, row)
    assert told(row, book(mark, owner="storage")) == [
        f"{mark} (D-1) does not count until 2027-01-31; storage sees to it"
    ]
    assert told(row, book(mark, until="2026-11-20")) == [f"{mark} (D-1) does not count until 2026-11-20"]
    assert told(row, book(mark, until="2026-11-19")) == [
        f"{mark} (D-1) was in quarantine until 2026-11-19: it counts again"
    ]


def test_what_is_over_and_did_not_fail_is_to_be_taken_out(recorded: Any, told: Any) -> None:
    row = recorded([("a", 1, ["pass"])])
    (step,) = told(row, book("f" * 16, until="2026-11-01"))
    assert "was over on 2026-11-01, and it did not fail: take it out of rules/z.yaml:7" in step
    assert told(row, book("f" * 16)) == []


def test_what_has_not_failed_in_enough_runs_is_gone(recorded: Any, told: Any, tmp_path: Path) -> None:
    """Half of the runs of its cell failed: five since then without it say with 95 % that it is gone."""
    first = recorded([("a", 1, ["fail: x"]), ("a", 2, ["pass"]), ("b", 1, ["pass"])])
    mark = mark_of(tmp_path, first)
    few = recorded(
        [("a", seed, ["pass"]) for seed in range(2)] + [("b", seed, ["pass"]) for seed in range(9)], number=2
    )
    assert told(few, book(mark)) == []
    assert told(few, book(mark, runs=4)) == []
    (step,) = told(few, book(mark, runs=3))
    assert f"{mark} (D-1) is in quarantine and has not failed in its last 3 runs: take it out of rules/z.yaml:7" in step
    more = recorded([("a", 1, ["pass"]), ("a", 2, ["error: it hung"])], number=4)
    assert told(more, book(mark)) == []
    last = recorded([("a", 1, ["pass"])], number=6)
    assert any("has not failed in its last 5 runs" in step for step in told(last, book(mark)))
    assert told(few, book(mark)) == [], "what came later says nothing of an earlier campaign"


def test_another_campaign_proves_nothing(recorded: Any, told: Any, tmp_path: Path) -> None:
    mark = mark_of(tmp_path, recorded([("a", 1, ["fail: x"])]))
    other = recorded([("a", seed, ["pass"]) for seed in range(20)], name="other", number=2)
    assert told(other, book(mark)) == []


def test_what_was_never_seen_is_gone_only_where_the_rule_says_how_many_runs_are_enough(
    recorded: Any, told: Any
) -> None:
    row = recorded([("a", seed, ["pass"]) for seed in range(4)])
    assert told(row, book("f" * 16)) == []
    assert told(row, book("f" * 16, runs=5)) == []
    assert len(told(row, book("f" * 16, runs=4))) == 1


@given(st.integers(1, 500), st.integers(1, 5000))
def test_enough_is_the_least_that_is_certain(failed: int, runs: int) -> None:
    wanted, rate = enough(failed, runs), min(1.0, failed / runs)
    assert (1 - rate) ** wanted <= 1 - CERTAINTY + 1e-9 or wanted == 3
    assert wanted >= 3
    assert wanted == 3 or (1 - rate) ** (wanted - 1) > 1 - CERTAINTY - 1e-9
