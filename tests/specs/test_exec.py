"""The campaigns in ``specs/``, run for real where that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SPECS = Path(__file__).resolve().parents[2] / "specs"


@pytest.fixture
def executed(campaign, tmp_path):
    """Run a spec to its end: its exit status and the record of every run, by cell.

    Four at a time, for they wait for the instants of their faults more than for a processor.
    """

    def execute(spec: str, *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
        ended = campaign("exec", SPECS / spec, "--parallel", "4", "--workspace", tmp_path / ".campaign", *options)
        assert "Traceback" not in ended.stderr
        records = [json.loads(path.read_bytes()) for path in tmp_path.glob(".campaign/runs/*/*/*/seed-*/run.json")]
        return ended.returncode, {f"{record['cell']}#{record['seed']}": record for record in records}

    return execute


def test_sqlite_without_a_journal_breaks_and_with_one_it_never_does(executed) -> None:
    # three kills of each setting without a journal: one that breaks nothing happens, six do not
    status, runs = executed("quickstart.camp", "--tier", "quick")
    assert status == 1
    assert len(runs) == 24
    broken = {key for key, run in runs.items() if run["verdict"] == "fail"}
    assert broken
    assert all(key.startswith("crash.off.") for key in broken)
    assert {run["verdict"] for key, run in runs.items() if key not in broken} == {"pass"}
    assert len({runs[key]["failure"]["fingerprint"] for key in broken}) == 1  # one bug, however it shows
    steps = [run["steps"][0] for run in runs.values()]
    assert {step["exit"]["signal"] for step in steps} == {9}
    # On a busy machine a kill may come before the first commit; with commits in all of them nothing would be shown.
    assert any(step["metrics"].get("commits", 0) > 0 for step in steps)


def test_a_served_database_keeps_what_it_answered(executed) -> None:
    status, runs = executed("serve.camp")
    assert (status, len(runs)) == (0, 7)
    killed, stopped = runs["server.kill[journal=wal]#0"], runs["server.patience#0"]
    assert killed["services"][0]["exit"]["signal"] == 9
    assert killed["faults"][0]["injected_at_s"] is not None
    assert stopped["steps"][0]["exit"]["code"] == 0
    for run in runs.values():
        assert "commits" in run["steps"][0]["metrics"]


def test_real_tools_at_three_intensities(executed) -> None:
    status, runs = executed("tiers.camp", "--tier", "smoke")
    assert (status, len(runs)) == (0, 3)
    assert [step["label"] for step in runs["sorting.plain#0"]["steps"]] == ["shuffle", "sorted", "is-sorted"]
