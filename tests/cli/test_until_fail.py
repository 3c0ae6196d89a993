"""``exec --until-fail``: the selection again and again, until a run does not pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SPEC = """
campaign "u" { parallel 1; log = "none"; most = 1_000 }
tool t { command "/bin/sh" "-c" "echo $CAMPAIGN_CELL >> {log}; test $(wc -l < {log}) -lt {most}"
         param log: string; param most: int = 1_000 }
instance a { run t }
instance b { run t }
"""


@pytest.fixture
def until_fail(campaign: Any, tmp_path: Path) -> Any:
    """Run it until the line ``most`` of the log; the summary, and the log."""

    def call(status: int, *arguments: str) -> tuple[dict[str, Any], list[str]]:
        (tmp_path / "u.camp").write_text(SPEC)
        log = tmp_path / "log"
        more = ("--until-fail", "--set", f'log="{log}"', *arguments)
        done = campaign("exec", "u.camp", *more, "--format", "json")
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout), log.read_text().splitlines()

    return call


def test_the_first_failure_ends_it_and_its_evidence_is_left(until_fail: Any, campaign: Any, tmp_path: Path) -> None:
    told, lines = until_fail(1, "--set", "most=6")
    assert told["repeats"]["runs"] == 6
    assert lines[:6] == ["a", "b"] * 3
    assert told["verdicts"]["pass"] == told["total"] == 2
    folder = next((tmp_path / ".campaign" / "runs").iterdir()) / told["repeats"]["evidence"]
    assert json.loads((folder / "run.json").read_text())["verdict"] == "fail"
    assert told["repeats"]["failed"] == "b#0@repeat-2"
    assert campaign("show", "b#0@repeat-2").returncode == 0
    assert ["b#0@repeat-1", "pass"] in [line.split() for line in campaign("show", "b#0").stdout.splitlines()]
    again = json.loads(campaign("replay", "b#0@repeat-2", "--format", "json").stdout)
    assert again["came_back"] is True


def test_a_failure_of_the_plan_itself_ends_it(until_fail: Any) -> None:
    told, lines = until_fail(1, "--set", "most=1")
    assert lines == ["a"]
    assert told["verdicts"]["fail"] == 1


@pytest.mark.parametrize(("most", "expected"), [(1, "a"), (2, "ab"), (5, "ababa")])
def test_as_many_runs_as_were_asked_for(until_fail: Any, most: int, expected: str) -> None:
    told, lines = until_fail(0, "--max-runs", str(most))
    assert "".join(lines) == expected
    assert told["repeats"] == {"runs": most, "failed": None, "evidence": None}


def test_what_does_not_go_together(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "u.camp").write_text(SPEC)
    assert campaign("exec", "u.camp", "--max-runs", "3").returncode == 2
    assert campaign("exec", "--resume", "u.camp", "--until-fail").returncode == 2


def test_its_failure_is_made_smaller_where_the_spec_wants_that(campaign: Any, tmp_path: Path) -> None:
    command = "echo >> {log}; test $(wc -l < {log}) -lt 3 || test {n} -lt 37"
    spec = f"""
    campaign "u" {{ parallel 1; minimize {{ order = [n]; time = 5m }} }}
    tool t {{ command "/bin/sh" "-c" "{command}"
             param log: string = "{tmp_path}/log"; param n: int = 90 in 1.. }}
    instance a {{ run t }}
    """
    (tmp_path / "u.camp").write_text(spec)
    done = campaign("exec", "u.camp", "--until-fail", "--format", "json")
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["repeats"]["runs"], told["repeats"]["failed"]) == (3, "a#0@repeat-2")
    (folder,) = (tmp_path / ".campaign" / "runs").iterdir()
    view = json.loads((folder / told["repeats"]["evidence"] / "run.json").read_text())
    assert view["minimized"]["result"] == {"n": 37}
    assert any("repro.camp" in step for step in told["next_steps"])
    assert "n = 37" in campaign("show", "a#0@repeat-2").stdout


def test_the_queue_takes_it_too(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "u.camp").write_text(SPEC.replace('"none"', f'"{tmp_path}/log"'))
    assert campaign("submit", "u.camp", "--max-runs", "3").returncode == 2
    name = campaign("submit", "u.camp", "--until-fail", "--max-runs", "5").stdout.strip()
    assert campaign("exec", "--resume", name).returncode == 0
    assert (tmp_path / "log").read_text().split() == list("ababa")
