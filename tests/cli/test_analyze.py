"""``campaign analyze``: what it says of recorded campaigns, whatever they came to."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

AXES = ("journal", "sync")
Runs = list[tuple[str, int, list[str]]]
#: journal=off fails whatever sync is; one run is broken, one passes on a retry.
GRID: Runs = [
    (f"{journal}.{sync}", seed, ["fail: row 7 is missing" if journal == "off" else "pass"])
    for journal in ("wal", "delete", "off")
    for sync in ("normal", "full")
    for seed in range(4)
]
GRID[0] = ("wal.normal", 0, ["error: no disk"])
GRID[1] = ("wal.normal", 1, ["fail: torn", "pass"])
RULES = """
name: mine
triage:
  - id: lost-row
    when: failure.message matches /row .* missing/
    cause: Commits are lost.
    fix: Use a journal.
    where: [pragma.c]
  - {id: odd, suspicious: true, when: journal == "wal" and verdict == "pass", cause: Too good to be true.}
"""


@pytest.fixture
def analyzed(in_process: Callable[..., Any], recorded: Callable[..., Any]) -> Callable[..., Any]:
    """Analyze a campaign that came to these runs; gives the JSON, which fits its schema."""

    def analyze(runs: Runs, *arguments: str, axes: tuple[str, ...] = AXES, **changes: Any) -> Any:
        row = recorded(runs, axes=axes, **changes)
        done = in_process("analyze", row.id, *arguments, "--format", "json")
        assert done.exit_code == 0, done.stderr
        found = json.loads(done.stdout)
        schema = json.loads(files("campaign.records.schemas").joinpath("analysis.json").read_text(encoding="utf-8"))
        jsonschema.validate(found, schema)
        return found

    return analyze


def test_a_broken_trial_is_no_failure_of_the_subject(analyzed: Callable[..., Any]) -> None:
    found = analyzed(GRID)
    rate = found["rate"]
    assert (rate["passed"], rate["failed"], rate["errors"], found["flaky"]) == (15, 8, 1, 1)
    assert rate["rate"] == pytest.approx(15 / 23)
    values = {value["name"]: value["rate"] for axis in found["axes"] for value in axis["values"]}
    assert (values["off"]["rate"], values["wal"]["rate"], values["wal"]["errors"]) == (0, 1, 1)
    assert values["delete"]["interval"] == pytest.approx([0.6756, 1], abs=1e-3)


def test_the_values_that_go_with_failures_are_named(analyzed: Callable[..., Any]) -> None:
    explained = analyzed(GRID)["explained"]
    (only,) = explained["explanations"]
    assert only["conditions"] == [{"axis": "journal", "relation": "==", "value": "off"}]
    assert (only["failed"], only["trials"], explained["left_failed"]) == (8, 8, 0)


def test_cells_and_failures_lead_to_their_runs(analyzed: Callable[..., Any]) -> None:
    found = analyzed(GRID)
    worst = found["cells"][0]
    assert (worst["cell"], worst["failing"]) == ("off.normal", [f"off.normal#{seed}" for seed in range(4)])
    assert [each["cell"] for each in found["cells"]] == ["off.normal", "off.full", "wal.normal"]
    assert found["cells"][-1]["broken"] == ["wal.normal#0"]
    failure = found["failures"][0]
    assert (failure["runs"], failure["cells"], failure["class"], failure["rules"]) == (8, 2, "new", [])
    assert failure["first"] == "off.normal#0@1"
    assert worst["fingerprints"] == [failure["fingerprint"]]
    assert any(f"/{failure['first']}" in step for step in found["next_steps"])


def test_rules_explain_and_doubt(analyzed: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULES)
    found = analyzed(GRID, "--rules", str(tmp_path / "mine.yaml"))
    (cause,) = found["causes"]
    assert (cause["rule"], cause["runs"], cause["fix"], cause["where"]) == (
        "lost-row",
        8,
        "Use a journal.",
        ["pragma.c"],
    )
    assert (found["unexplained"], found["rule_sets"]) == (0, ["mine", "standard"])
    (doubt,) = found["suspicious"]
    assert (doubt["rule"], doubt["runs"], doubt["passed"], found["suspected"]) == ("odd", 7, 7, 7)
    known = {each["message"]: each["rules"] for each in found["failures"]}
    assert known["row 7 is missing"] == ["lost-row"]
    assert found["failures"][0]["message"] == "no disk"  # what nothing explains comes first


def test_people_read_what_is_not_understood_first_and_what_to_do_last(
    in_process: Callable[..., Any], recorded: Callable[..., Any]
) -> None:
    text = in_process("analyze", recorded(GRID, axes=AXES).id).stdout
    parts = ("24 runs: 15 passed, 8 failed, 1 broken", "FAILURES", "unexplained", "WHICH VALUES", "journal == off")
    places = [text.index(part) for part in (*parts, "WIN RATES", "CELLS", "WHAT TO DO NEXT")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("runs", "axes", "step"),
    [
        ([], (), "nothing has been carried out yet"),
        ([("a", 1, ["error: no disk"]), ("a", 2, ["error: no disk"])], (), "2 runs are broken"),
        ([("a", 1, ["pass"])], (), "the one trial passed"),
        ([("a", 1, ["running"])], (), "not decided yet"),
        ([("a", 1, ["canceled"])], (), ""),
        ([("a", 1, ["fail: x"])], (), "nothing knows yet why 1 run failed so"),
        ([("a", 1, ["fail: \x1b[31m\u202e<script>`|`" + "x" * 5000])], (), "campaign show"),
        ([(f"c{n}", n, [f"fail: number {n}"]) for n in range(40)], ("n",), "campaign retry"),
    ],
)
def test_whatever_a_campaign_came_to(
    analyzed: Callable[..., Any], in_process: Callable[..., Any], runs: Runs, axes: tuple[str, ...], step: str
) -> None:
    found = analyzed(runs, axes=axes, total=None)
    assert any(step in each for each in found["next_steps"]) or not step
    text = in_process("analyze").stdout
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_what_is_amiss_is_said(in_process: Callable[..., Any], recorded: Callable[..., Any], tmp_path: Path) -> None:
    assert in_process("analyze").exit_code == 3
    recorded(GRID, axes=AXES)
    assert in_process("analyze", "nobody").exit_code == 2
    missing = in_process("analyze", "--rules", str(tmp_path / "none.yaml"))
    assert (missing.exit_code, "CAMP311" in missing.stderr) == (2, True)
    (tmp_path / "bad.yaml").write_text("name: bad\ntriage: [{id: a, when: 'failure.mesage == 1'}]")
    bad = in_process("analyze", "--rules", str(tmp_path / "bad.yaml"))
    assert (bad.exit_code, "failure.message" in bad.stderr) == (2, True)


@pytest.mark.parametrize(
    ("reporter", "row"), [("md", "| journal == off | 8 | 8 |"), ("html", "<td>journal == off</td>")]
)
def test_reports_hold_the_analysis_where_anything_failed(
    in_process: Callable[..., Any], recorded: Callable[..., Any], reporter: str, row: str
) -> None:
    recorded(GRID, axes=AXES)
    text = in_process("report", "--as", reporter, "-o", "-").stdout
    assert "Which values go with failures" in text
    assert row in text
    recorded([("wal.full", 1, ["pass"])], axes=AXES, number=1)
    assert "Which values" not in in_process("report", "--as", reporter, "-o", "-").stdout


def test_all_values_but_one_are_said_alike_everywhere(
    in_process: Callable[..., Any], recorded: Callable[..., Any]
) -> None:
    passes = {"careful": range(7), "hasty": [3], "idle": [5]}
    runs = [(name, seed, ["pass" if seed in good else "fail: x"]) for name, good in passes.items() for seed in range(7)]
    row = recorded(runs, axes=("subject",))
    text = in_process("analyze", row.id).stdout
    assert "\nsubject != careful " in text
    assert "where subject != careful, 12 of 14 failed, elsewhere 0 of 7: compare a run" in " ".join(text.split())
    assert "| subject != careful | 12 | 14 | 0 of 7 |" in in_process("report", "--as", "md", "-o", "-").stdout
    assert "<td>subject != careful</td>" in in_process("report", "--as", "html", "-o", "-").stdout


@pytest.mark.parametrize("reporter", ["md", "html", "github"])
def test_a_hostile_cause_stays_text(
    in_process: Callable[..., Any], recorded: Callable[..., Any], reporter: str
) -> None:
    hostile = "<script>alert(1)</script>|`\x1b[31m\u202e" + "x" * 10_000
    recorded([("a.b", 1, [f"fail: {hostile}"]), ("a.c", 1, ["pass"])], axes=("<script>", "|x\u202e"))
    done = in_process("report", "--as", reporter, "-o", "-")
    assert done.exit_code == 0, done.stderr
    assert "<script>alert" not in done.stdout
    assert "\u202e" not in done.stdout
