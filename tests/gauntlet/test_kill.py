"""kill -9 of planner, engine and supervisors at any moment: nothing lost, no attempt executed twice.

The judge is outside: every tool appends the id of its run and attempt to a log before it does anything else.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import PATIENCE_S, wait_for

from .processes import children, kill, left

pytestmark = pytest.mark.gauntlet

SPEC = """
campaign "killed" {{ parallel {parallel}{clauses} }}
tool t {{
  command "/bin/sh" "-c" "echo $CAMPAIGN_RUN_ID >> {log}; sleep {sleep}; exit {{code}}"
  param code: int = 0 in 0..255
}}
instance i {{ seeds 1..{runs}; code = 0; run t }}
"""


class Scene:
    """A spec, a workspace, and the real command, to be killed."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.log = folder / "effects.log"
        self.environ = {**environ, "HOME": str(folder)}
        self.spec = folder / "spec.camp"

    def write(self, runs: int = 12, parallel: int = 2, sleep: str = "0.15", clauses: str = "") -> None:
        text = SPEC.format(runs=runs, parallel=parallel, sleep=sleep, log=self.log, clauses=clauses)
        self.spec.write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "campaign", "exec", str(self.spec), "--format", "json", *arguments],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "campaign", *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def resume(self) -> dict[str, Any]:
        """Go on, to the end; the summary."""
        process = self.start("--resume")
        out, err = process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in err, err
        assert out, err
        summary: dict[str, Any] = json.loads(out)
        assert summary["exit_status"] == process.returncode, err
        return summary

    @property
    def held(self) -> str:
        """How long a tool sleeps that waits for ``release``."""
        return f"0; until test -e {self.folder}/go; do sleep 0.05; done"

    def release(self) -> None:
        """Let tools go that wait for it."""
        (self.folder / "go").touch()

    def until_said(self, process: subprocess.Popen[str], words: str) -> None:
        """Read its messages until one holds these words; what was read is gone."""
        assert process.stderr is not None
        while words not in (line := process.stderr.readline()):
            assert line, "it ended without a word"

    def effects(self) -> Counter[str]:
        """How often each attempt of each run was executed."""
        return Counter(self.log.read_text().split()) if self.log.exists() else Counter()

    def until_effects(self, count: int) -> None:
        wait_for(lambda: sum(self.effects().values()) >= count)

    def runs(self) -> dict[str, dict[str, Any]]:
        found = [json.loads(path.read_text()) for path in self.folder.glob(".campaign/runs/*/*/*/seed-*/run.json")]
        return {run["key"]: run for run in found}

    def campaign_files(self, pattern: str) -> list[Path]:
        return sorted(self.folder.glob(f".campaign/runs/*/{pattern}"))


@pytest.fixture
def scene(tmp_path: Path, clean_environ: dict[str, str]) -> Iterator[Scene]:
    made = Scene(tmp_path, clean_environ)
    made.write()
    yield made
    wait_for(lambda: not left(str(tmp_path)))  # tools that slept may need a moment


def engine(planner: int) -> int:
    (found,) = children(planner)
    return found


def supervisors(planner: int) -> list[int]:
    return [pid for nursery in children(engine(planner)) for pid in children(nursery)]


def busy_supervisor(scene: Scene, planner: int) -> int:
    """A supervisor whose tool has written its line and sleeps."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid in supervisors(planner) if any(children(tool) for tool in children(pid))]
        return bool(found)

    wait_for(look)
    return found[0]


def test_a_killed_engine_loses_nothing(scene: Scene) -> None:
    scene.write(sleep=scene.held)
    process = scene.start()
    scene.until_effects(2)
    kill(engine(process.pid))
    scene.release()
    _out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3
    assert "error[CAMP507]" in err
    assert "--resume" in err
    summary = scene.resume()
    assert summary["verdicts"]["pass"] == 12
    assert set(scene.effects().values()) == {1}
    assert len(scene.effects()) == 12
    assert {run["attempt"] for run in scene.runs().values()} == {1}


def test_a_killed_planner_loses_nothing(scene: Scene) -> None:
    scene.write(sleep=scene.held)
    process = scene.start()
    scene.until_effects(2)
    kill(process.pid)
    scene.release()
    process.communicate(timeout=PATIENCE_S)
    summary = scene.resume()
    assert summary["verdicts"]["pass"] == 12
    assert set(scene.effects().values()) == {1}
    assert set(scene.runs()) == {f"i#{seed}" for seed in range(1, 13)}


def test_what_a_killed_planner_did_not_write_down_is_written_by_the_next_one(scene: Scene) -> None:
    scene.write(sleep=scene.held)
    process = scene.start()
    scene.until_effects(2)
    os.kill(process.pid, signal.SIGSTOP)
    scene.release()
    time.sleep(0.5)  # the engine goes on as far as it has orders, however many those are
    kill(process.pid)
    process.communicate(timeout=PATIENCE_S)
    scene.resume()
    assert len(scene.runs()) == 12
    (events,) = scene.campaign_files("events.ldjson")
    numbers = [json.loads(line)["seq"] for line in events.read_text().splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(("policy", "verdict"), [("", "error"), ("; orphans cancel", "canceled")])
def test_a_killed_supervisor_costs_its_own_attempt(scene: Scene, policy: str, verdict: str) -> None:
    scene.write(runs=8, sleep=scene.held, clauses=policy)
    process = scene.start()
    scene.until_effects(2)
    kill(busy_supervisor(scene, process.pid))
    scene.release()
    out, err = process.communicate(timeout=PATIENCE_S)
    summary = json.loads(out)
    assert (summary["verdicts"][verdict], summary["verdicts"]["pass"]) == (1, 7), err
    assert summary["reasons"] == {"orphaned": 1}
    assert set(scene.effects().values()) == {1}


def test_with_requeue_a_killed_supervisor_costs_an_attempt_and_no_run(scene: Scene) -> None:
    scene.write(runs=8, sleep=scene.held, clauses="; orphans requeue")
    process = scene.start()
    scene.until_effects(2)
    kill(busy_supervisor(scene, process.pid))
    scene.release()
    out, err = process.communicate(timeout=PATIENCE_S)
    assert json.loads(out)["verdicts"]["pass"] == 8, err
    assert process.returncode == 0
    assert set(scene.effects().values()) == {1}
    assert len(scene.effects()) == 9
    assert sorted(run["attempt"] for run in scene.runs().values()) == [1] * 7 + [2]


def test_a_run_that_kills_its_supervisor_each_time_is_poison(scene: Scene) -> None:
    scene.write(runs=1, parallel=1, clauses="; orphans requeue")
    text = scene.spec.read_text().replace("sleep 0.15", "kill -9 $PPID; sleep 9")
    scene.spec.write_text(text)
    process = scene.start()
    out, err = process.communicate(timeout=PATIENCE_S)
    summary = json.loads(out)
    assert summary["verdicts"]["error"] == 1, err
    assert summary["reasons"] == {"poison": 1}
    assert len(scene.effects()) == 4


def test_a_tool_that_stops_its_supervisor_costs_at_most_its_own_run(scene: Scene) -> None:
    scene.write(runs=5)
    stop = f"if mkdir {scene.folder}/once; then kill -STOP $PPID; fi; sleep 0.15"
    scene.spec.write_text(scene.spec.read_text().replace("sleep 0.15", stop).replace("seeds", "timeout 2s; seeds"))
    process = scene.start()
    out, err = process.communicate(timeout=PATIENCE_S)
    verdicts = json.loads(out)["verdicts"]
    assert verdicts["pass"] >= 4, err
    assert verdicts["pass"] + verdicts["fail"] == 5, err
    assert set(scene.effects().values()) == {1}


def test_ctrl_c_twice_ends_a_run_whose_supervisor_was_stopped(scene: Scene) -> None:
    scene.write(runs=1)
    scene.spec.write_text(scene.spec.read_text().replace("sleep 0.15", "kill -STOP $PPID; sleep 60"))
    process = scene.start()
    scene.until_effects(1)
    os.kill(process.pid, signal.SIGINT)
    scene.until_said(process, "winding down")
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert json.loads(out)["verdicts"]["canceled"] == 1


def test_everything_killed_at_once(scene: Scene) -> None:
    scene.write(sleep=scene.held)
    process = scene.start()
    scene.until_effects(2)
    kill(process.pid, engine_pid := engine(process.pid), *supervisors_of(engine_pid))
    scene.release()
    process.communicate(timeout=PATIENCE_S)
    summary = scene.resume()
    verdicts = summary["verdicts"]
    assert verdicts["pass"] + verdicts["error"] == 12
    assert verdicts["error"] <= 2, summary
    assert set(scene.effects().values()) == {1}


def supervisors_of(engine_pid: int) -> list[int]:
    return [pid for nursery in children(engine_pid) for pid in children(nursery)]


@pytest.mark.parametrize("seed", range(3))
def test_random_kills_until_it_is_done(scene: Scene, seed: int) -> None:
    choice = random.Random(seed)
    scene.write(runs=30, parallel=3, sleep="0.05", clauses="; orphans requeue")
    arguments: list[str] = []
    for _ in range(8):
        process = scene.start(*arguments)
        time.sleep(choice.uniform(0.15, 0.7))  # at any instant
        if process.poll() is not None:
            break
        mine = children(process.pid)
        victims = [process.pid, *mine, *[each for pid in mine for each in supervisors_of(pid)]]
        kill(choice.choice(victims))
        time.sleep(choice.uniform(0, 0.2))
        kill(process.pid)
        process.communicate(timeout=PATIENCE_S)
        if list(scene.folder.glob(".campaign/runs/*/plan.json")) and _recorded(scene):
            arguments = ["--resume"]
    if not _recorded(scene):  # on a busy machine none came that far
        scene.start().communicate(timeout=PATIENCE_S)
    elif _unfinished(scene):
        scene.resume()
    assert set(scene.effects().values()) == {1}
    by_campaign = _decided(scene)
    assert by_campaign
    assert all(state == "finished" for state, _ in by_campaign.values() if state not in ("running", "interrupted"))


def _recorded(scene: Scene) -> bool:
    return bool(_listed(scene))


def _unfinished(scene: Scene) -> bool:
    return any(each["state"] != "finished" for each in _listed(scene))


def _listed(scene: Scene) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "campaign", "list", "--format", "json"],
        cwd=scene.folder,
        env=scene.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else []


def _decided(scene: Scene) -> dict[str, tuple[str, int]]:
    return {each["campaign"]: (each["state"], sum(each["verdicts"].values())) for each in _listed(scene)}


def test_ctrl_c_once_winds_down_and_resume_goes_on(scene: Scene) -> None:
    scene.write(sleep=scene.held)
    process = scene.start()
    scene.until_effects(2)
    os.kill(process.pid, signal.SIGINT)
    scene.until_said(process, "winding down")
    scene.release()
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    first = json.loads(out)
    assert first["verdicts"]["canceled"] == 0
    assert 2 <= first["verdicts"]["pass"] < 12
    assert scene.campaign_files("summary.json")
    assert scene.resume()["verdicts"]["pass"] == 12
    assert set(scene.effects().values()) == {1}


def test_ctrl_c_twice_ends_what_runs_and_resume_runs_it_again(scene: Scene) -> None:
    scene.write(runs=4, sleep="$((1 + 60 * $(test -e again; echo $?)))")
    scene.spec.write_text(scene.spec.read_text().replace("test -e again", f"test -e {scene.folder}/again"))
    process = scene.start()
    scene.until_effects(2)
    os.kill(process.pid, signal.SIGINT)
    scene.until_said(process, "winding down")
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert json.loads(out)["verdicts"]["canceled"] == 2
    (scene.folder / "again").touch()
    assert scene.resume()["verdicts"]["pass"] == 4
    assert set(scene.effects().values()) == {1}
    assert sorted(run["attempt"] for run in scene.runs().values()) == [1, 1, 2, 2]


def test_a_second_command_waits_until_the_first_is_done(scene: Scene) -> None:
    scene.write(runs=4, sleep=scene.held)
    first = scene.start()
    scene.until_effects(1)
    second = scene.start()
    scene.until_said(second, "waiting")
    scene.release()
    for each in (first, second):
        each.communicate(timeout=PATIENCE_S)
    assert (first.returncode, second.returncode) == (0, 0)
    assert set(scene.effects().values()) == {2}  # the same runs of two campaigns


def test_resume_without_anything_to_resume(scene: Scene) -> None:
    scene.write(runs=1)
    scene.start().communicate(timeout=PATIENCE_S)
    process = scene.start("--resume")
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "error[CAMP508]" in err


def test_resume_takes_the_snapshot_and_says_what_has_changed(scene: Scene) -> None:
    scene.write(sleep=scene.held)
    process = scene.start()
    scene.until_effects(2)
    os.kill(process.pid, signal.SIGINT)
    scene.until_said(process, "winding down")
    scene.release()
    process.communicate(timeout=PATIENCE_S)
    scene.spec.write_text(scene.spec.read_text().replace("exit {code}", "exit 9"))
    process = scene.start("--resume")
    out, err = process.communicate(timeout=PATIENCE_S)
    assert "warning[CAMP509]" in err
    assert json.loads(out)["verdicts"]["pass"] == 12


def interrupted(scene: Scene, number: int = signal.SIGINT) -> None:
    """An exec that was told once to stop: what it had admitted ahead is queued again."""
    scene.write(sleep=scene.held)
    process = scene.start()
    scene.until_effects(2)
    os.kill(process.pid, number)
    scene.until_said(process, "winding down")
    scene.release()
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130


def test_an_interrupted_campaign_that_is_canceled_is_over(scene: Scene) -> None:
    interrupted(scene)
    assert "canceled: " in scene.call("cancel", "kill").stdout
    (row,) = json.loads(scene.call("list", "--format", "json").stdout)
    assert (row["state"], row["exit_status"]) == ("finished", 5)
    assert "error[CAMP508]" in scene.call("exec", "--resume", str(scene.spec)).stderr
    assert "would be removed" in scene.call("clean", "--older-than", "0s", "--dry-run").stdout
    assert sum(scene.effects().values()) == 2
    assert "10 runs to be carried out again" in scene.call("retry", "kill").stdout


def test_a_group_that_was_canceled_meanwhile_is_not_gone_on_with(scene: Scene) -> None:
    interrupted(scene, signal.SIGHUP)  # as when the terminal is lost
    assert "sees it to its end" in scene.call("cancel", "kill", "--group", "i").stderr
    assert scene.resume()["exit_status"] == 5
    assert sum(scene.effects().values()) == 2


@pytest.mark.parametrize("act", ["mv {0}/.campaign {0}/moved", "rm -rf {0}/.campaign"])
def test_a_workspace_that_vanishes_ends_the_command_and_its_engine(scene: Scene, act: str) -> None:
    scene.write(runs=40, parallel=3)
    once = f"if mkdir {scene.folder}/once; then sleep 0.3; {act.format(scene.folder)}; fi; sleep 0.15"
    scene.spec.write_text(scene.spec.read_text().replace("sleep 0.15", once))
    process = scene.start()
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3
    assert "error[CAMP506]" in err
    assert "while a campaign ran" in err
    assert max(scene.effects().values()) == 1


@pytest.mark.parametrize("policy", ["", "; orphans requeue"])
@pytest.mark.parametrize("lost", ["attempts", "attempts/*"])
def test_what_was_admitted_does_not_run_again_when_its_folder_is_gone(scene: Scene, policy: str, lost: str) -> None:
    scene.write(runs=6, clauses=policy, sleep=scene.held)
    process = scene.start()
    scene.until_effects(2)
    kill(process.pid, engine_pid := engine(process.pid), *supervisors_of(engine_pid))
    scene.release()
    process.communicate(timeout=PATIENCE_S)
    for path in scene.folder.glob(f".campaign/{lost}"):
        shutil.rmtree(path)
    process = scene.start("--resume")
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in {0, 1}, err
    assert "Traceback" not in err
    assert set(scene.effects().values()) == {1}


@pytest.mark.parametrize("policy", ["", "; orphans requeue"])
def test_a_damaged_exit_record_is_named_and_its_run_not_repeated(scene: Scene, policy: str) -> None:
    scene.write(runs=2, clauses=policy, sleep=scene.held)
    process = scene.start()
    scene.until_effects(2)
    kill(process.pid, engine(process.pid))
    scene.release()
    process.communicate(timeout=PATIENCE_S)
    wait_for(lambda: len(list(scene.folder.glob(".campaign/attempts/*/exit.json"))) == 2)
    for path in scene.folder.glob(".campaign/attempts/*/exit.json"):
        path.write_text("{")
    summary = scene.resume()
    assert summary["verdicts"]["error"] == 2
    assert set(scene.effects().values()) == {1}
    (failure,) = summary["failures"]
    assert "exit.json is damaged" in failure["message"]
