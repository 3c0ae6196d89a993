"""The queue with real processes: limits, pauses, cancellation, kill -9 of the daemon, fairness, one GPU.

The judge is outside: every tool appends a line at its start and at its end to a log.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from .processes import left
from .yard import Yard

pytestmark = pytest.mark.gauntlet


def test_g1_never_more_than_there_are_places(yard: Yard) -> None:
    yard.daemon(2)
    body = "instance i { seeds 1..8; run t }"
    campaigns = [yard.submit(yard.spec(name, body, parallel=4, sleep=f"0.1; {yard.held}")) for name in ("a", "b")]
    yard.until(lambda: yard.started() >= 2)
    yard.release()
    for campaign in campaigns:
        yard.call("wait", campaign)
    assert yard.most_at_once() == 2
    assert yard.started() == 16


def test_g1_a_campaign_has_no_more_than_its_own_limit(yard: Yard) -> None:
    yard.daemon(3)
    yard.submit(yard.spec("a", "instance i { seeds 1..8; run t }", parallel=1), "--wait")
    assert yard.most_at_once() == 1


def test_g2_paused_nothing_new_starts_resumed_it_does(yard: Yard) -> None:
    yard.daemon()
    campaign = yard.submit(yard.spec("a", "instance i { seeds 1..12; run t }", sleep=yard.held))
    yard.until(lambda: yard.started() >= 2)
    yard.call("pause", campaign)
    yard.release()
    yard.until(lambda: len(yard.lines()) == 2 * yard.started())
    before = yard.started()
    time.sleep(0.5)  # that nothing starts shows only with time
    assert yard.started() == before == 2
    (queued,) = yard.status()["queue"]
    assert queued["paused"] == [""]
    yard.call("resume", campaign)
    yard.call("wait", campaign)
    assert yard.started() == 12


def test_g2_a_group_is_paused_and_the_others_go_on(yard: Yard) -> None:
    body = "instance x.one { seeds 1..4; run t }\ninstance y.two { seeds 1..4; run t }"
    campaign = yard.submit(yard.spec("a", body))
    yard.call("pause", campaign, "--group", "x")
    yard.daemon()
    yard.until(lambda: yard.verdicts(campaign).get("pass", 0) >= 4)
    assert yard.started() == 4
    yard.call("resume", campaign, "--group", "x")
    yard.call("wait", campaign)
    assert yard.verdicts(campaign) == {"pass": 8}


def test_g3_cancel_ends_everything_and_all_agree(yard: Yard) -> None:
    yard.daemon()
    campaign = yard.submit(yard.spec("a", "instance i { seeds 1..9; run t }", sleep="600"))
    yard.until(lambda: yard.started() == 2)
    yard.call("cancel", campaign)
    yard.call("wait", campaign, status=5)
    assert yard.started() == 2
    counts = yard.verdicts(campaign)  # those that were admitted ahead never ran
    assert set(counts) == {"canceled"}
    runs = [json.loads(path.read_text()) for path in yard.folder.glob(".campaign/runs/*/i/i/seed-*/run.json")]
    assert [run["verdict"] for run in runs] == ["canceled"] * counts["canceled"]
    assert yard.status()["queue"] == []
    assert not [line for line in left(str(yard.folder)) if "sleep" in line]


def test_g4_a_killed_daemon_loses_nothing_and_executes_nothing_twice(yard: Yard) -> None:
    first = yard.daemon()
    campaign = yard.submit(yard.spec("a", "instance i { seeds 1..12; run t }", sleep="0.3"))
    yard.until(lambda: yard.started() >= 3)
    os.kill(first, signal.SIGKILL)
    assert yard.status()["holder"] is None
    yard.daemon()
    yard.call("wait", campaign)
    assert yard.verdicts(campaign) == {"pass": 12}
    starts = Counter(line for line in yard.lines() if line.startswith("start"))
    assert set(starts.values()) == {1}
    assert yard.most_at_once() <= 2


def test_g4_a_stopped_daemon_leaves_what_runs_to_the_next_one(yard: Yard) -> None:
    first = yard.daemon()
    campaign = yard.submit(yard.spec("a", "instance i { seeds 1..8; run t }", sleep=yard.held))
    yard.until(lambda: yard.started() >= 2)
    os.kill(first, signal.SIGTERM)
    yard.until(lambda: yard.status()["holder"] is None)
    yard.release()
    yard.daemon()
    yard.call("wait", campaign)
    assert yard.verdicts(campaign) == {"pass": 8}
    assert yard.started() == 8


def test_g5_a_single_run_beside_a_sweep_starts_in_the_next_free_place(yard: Yard) -> None:
    yard.daemon()
    sweep = yard.submit(yard.spec("sweep", "instance i { seeds 1..400; run t }", sleep="1"))
    yard.until(lambda: yard.started() >= 4)
    yard.submit(yard.spec("single", "instance i { run t }"), "--wait")
    assert yard.started() < 100
    yard.call("cancel", sweep)
    yard.call("wait", sweep, status=5)


def test_g7_a_client_that_goes_away_and_comes_back(yard: Yard) -> None:
    yard.daemon()
    spec = yard.spec("a", "instance i { seeds 1..20; run t }")
    client = subprocess.Popen(
        [sys.executable, "-m", "campaign", "exec", spec],
        cwd=yard.folder,
        env=yard.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yard.until(lambda: yard.started() >= 3)
    client.kill()
    client.wait()
    assert "20 runs in" in yard.call("wait")
    assert yard.started() == 20


def impatient(yard: Yard, *words: str) -> str:
    """What a client says that waits half a second for an answer instead of ten."""
    script = (
        "import sys; from campaign.engine import asking; from campaign.__main__ import main;"
        "asking.PATIENCE_S = 0.5; sys.argv[0] = 'campaign'; main()"
    )
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, cwd=yard.folder, env=yard.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_g7_a_stale_heartbeat_is_said_plainly(yard: Yard) -> None:
    pid = yard.daemon()
    os.kill(pid, signal.SIGSTOP)
    old = time.time() - 60
    os.utime(yard.folder / ".campaign" / "daemon.lock", (old, old))
    said = impatient(yard, "status")
    assert f"process {pid} holds the workspace and does not answer" in said
    assert "STALE" in said


def test_g9_one_gpu_slot_is_never_held_twice(yard: Yard) -> None:
    yard.daemon(4)
    body = "instance i { seeds 1..6; needs gpu = 1; run t }"
    campaigns = [yard.submit(yard.spec(name, body, parallel=4, clauses="; slots gpu = 1")) for name in ("a", "b")]
    for campaign in campaigns:
        yard.call("wait", campaign)
    assert yard.most_at_once() == 1
    assert yard.started() == 12


def test_g10_cpu_runs_flow_beside_gpu_runs(yard: Yard) -> None:
    yard.daemon(3)
    body = "instance g { seeds 1..6; needs gpu = 1; run t }\ninstance c { seeds 1..6; run t }"
    campaign = yard.submit(yard.spec("a", body, parallel=3, sleep=f"0.1; {yard.held}", clauses="; slots gpu = 1"))
    yard.until(lambda: yard.started() >= 3)
    yard.release()
    yard.call("wait", campaign)
    assert yard.verdicts(campaign) == {"pass": 12}
    assert yard.most_at_once() == 3


def test_g9_campaigns_that_compete_for_several_kinds_of_slots(yard: Yard) -> None:
    """Each tool takes its units as files, exclusively, or fails."""
    yard.daemon(4)
    gpu, board = (f'"/usr/bin/flock" "-n" "{yard.folder}/{name}-{{slot.{name}}}"' for name in ("gpu", "board"))
    kinds = {"a": (gpu, "gpu = 1"), "b": (board, "board = 1"), "c": (f"{gpu} {board}", "gpu = 1, board = 1")}
    campaigns = []
    for name, (locks, needs) in kinds.items():
        path = yard.folder / f"{name}.camp"
        path.write_text(
            f'campaign "{name}" {{ parallel 4; slots gpu = 1, board = 2 }}\n'
            f'tool t {{ command {locks} "/bin/sleep" "0.05" }}\ninstance i {{ seeds 1..6; needs {needs}; run t }}\n'
        )
        campaigns.append(yard.submit(str(path)))
    for campaign in campaigns:
        yard.call("wait", campaign)
        assert yard.verdicts(campaign) == {"pass": 6}


def test_without_a_daemon_what_is_submitted_waits_and_is_carried_out_by_the_next(yard: Yard) -> None:
    campaign = yard.submit(yard.spec("a", "instance i { seeds 1..3; run t }"))
    yard.call("wait", campaign, status=3)
    assert yard.status()["queue"][0]["state"] == "queued"
    yard.daemon()
    yard.call("wait", campaign)
    assert yard.verdicts(campaign) == {"pass": 3}


def test_what_failed_is_carried_out_again(yard: Yard) -> None:
    yard.daemon()
    spec = yard.spec("a", "instance i { seeds 1..3; run t }")
    text = Path(spec).read_text().replace("sleep 0.1;", f"test -e {yard.folder}/mended || exit 1;")
    Path(spec).write_text(text)
    campaign = yard.submit(spec)
    yard.call("wait", campaign, status=1)
    (yard.folder / "mended").touch()
    yard.call("retry", campaign, "--wait")
    assert yard.verdicts(campaign) == {"pass": 3}


def test_whoever_holds_the_workspace_for_one_write_is_waited_for(yard: Yard) -> None:
    spec = yard.spec("a", "instance i { run t }")
    yard.submit(spec)

    def held_for_a_moment() -> threading.Timer:
        fd = os.open(yard.folder / ".campaign" / "daemon.lock", os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)
        (timer := threading.Timer(1.0, os.close, [fd])).start()
        return timer

    for attempt in (lambda: yard.submit(spec), yard.daemon):
        timer = held_for_a_moment()
        attempt()
        timer.join()
    yard.call("wait")
    assert yard.started() == 2
