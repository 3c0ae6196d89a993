"""A stranger's plugin in a real campaign: its tool and oracle, the events it hears, and what resume asks of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for

pytestmark = pytest.mark.gauntlet

PLUGIN = """
import json, os
from campaign.plugins.api import Command, Judgement, Oracle, Tool, hookimpl

api = 1
LOG = os.path.join(os.path.dirname(__file__), "..", "log")  # a provider host gets no variables of ours


def note(**what):
    with open(LOG, "a") as file:
        file.write(json.dumps(what) + "\\n")


class Work(Tool):
    name = "work"
    about = "sleeps"
    parameters = {"naps": {"type": "int", "default": 1}}

    def command(self, step):
        return Command(argv=("/bin/sh", "-c", f"echo nap $$; sleep 0.1; exit {step.seed % 3 == 0 and 1 or 0}"))


class Fine(Oracle):
    name = "fine"
    about = "looks"

    def judge(self, evidence, settings):
        note(oracle=evidence.key, pid=os.getpid())
        return Judgement(ok=True, message="fine")


@hookimpl
def campaign_tools():
    return [Work()]


@hookimpl
def campaign_oracles():
    return [Fine()]


@hookimpl
def campaign_planned(campaign, runs):
    note(event="planned", runs=runs)


@hookimpl
def campaign_run_started(campaign, key, attempt):
    note(event="started", key=key)


@hookimpl
def campaign_run_finished(campaign, run):
    note(event="finished", key=run.key, verdict=run.verdict, pid=os.getpid())
    if run.key == "i#1":
        raise RuntimeError("an event cannot alter results")


@hookimpl
def campaign_finished(summary):
    note(event="over", verdicts=summary.verdicts)
"""
SPEC = 'use stranger\ncampaign "guest" { parallel 2 }\ninstance i { seeds 1..6; run stranger.work; oracle stranger.fine }\n'


class Guest:
    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.site = folder / "site"
        self.site.mkdir()
        (self.site / "campaign_stranger.py").write_text(PLUGIN)
        self.version("1.0")
        (folder / "spec.camp").write_text(SPEC)
        self.log = folder / "log"
        self.environ = {**environ, "HOME": str(folder), "PYTHONPATH": str(self.site)}

    def version(self, version: str) -> None:
        for old in self.site.glob("*.dist-info"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        info = self.site / f"campaign_stranger-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: campaign-stranger\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("[campaign.plugins]\nstranger = campaign_stranger\n")
        (info / "RECORD").write_text("campaign_stranger.py,,\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "campaign", "exec", "spec.camp", "--format", "json", *arguments]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, env=self.environ, text=True, **pipes)

    def notes(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture
def guest(tmp_path: Path, clean_environ: dict[str, str]) -> Guest:
    return Guest(tmp_path, clean_environ)


def test_events_come_in_order_and_cannot_alter_results(guest: Guest) -> None:
    process = guest.start()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert json.loads(out)["verdicts"] == {"pass": 4, "fail": 2, "error": 0, "canceled": 0, "skipped": 0}
    assert "CAMP405" in err  # the hook that raised
    notes = guest.notes()
    events = [each for each in notes if "event" in each]
    assert events[0] == {"event": "planned", "runs": 6}
    assert events[-1]["event"] == "over"
    for seed in range(1, 7):
        own = [each["event"] for each in events if each.get("key") == f"i#{seed}"]
        assert own == ["started", "finished"]


def test_no_plugin_code_runs_in_the_engine(guest: Guest) -> None:
    process = guest.start()
    engines: set[int] = set()
    while process.poll() is None:
        found = (
            Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            if process.poll() is None
            else []
        )
        engines.update(map(int, found))
        time.sleep(0.02)
    process.communicate(timeout=60)
    pids = {each["pid"] for each in guest.notes() if "pid" in each}
    assert process.pid in pids  # events
    assert len(pids) >= 2  # and oracles, in hosts of their own
    assert engines
    assert not pids & engines


def test_another_version_of_a_plugin_is_refused_on_resume_and_both_are_named(guest: Guest) -> None:
    process = guest.start()
    wait_for(lambda: process.poll() is not None or any("oracle" in each for each in guest.notes()))
    assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    guest.version("2.0")
    refused = guest.start("--resume")
    _, err = refused.communicate(timeout=60)
    assert refused.returncode == 3
    assert "1.0" in err
    assert "2.0" in err
    guest.version("1.0")
    again = guest.start("--resume")
    out, err = again.communicate(timeout=60)
    assert again.returncode == 1, err
    assert sum(json.loads(out)["verdicts"].values()) == 6


def test_a_retry_while_the_planner_still_writes_its_reports(guest: Guest) -> None:
    slow = PLUGIN.replace('note(event="over"', 'import time; time.sleep(3); print("chat: over")\n    note(event="over"')
    slow += '    raise KeyError("late")\n'
    (guest.site / "campaign_stranger.py").write_text(slow)

    def campaign(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "campaign", *words]
        done = subprocess.run(
            command, cwd=guest.folder, env=guest.environ, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout + done.stderr

    assert campaign("daemon", "--detach", "--parallel", "2")[0] == 0
    pid = int((guest.folder / ".campaign" / "daemon.lock").read_text().split()[0])
    try:
        assert campaign("submit", "spec.camp")[0] == 0
        wait_for(lambda: '"finished"' in campaign("list", "--format", "json")[1])
        status, said = campaign("retry", "guest", "--wait")
        assert status == 1, said  # two of them fail again
        attempts = [json.loads(path.read_text())["attempt"] for path in guest.folder.rglob("seed-*/run.json")]
        assert sorted(attempts) == [1, 1, 1, 1, 2, 2]
        log = (guest.folder / ".campaign" / "daemon.log").read_text()
        assert "raises in the hook campaign_run_finished: RuntimeError: an event cannot alter results" in log
        assert "chat: over" in log
        (name,) = (each.name for each in (guest.folder / ".campaign" / "runs").iterdir())
        late = f"campaign: {name}: warning[CAMP405]: plugin stranger (campaign-stranger 1.0) raises in the hook "
        assert f"{late}campaign_finished: KeyError: 'late'" in log
    finally:
        os.kill(pid, signal.SIGTERM)
