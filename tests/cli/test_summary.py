"""The text at the end of a campaign: pure, bounded, and plain."""

from typing import Any

import pytest

from campaign.cli.summary import summary_text
from campaign.cli.tables import ago, table, took
from campaign.records import InstanceCounts, Summary, UniqueFailure


def make(**changes: Any) -> Summary:
    base: dict[str, Any] = {
        "campaign": "c-1",
        "name": "crash",
        "state": "finished",
        "exit_status": 0,
        "started_at": "2026-11-20T10:00:00Z",
        "duration_s": 65.0,
        "total": 1,
        "verdicts": {"pass": 1},
        "plan_hash": "0",
    }
    return Summary(**{**base, **changes})


def failure(number: int) -> UniqueFailure:
    text = f"{number:016x}"
    return UniqueFailure(fingerprint=text, kind="oracle", message="m" * 500, count=1, first="k@1", evidence="e")


def test_a_campaign_that_passed_is_told_in_one_line() -> None:
    assert summary_text(make(), "/r") == "crash: 1 run in 1 min 5 s: 1 pass"


def test_instances_stand_in_the_order_of_the_plan() -> None:
    instances = (InstanceCounts(instance="a", verdicts={"pass": 2}), InstanceCounts(instance="b", verdicts={"fail": 1}))
    text = summary_text(make(instances=instances, verdicts={"pass": 2, "fail": 1}), "/r")
    assert [line.split() for line in text.splitlines()[:4]] == [
        ["instance", "pass", "fail"],
        ["----------", "------", "------"],
        ["a", "2"],
        ["b", "1"],
    ]


def test_long_lists_are_cut_and_say_how_to_see_more() -> None:
    bad = (InstanceCounts(instance="bad", verdicts={"fail": 1}),)
    instances = tuple(InstanceCounts(instance=f"i{number}", verdicts={"pass": 1}) for number in range(1000))
    text = summary_text(make(instances=instances[1:] + bad, failures=tuple(map(failure, range(1000)))), "/r")
    assert len(text.splitlines()) < 100
    assert "… and 960 more instances" in text
    assert text.splitlines()[40].split() == ["i39", "1"]
    assert text.splitlines()[41].split() == ["bad"]
    assert "… and 990 more: campaign failures c-1" in text


def test_evidence_is_named_by_its_whole_path() -> None:
    assert "/r/e" in summary_text(make(failures=(failure(1),)), "/r")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.0123, "0.0123 s"), (12.3456, "12.3 s"), (65, "1 min 5 s"), (7384, "2 h 3 min")],
)
def test_time_spans(seconds: float | None, text: str) -> None:
    assert took(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "just now"), (0.5, "just now"), (59, "59 s ago"), (61, "1 min ago"), (90000, "1 d ago")]
)
def test_how_long_ago(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_a_table_shows_numbers_as_they_are_and_no_escape_sequence() -> None:
    text = table(["a", "b"], [["1e5", "\x1b[31m"], [None, 7]], numbers=("b",))
    assert [line.split() for line in text.splitlines()[2:]] == [["1e5", "\\u{1b}[31m"], ["7"]]


def test_wait_ends_with_what_the_campaign_came_to(in_process: Any, recorded: Any) -> None:
    row = recorded([("a", 1, ["fail: torn"]), ("b", 1, ["pass"])])
    told = in_process("wait")
    assert told.exit_code == 1
    assert "torn" in told.stdout
    assert f"evidence: {row.run_root}" in told.stdout
    assert '"schema": "campaign.summary/1"' in in_process("wait", row.id, "--format", "json").stdout
