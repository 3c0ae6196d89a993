"""``campaign replay``: an attempt again as it was, beside the plan."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

SPEC = """
campaign "q" { parallel 2 }
tool t { command "/bin/sh" "-c" "echo {workdir} $CAMPAIGN_SEED >> {log}; test -e {flag} || exit {code}"
         param code: int = 0; param flag: string; param log: string }
group g {
  flag = "FLAG"; log = "LOG"
  instance good { run t }
  instance bad {
    seeds 7..7
    run t { code = 3 }
    retry { attempts = 2 }
  }
}
"""


@pytest.fixture
def done(campaign: Any, tmp_path: Path) -> Any:
    """A campaign with a run that failed twice."""
    flag, log = tmp_path / "flag", tmp_path / "log"
    (tmp_path / "q.camp").write_text(SPEC.replace("FLAG", str(flag)).replace("LOG", str(log)))
    assert campaign("exec", "q.camp").returncode == 1
    return campaign


def runs(campaign: Any) -> Any:
    return [json.loads(line) for line in campaign("show", "--runs", "--format", "json").stdout.splitlines()]


def test_the_same_failure_comes_back_and_the_campaign_stays_what_it_was(done: Any, tmp_path: Path) -> None:
    before = done("show", "--format", "json").stdout
    again = done("replay", "g.bad#7", "--times", "2", "--format", "json")
    assert again.returncode == 1, again.stderr
    told = json.loads(again.stdout)
    assert told["run"] == "g.bad#7@2"
    assert told["came_back"] is True
    assert [each["outcome"] for each in told["runs"]] == ["same", "same"]
    assert [each["name"] for each in told["runs"]] == ["g.bad#7@replay-1", "g.bad#7@replay-2"]
    assert done("show", "--format", "json").stdout == before
    root = next((tmp_path / ".campaign" / "runs").iterdir()) / "g.bad" / "g.bad" / "seed-7"
    assert json.loads((root / "run.json").read_text())["attempt"] == 2
    assert json.loads((root / "attempt-2" / "run.json").read_text())["origin"] == "plan"
    view = json.loads((root / "attempt-2" / "replay-1" / "run.json").read_text())
    assert (view["origin"], view["provenance"]["parent"], view["seed"]) == ("replay", "g.bad#7@2", 7)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[-2:] != lines[:2]
    assert {line.split()[1] for line in lines[-2:]} == {"7"}
    assert {line.split()[0] for line in lines[-2:]} == {
        str(root / "attempt-2" / f"replay-{n}" / "work") for n in (1, 2)
    }


def test_a_replay_that_passes_says_so(done: Any, tmp_path: Path) -> None:
    (tmp_path / "flag").touch()
    again = done("replay", "g.bad#7@1")
    assert again.returncode == 0, again.stderr
    assert "it passed" in again.stdout
    assert "came back in 0 of 1" in again.stdout
    assert "/attempt-1/replay-1\n" in again.stdout
    many = done("replay", "g.bad#7@1", "--times", "6")
    assert many.stdout.count("evidence: ") == 1
    assert many.stdout.endswith("/attempt-1/ (6 folders)\n")


def test_what_cannot_be_replayed(done: Any, tmp_path: Path) -> None:
    assert "CAMP581" in done("replay", "g.bad#8").stderr
    shutil.rmtree(next((tmp_path / ".campaign" / "runs").iterdir()) / "g.bad")
    gone = done("replay", "g.bad#7")
    assert (gone.returncode, "CAMP590" in gone.stderr) == (3, True)


def test_a_replay_has_its_own_limits_and_snapshot(done: Any, tmp_path: Path) -> None:
    (tmp_path / "q.camp").write_text("campaign")
    again = done("replay", "g.bad#7")
    assert again.returncode == 1
    assert "CAMP509" in again.stderr


def test_a_failed_attempt_leaves_a_script_that_fails_too(done: Any, tmp_path: Path) -> None:
    root = next((tmp_path / ".campaign" / "runs").iterdir())
    assert len(list(root.glob("**/replay.sh"))) == 2  # of the two attempts that failed, and not of the one that passed
    command = ["/bin/sh", str(root / "g.bad/g.bad/seed-7/attempt-2/replay.sh"), str(tmp_path / "again")]
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, "a step failed" in again.stderr) == (1, True)
    assert (tmp_path / "log").read_text().splitlines()[-1] == f"{tmp_path}/again/work 7"


def test_replays_travel_in_an_archive(done: Any, tmp_path: Path) -> None:
    assert done("replay", "g.bad#7").returncode == 1
    name = next((tmp_path / ".campaign" / "runs").iterdir()).name
    assert done("export", name, "--output", "q.tar").returncode == 0
    shutil.rmtree(tmp_path / ".campaign")
    taken = done("import", "q.tar")
    assert taken.returncode == 0, taken.stderr
    view = json.loads(done("show", "g.bad#7@replay-1", "--format", "json").stdout)
    assert (view["origin"], view["provenance"]["parent"]) == ("replay", "g.bad#7@2")
    refused = done("replay", "g.bad#7")
    assert (refused.returncode, "it was imported" in refused.stderr) == (3, True)
    db = sqlite3.connect(tmp_path / ".campaign" / "ledger.sqlite")
    assert db.execute("SELECT kind, state FROM request").fetchall() == [("replay", "done")]
    db.close()
