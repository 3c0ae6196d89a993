"""``campaign release``: what a lost run holds stays held, through restarts, until a person gives it back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from .yard import Yard

pytestmark = pytest.mark.gauntlet
BODY = "instance i { seeds 1..3; needs gpu = 1; run t }"


def release(yard: Yard, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "campaign", "release", *arguments],
        cwd=yard.folder,
        env=yard.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lose(yard: Yard, body: str = BODY) -> str:
    """A campaign whose first run's daemon, supervisor and private folder are gone, and whose tool still runs."""
    first = yard.daemon()
    campaign = yard.submit(yard.gated("a", body, clauses="; slots gpu = 1"))
    yard.until(lambda: yard.started() == 1)
    yard.kill(first)
    for path in yard.folder.glob(".campaign/attempts/*"):
        shutil.rmtree(path)
    return campaign


def test_its_slots_stay_held_until_they_are_given_back(yard: Yard) -> None:
    campaign = lose(yard)
    for _ in range(2):  # the second daemon finds it lost, as the first one left it
        pid = yard.daemon()
        yard.until(lambda: yard.status()["held_slots"] == {"gpu": 1})
        (lost,) = yard.status()["lost"]
        assert (lost["run"], lost["slots"]) == (f"{campaign}/i#1@1", {"gpu": [0]})
        assert "campaign release" in yard.call("status")
        os.kill(pid, signal.SIGTERM)
        yard.until(lambda: yard.status()["holder"] is None)
    yard.daemon()

    asked = release(yard, "i#1")
    assert asked.returncode == 2
    assert "--yes" in asked.stderr
    assert "its private folder is gone" in asked.stdout
    assert "none that bears its mark" not in asked.stdout, "its tool is still there"
    assert yard.status()["held_slots"] == {"gpu": 1}
    assert yard.started() == 1, "nothing else has got the slot"

    (yard.folder / "go").touch()
    given = release(yard, f"{campaign}/i#1@1", "--yes")
    assert given.returncode == 0, given.stderr
    assert "released: i#1, attempt 1: gpu 0" in given.stdout
    yard.call("wait", campaign, status=1)
    assert yard.verdicts(campaign) == {"pass": 2, "error": 1}
    assert yard.run_files()["i#1"]["failure"]["kind"] == "lost"
    assert (yard.status()["held_slots"], yard.status()["lost"]) == ({}, [])
    again = release(yard, "i#1", "--yes")
    assert (again.returncode, "CAMP529" in again.stderr) == (2, True)


def test_without_a_daemon_too(yard: Yard) -> None:
    campaign = lose(yard, "instance i { needs gpu = 1; run t }")
    yard.daemon()
    yard.call("wait", campaign, status=1)
    (yard.folder / "go").touch()
    os.kill(yard.pids[-1], signal.SIGTERM)
    yard.until(lambda: yard.status()["holder"] is None)
    assert yard.status()["held_slots"] == {"gpu": 1}
    given = release(yard, "i#0", "--yes")
    assert given.returncode == 0, given.stderr
    assert yard.run_files()["i#0"]["verdict"] == "error"
    events = (next(yard.folder.glob(".campaign/runs/*/events.ldjson"))).read_text().splitlines()
    last = json.loads(events[-1])
    assert (last["from"], last["to"], last["verdict"]) == ("lost", "done", "error")
    assert yard.status()["held_slots"] == {}


def test_what_is_under_way_or_over_is_not_released(yard: Yard) -> None:
    yard.daemon()
    campaign = yard.submit(yard.gated("a", "instance i { run t }"))
    yard.until(lambda: yard.started() == 1)
    refused = release(yard, "i#0", "--yes")
    assert (refused.returncode, "CAMP529" in refused.stderr) == (2, True)
    (yard.folder / "go").touch()
    yard.call("wait", campaign)
    assert release(yard, "i#0", "--yes").returncode == 2
    unknown = release(yard, "i#7", "--yes")
    assert (unknown.returncode, "CAMP581" in unknown.stderr) == (2, True)
