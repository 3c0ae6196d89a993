"""``exec --tokens``: what an editor reads, line by line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.cli.tokens import token

Campaign = Callable[..., Any]
SPEC = """campaign "tokens" { parallel 2 }
tool t { command "sh" "-c" "{script}"; param script: string = "true" }
group g {
  prefer gpu = 1
  instance good { seeds 1..3; run t }
}
instance bad { script = "exit 3"; retry { attempts = 2 }; run t }
"""


def parse(line: str) -> dict[str, str]:
    """As the reference describes it."""
    head, *pairs = line.split(" ")
    assert head == "::campaign"
    return {name: unquote(value, errors="strict") for name, _, value in (pair.partition("=") for pair in pairs)}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.camp"
    path.write_text(SPEC)
    return path


@given(st.text(), st.text())
def test_every_value_comes_back(word: str, value: str) -> None:
    try:
        (word + value).encode()
    except UnicodeEncodeError:
        return
    line = token("note", word, about=value, nothing=None)
    assert parse(line) == {"note": word, "about": value}
    assert line.isascii()
    assert line.isprintable()
    assert ":" not in line.removeprefix("::")


def test_a_campaign_in_tokens(campaign: Campaign, spec: Path, tmp_path: Path) -> None:
    done = campaign("exec", spec, "--tokens", env={"CAMPAIGN_SLOTS": "gpu=1"})
    assert done.returncode == 1
    told = [parse(line) for line in done.stdout.splitlines()]
    assert [each["stage"] for each in told if "stage" in each] == ["plan", "run", "report", "end"]
    assert {"device": "gpu", "count": "1", "origin": "environment"} in told
    end = told[-1]
    assert (end["status"], end["state"], end["pass"], end["fail"]) == ("1", "finished", "3", "1")
    states = [each["queue"] for each in told if "queue" in each and each["run"] == "g.good#2"]
    assert states == ["admitted", "starting", "running", "judging", "done"]
    results = [each for each in told if "result" in each]
    assert {each["granted"] for each in results if each["run"].startswith("g.")} == {"gpu=0"}
    assert [(each["attempt"], each["final"], each["failure"]) for each in results if each["run"] == "bad#0"] == [
        ("1", "false", "exit"),
        ("2", "true", "exit"),
    ]
    progress = [each for each in told if "progress" in each]
    assert progress[0] == {"progress": "0", "total": "4"}
    assert progress[-1] == {"progress": "4", "total": "4", "pass": "3", "fail": "1"}
    assert "evidence:" in done.stderr
    root = Path(next(each["root"] for each in told if each.get("stage") == "report"))
    assert json.loads((root / "summary.json").read_text())["verdicts"]["pass"] == 3


def test_a_fallback_is_told(campaign: Campaign, spec: Path) -> None:
    done = campaign("exec", spec, "--tokens", env={"CUDA_VISIBLE_DEVICES": ""})
    told = [parse(line) for line in done.stdout.splitlines()]
    reasons = {each.get("fallback") for each in told if "result" in each and each["run"].startswith("g.")}
    assert reasons == {"no_gpu_detected"}
    (device,) = [each for each in told if "device" in each]
    assert (device["count"], device["origin"]) == ("0", "detection")
    assert device["why_none"]


@pytest.mark.parametrize(
    ("body", "status", "code"), [("instance {", 2, "CAMP0"), ("instance i { needs gpu = 9; run t }", 3, "CAMP220")]
)
def test_what_cannot_run_ends_too(campaign: Campaign, tmp_path: Path, body: str, status: int, code: str) -> None:
    path = tmp_path / "bad.camp"
    path.write_text(f'campaign "bad" {{ }}\ntool t {{ command "true" }}\n{body}\n')
    done = campaign("exec", path, "--tokens", env={"CAMPAIGN_SLOTS": "gpu=1"})
    assert done.returncode == status
    told = [parse(line) for line in done.stdout.splitlines()]
    assert [each["stage"] for each in told] == ["plan", "end"]
    assert told[-1]["status"] == str(status)
    assert told[-1]["code"].startswith(code)


def test_a_reader_that_is_not_there_changes_nothing(campaign: Campaign, spec: Path, tmp_path: Path) -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        done = campaign("exec", spec, "--tokens", stdout=full, stderr=full, capture_output=False)
    assert done.returncode == 1
    (summary,) = (tmp_path / ".campaign/runs").glob("*/summary.json")
    assert json.loads(summary.read_text())["state"] == "finished"


def test_json_wants_the_same_stream(campaign: Campaign, spec: Path) -> None:
    assert campaign("exec", spec, "--tokens", "--format", "json").returncode == 2
