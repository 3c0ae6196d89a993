"""Which campaign and which run a word means."""

import json
from pathlib import Path
from typing import Any

import pytest

from campaign.cli.recorded import choose_campaign, choose_run, means_run, open_ledger
from campaign.diagnostics import CampaignError
from campaign.engine.wire import listen

RUNS = [("crash.off", 1, ["fail: x", "pass"]), ("crash.off", 2, ["pass"])]


@pytest.fixture
def ledger(recorded: Any, tmp_path: Path) -> Any:
    recorded(RUNS)
    recorded(RUNS[:1], number=2)
    recorded([("other", 0, ["pass"])], name="other", number=4)
    with open_ledger(str(tmp_path / ".campaign")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("word", "campaign"),
    [
        (None, "other-20261120T100004Z-ab12"),
        ("crash", "crash-20261120T100002Z-ab12"),
        ("crash-20261120T100000Z-ab12", "crash-20261120T100000Z-ab12"),
        ("crash-20261120T100000", "crash-20261120T100000Z-ab12"),
    ],
)
def test_a_campaign_by_id_name_or_beginning(ledger: Any, word: str | None, campaign: str) -> None:
    assert choose_campaign(ledger, word).id == campaign


@pytest.mark.parametrize("word", ["", "crash-2026", "nothing"])
def test_what_fits_none_or_several_is_no_campaign(ledger: Any, word: str) -> None:
    with pytest.raises(CampaignError, match="CAMP580"):
        choose_campaign(ledger, word)


def test_an_ambiguous_beginning_is_said_to_be_that(ledger: Any) -> None:
    with pytest.raises(CampaignError, match="ambiguous: the ids of 2 campaigns begin") as caught:
        choose_campaign(ledger, "crash-2026")
    hint = caught.value.diagnostics[0].hint
    assert hint == "they are crash-20261120T100002Z-ab12, crash-20261120T100000Z-ab12"


@pytest.mark.parametrize(
    ("word", "attempts"),
    [
        ("other#0", [1]),
        ("crash/crash.off#1", [1, 2]),
        ("crash/crash.off#1@1", [1]),
        ("crash-20261120T100000Z-ab12/crash.off#2", [1]),
    ],
)
def test_a_run_by_key_with_campaign_and_attempt(ledger: Any, word: str, attempts: list[int]) -> None:
    assert [row.attempt for row in choose_run(ledger, word)] == attempts


def test_a_run_by_its_id(ledger: Any) -> None:
    row = choose_run(ledger, "other#0")[0]
    assert choose_run(ledger, row.run)[0].token == row.token
    assert means_run(ledger, row.run)
    assert not means_run(ledger, "crash")


@pytest.mark.parametrize("word", ["crash.off#1", "crash/crash.off#9", "crash/crash.off#1@7", "@1", "/", "", "x@"])
def test_what_was_not_recorded_is_no_run(ledger: Any, word: str) -> None:
    with pytest.raises(CampaignError, match="CAMP581"):
        choose_run(ledger, word)


def test_a_campaign_of_a_dead_exec_is_interrupted_wherever_it_is_told(in_process: Any, recorded: Any) -> None:
    then = "2020-01-01T00:00:00Z"
    recorded([("crash.off", 1, ["running"])], state="running", finished_at=None, exit_status=None, created_at=then)
    assert "interrupted, of exec" in in_process("status").stdout
    assert " is interrupted, and no daemon runs here" in in_process("wait").stderr
    assert "kept: it is interrupted" in in_process("clean", "--older-than", "1s", "--dry-run").stdout
    assert json.loads(in_process("list", "--format", "json").stdout)[0]["state"] == "interrupted"
    assert json.loads(in_process("show", "--format", "json").stdout)["state"] == "interrupted"
    told = json.loads(in_process("report", "--as", "json", "--output", "-").stdout)
    assert told["summary"]["state"] == "interrupted"
    assert "running; nobody watches it" in in_process("show", "crash.off#1").stdout


def test_while_somebody_serves_it_a_campaign_runs(in_process: Any, recorded: Any, tmp_path: Path) -> None:
    recorded([("crash.off", 1, ["running"])], state="running", finished_at=None, exit_status=None)
    with listen(str(tmp_path / ".campaign")):
        assert json.loads(in_process("list", "--format", "json").stdout)[0]["state"] == "running"
        assert json.loads(in_process("show", "--format", "json").stdout)["state"] == "running"
        assert "nobody" not in in_process("show", "crash.off#1").stdout
