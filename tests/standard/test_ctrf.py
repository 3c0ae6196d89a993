"""CTRF: valid by the format's own published schema (ctrf-io/ctrf, MIT licence), and counts that agree."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from campaign.records import Environment
from campaign_standard.ctrf import CtrfReporter

SCHEMA = json.loads((Path(__file__).parent / "ctrf.schema.json").read_text())


@pytest.fixture
def report(written: Any) -> Any:
    def call(*runs: Any, **changes: Any) -> Any:
        found = json.loads(written(CtrfReporter(), *runs, **changes))
        jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(found)
        return found["results"]

    return call


def test_a_test_a_run_with_counts_that_agree(report: Any, run: Any) -> None:
    runs = [
        run(cell, verdict)
        for cell, verdict in zip("abcde", ("pass", "fail", "error", "canceled", "skipped"), strict=True)
    ]
    found = report(*runs, total=7, environment=Environment(campaign="0.1.0", system="6.18"))
    counts = found["summary"]
    assert [counts[name] for name in ("tests", "passed", "failed", "other", "skipped", "pending")] == [7, 1, 1, 2, 1, 2]
    assert [test["status"] for test in found["tests"]] == ["passed", "failed", "other", "other", "skipped"]
    assert found["tests"][1]["message"] == "row 7 missing"
    assert found["tests"][1]["labels"] == {"journal": "b"}
    assert found["tool"] == {"name": "campaign", "version": "0.1.0"}


def test_what_is_quarantined_is_skipped_and_its_issue_named(report: Any, spared: Any) -> None:
    runs, changes = spared
    found = report(*runs, **changes)
    counts = found["summary"]
    assert [counts[name] for name in ("passed", "failed", "other", "skipped")] == [1, 0, 0, 2]
    assert [(test["status"], test["rawStatus"]) for test in found["tests"]] == [
        ("passed", "pass"),
        ("skipped", "fail"),
        ("skipped", "error"),
    ]
    assert found["tests"][1]["message"] == "quarantined as DB-1 (storage) until 2999-01-01: row 7 missing"


def test_retries_are_told_attempt_by_attempt(report: Any, run: Any) -> None:
    (test,) = report(run("a", "fail"), run("a", "pass", attempt=2, flaky=True), flaky=1)["tests"]
    assert (test["status"], test["flaky"], test["retries"]) == ("passed", True, 1)
    assert [(each["attempt"], each["status"]) for each in test["retryAttempts"]] == [(1, "failed"), (2, "passed")]


def test_a_campaign_that_runs_and_an_empty_one_are_valid(report: Any, run: Any) -> None:
    running = run("a", None, state="running", reason="", duration_s=None)
    found = report(running, finished_at=None, state="running", verdicts={}, total=1)
    assert [test["status"] for test in found["tests"]] == ["pending"]
    assert report()["tests"] == []
