"""Failures across campaigns that really run: classes, duplicates, quarantine; also after a planner was killed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from campaign.analysis.recorded import Views
from campaign.ledger.queries import LedgerReader

Campaign = Callable[..., "subprocess.CompletedProcess[str]"]
SPEC = """
rules "z.yaml"
campaign "bugs" { parallel 2; retry { attempts = 2; on = [exit]; backoff = 1ms..2ms } }
tool writer { command "/bin/sh" "{env.HERE}/tool.sh" "{which}" "{env.HERE}"; param which: string }
instance bug.{which} {
  sweep which = ["a", "b", "flaky", "good"]
  seeds 1..2
  run writer
}
"""
TOOL = """
case $1 in
  a) exit 3;;
  b) exit 4;;
  flaky) [ -e "$2/seen$CAMPAIGN_SEED" ] && exit 0; : > "$2/seen$CAMPAIGN_SEED"; exit 5;;
esac
"""


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "a.camp").write_text(SPEC)
    (tmp_path / "tool.sh").write_text(TOOL)
    (tmp_path / "z.yaml").write_text("name: z\n")
    return tmp_path


def run(campaign: Campaign, bench: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    arguments = arguments or ("a.camp",)
    return campaign("exec", *arguments, "--format", "json", env={"HERE": str(bench), **env})


def on_disk(bench: Path, campaign: str) -> dict[str, tuple[str, str | None]]:
    """Class and original of every attempt that failed, as ``run.json`` and ``duplicate-of`` tell them."""
    found = {}
    for path in (bench / ".campaign/runs" / campaign).glob("**/attempt-*/run.json"):
        view, file = json.loads(path.read_text()), path.parent / "duplicate-of"
        if view["failure"] is not None:
            failure = view["failure"]
            found[f"{view['key']}@{view['attempt']}"] = (failure["class"], failure["duplicate_of"])
            assert failure["duplicate_of"] == (file.read_text().strip() if file.exists() else None)
    return found


def in_ledger(bench: Path, campaign: str) -> dict[str, tuple[str | None, str | None]]:
    """The same as every report tells it."""
    with LedgerReader(str(bench / ".campaign/ledger.sqlite")) as ledger:
        row = ledger.campaign(campaign)
        assert row is not None
        views = [Views(ledger, row).of(record) for record in ledger.records(campaign)]
    failed = ((f"{view.key}@{view.attempt}", view.failure) for view in views)
    return {key: (each.classification, each.duplicate_of) for key, each in failed if each is not None}


def test_failures_of_two_campaigns(campaign: Campaign, bench: Path) -> None:
    first = json.loads(run(campaign, bench).stdout)
    told = on_disk(bench, first["campaign"])
    by_bug: dict[str, list[tuple[str, str | None]]] = {}
    for key, what in told.items():
        by_bug.setdefault(key.partition("#")[0], []).append(what)
    for bug, name in (("bug.a", "new"), ("bug.b", "new"), ("bug.flaky", "flaky")):
        assert {kind for kind, _ in by_bug[bug]} == {name}
        assert sum(original is None for _, original in by_bug[bug]) == 1
        assert {original for _, original in by_bug[bug]} <= {None, *(f"{first['campaign']}/{key}" for key in told)}
    assert first["classes"] == {"new": 2, "flaky": 1}
    assert in_ledger(bench, first["campaign"]) == told
    second = json.loads(run(campaign, bench).stdout)
    assert second["classes"] == {"known": 2}
    assert {kind for kind, _ in on_disk(bench, second["campaign"]).values()} == {"known"}
    originals = {each["fingerprint"]: each["duplicate_of"] for each in second["failures"]}
    firsts = {each["fingerprint"]: f"{first['campaign']}/{each['first']}" for each in first["failures"]}
    assert originals.items() <= firsts.items()
    listed = json.loads(campaign("failures", "--format", "json").stdout)
    assert {each["class"] for each in listed} == {"known", "flaky"}
    assert {each["origin"]["run"] for each in listed} == set(firsts.values())
    assert all(Path(each["evidence"]).is_dir() for each in listed)
    shown = campaign("show", second["campaign"]).stdout
    assert "Unique failures: 2 (2 known)" in shown
    assert f"first of all {first['campaign']}/" in shown
    campaign("clean", "--older-than", "0s")
    with LedgerReader(str(bench / ".campaign/ledger.sqlite")) as ledger:
        assert [row.id for row in ledger.campaigns()] == [first["campaign"]], "what was first is kept"


@pytest.mark.parametrize("point", ["planner.news=kill@4", "planner.share.after=kill@4"])
def test_a_planner_that_takes_over_tells_the_same(campaign: Campaign, bench: Path, point: str) -> None:
    assert run(campaign, bench, CAMPAIGN_FAILPOINT=point).returncode == -9
    done = run(campaign, bench, "a.camp", "--resume")
    assert done.returncode == 1, done.stderr
    name = json.loads(done.stdout)["campaign"]
    told = on_disk(bench, name)
    assert {key.partition("#")[0] for key in told} == {"bug.a", "bug.b", "bug.flaky"}
    assert in_ledger(bench, name) == told


def test_quarantine_in_a_campaign(campaign: Campaign, bench: Path) -> None:
    """Two sets name one failure: the one that stands higher counts."""
    first = json.loads(run(campaign, bench).stdout)
    marks = {each["first"].partition("#")[0]: each["fingerprint"] for each in first["failures"]}
    entry = "quarantine:\n  - {{fingerprint: {}, issue: {}, until: {}, owner: storage}}\n"
    (bench / "z.yaml").write_text("name: z\n" + entry.format(marks["bug.a"], "D-1", "2999-01-01"))
    (bench / "y.yaml").write_text("name: y\npriority: 9\n" + entry.format(marks["bug.a"], "D-2", "2999-02-02"))
    (bench / "x.yaml").write_text("name: x\n" + entry.format(marks["bug.b"], "D-3", "2999-01-01"))
    (bench / "a.camp").write_text(SPEC.replace('rules "z.yaml"', 'rules "z.yaml"\nrules "y.yaml"\nrules "x.yaml"'))
    done = run(campaign, bench)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["quarantined"], summary["classes"]) == (4, {"quarantined": 2})
    held = {each["quarantine"]["issue"]: each["quarantine"] for each in summary["failures"]}
    assert set(held) == {"D-2", "D-3"}
    assert held["D-2"] == {"issue": "D-2", "owner": "storage", "until": "2999-02-02", "rule_set": "y"}
    assert any("(D-2) does not count until 2999-02-02; storage sees to it" in step for step in summary["next_steps"])
    assert not any("look at" in step for step in summary["next_steps"])
    assert {kind for kind, _ in on_disk(bench, summary["campaign"]).values()} == {"quarantined"}
    listed = {each["fingerprint"]: each for each in json.loads(campaign("failures", "--format", "json").stdout)}
    assert (listed[marks["bug.a"]]["class"], listed[marks["bug.a"]]["quarantine"]["over"]) == ("quarantined", False)
    assert "D-2, storage: until 2999-02-02" in campaign("failures").stdout
    assert "4 of them quarantined" in campaign("show").stdout
    report = campaign("report", "--as", "md", "-o", "-").stdout
    assert "4 quarantined, which do not count" in report
    assert "quarantined, D-2 until 2999-02-02, first bugs-" in report
    suite = ET.fromstring(campaign("report", "--as", "junit", "-o", "-").stdout)[0]
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("0", "0", "4")
    told = json.loads(campaign("report", "--as", "ctrf", "-o", "-").stdout)["results"]
    assert (told["summary"]["failed"], told["summary"]["skipped"]) == (0, 4)
    assert {each["status"] for each in told["tests"]} <= {"passed", "skipped"}
    (bench / "a.camp").write_text((bench / "a.camp").read_text().replace("parallel 2;", "parallel 2; stop-on fail;"))
    assert json.loads(run(campaign, bench).stdout)["verdicts"]["fail"] == 4, "what is quarantined stops nothing"
    (bench / "y.yaml").write_text("name: y\npriority: 9\n" + entry.format(marks["bug.a"], "D-2", "2020-02-02"))
    over = run(campaign, bench)
    assert over.returncode == 1
    assert "(D-2) was in quarantine until 2020-02-02: it counts again" in over.stdout
    assert "D-2, storage: over since 2020-02-02" in campaign("failures", "bugs").stdout
