"""A campaign in numbers: from a real ledger to ``summary.json``."""

import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from campaign.analysis.summarize import exit_status, summarize
from campaign.diagnostics import Span
from campaign.ledger.queries import LedgerReader
from campaign.records import Summary
from campaign.records.schemas import json_schema
from campaign.rules.structs import Origin, Quarantine

RUNS = [
    ("crash.off", 1, ["fail: row 7 missing"]),
    ("crash.off", 2, ["fail: row 7 missing"]),
    ("crash.wal", 1, ["pass"]),
    ("crash.wal", 2, ["fail: it flickers", "pass"]),
    ("crash.del", 1, ["error: it hung"]),
]


@pytest.fixture
def summed(recorded: Any, tmp_path: Path) -> Any:
    def of(runs: Any, **changes: Any) -> Summary:
        row = recorded(runs, **changes)
        with LedgerReader(str(tmp_path / ".campaign" / "ledger.sqlite")) as ledger:
            return summarize(row, ledger.deciding_attempts(row.id), ledger.failures(row.id))

    return of


def test_runs_are_counted_by_the_attempt_that_decides(summed: Any) -> None:
    summary = summed(RUNS)
    assert summary.verdicts == {"pass": 2, "fail": 2, "error": 1, "canceled": 0, "skipped": 0}
    assert (summary.total, summary.flaky) == (5, 1)
    assert summary.reasons == {"oracle": 3}
    assert summary.instances[0].verdicts == {"fail": 2, "pass": 2, "error": 1}


def test_errors_are_no_trials(summed: Any) -> None:
    summary = summed(RUNS)
    assert summary.win_rate == 0.5
    assert summary.win_rate_interval[0] < 0.5 < summary.win_rate_interval[1]
    assert summed([("a", 1, ["error: x"])], number=2).win_rate is None


def test_failures_are_told_once_with_their_first_evidence(summed: Any) -> None:
    first, flaky, error = summed(RUNS).failures
    assert (first.count, first.first, first.evidence) == (2, "crash.off#1@1", "crash.off/seed-1/attempt-1")
    assert (first.classification, flaky.classification, error.verdict) == ("new", "flaky", "error")


def test_a_failure_of_an_earlier_campaign_is_known(summed: Any) -> None:
    summed(RUNS[:1])
    again = summed([*RUNS[:1], ("crash.off", 3, ["fail: another one"])], number=3)
    assert [failure.classification for failure in again.failures] == ["known", "new"]


def test_it_fits_its_schema(summed: Any) -> None:
    jsonschema.validate(json.loads(msgspec.json.encode(summed(RUNS))), json_schema(Summary))


def test_next_steps_name_the_first_failure_and_what_is_left(summed: Any) -> None:
    summary = summed(RUNS, total=9, state="interrupted", exit_status=None, finished_at=None)
    assert summary.exit_status == 130
    assert "4 runs were not carried out; to go on: campaign exec /specs/crash.camp --resume" in summary.next_steps
    assert any(f"campaign show '{summary.campaign}/crash.off#1@1'" in step for step in summary.next_steps)


def test_commands_in_next_steps_are_quoted_for_a_shell(summed: Any) -> None:
    cell = """q.1[big="a|b 'c'"]"""
    summary = summed([(cell, 0, ["fail: x"])], spec="/a b/$c.camp", state="interrupted", total=2)
    steps = [shlex.split(step.rpartition(": campaign ")[2]) for step in summary.next_steps]
    assert steps == [["exec", "/a b/$c.camp", "--resume"], ["show", f"{summary.campaign}/{cell}#0@1"]]


def test_a_finished_campaign_is_not_resumed(summed: Any) -> None:
    assert "4 runs were not carried out: stopped at the first failure" in summed(RUNS, total=9).next_steps


def test_where_something_failed_it_can_be_analyzed(summed: Any) -> None:
    failed = summed(RUNS)
    assert any(step.endswith(f"campaign analyze {failed.campaign}") for step in failed.next_steps)
    passed = summed([("crash.wal", 1, ["pass"])], number=5)
    assert not any("analyze" in step for step in passed.next_steps)


@pytest.mark.parametrize(
    ("verdicts", "interrupted", "status"),
    [
        ({"pass": 3}, False, 0),
        ({"pass": 3, "skipped": 1}, False, 0),
        ({"pass": 3, "fail": 1}, False, 1),
        ({"error": 1}, False, 1),
        ({"fail": 1, "canceled": 1}, False, 5),
        ({"fail": 1, "canceled": 1}, True, 130),
    ],
)
def test_the_exit_status_of_a_campaign(verdicts: dict[str, int], interrupted: bool, status: int) -> None:
    assert exit_status(verdicts, interrupted=interrupted) == status


def test_what_is_quarantined_is_no_next_step(recorded: Any, tmp_path: Path) -> None:
    row = recorded([("crash.off", 1, ["fail: row 7 missing"]), ("crash.wal", 1, ["fail: a torn page"])])
    with LedgerReader(str(tmp_path / ".campaign" / "ledger.sqlite")) as ledger:
        failures = list(ledger.failures(row.id))
        mark = failures[0].fingerprint
        origin = Origin("z", Span("z.yaml", 1, 1, 1, 1))
        known = {mark: Quarantine(fingerprint=mark, issue="DB-7", until="2999-01-31", origin=origin)}
        summary = summarize(row, ledger.deciding_attempts(row.id), failures, quarantined=known)
    assert [each.classification for each in summary.failures] == ["quarantined", "new"]
    looks = [step for step in summary.next_steps if step.startswith("look at")]
    assert len(looks) == 1
    assert failures[1].key in looks[0]
