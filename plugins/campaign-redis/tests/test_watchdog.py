"""Real watchdogs over real servers that are killed and stopped."""

import os
import signal
import subprocess
import sys

from campaign_redis.health import State
from campaign_redis.repairs import summary
from campaign_redis.watchdog import diary, kill_what_is_left

QUICK = ("--interval-s=0.02", "--patience-s=0.3")


def _diary(lab) -> str:
    path = diary(lab.directory)
    return path.read_text() if path.exists() else ""


def _watched(lab, *flags: str) -> None:
    lab.watchdog(*QUICK, *flags)
    lab.wait_until(lambda: " well: " in _diary(lab))


def test_a_killed_server_is_started_anew_in_its_folder_and_at_its_port(lab):
    server = lab.serve()
    first, port = lab.pid(), lab.port
    _watched(lab)
    os.kill(first, signal.SIGKILL)
    server.wait()
    lab.wait_until(lambda: _diary(lab).count(" well: ") == 2)
    assert (lab.pid() != first, lab.port) == (True, port)
    again = lab.pid()
    os.kill(again, signal.SIGKILL)
    lab.wait_until(lambda: lab.state() is State.WELL and lab.pid() != again)
    assert summary(_diary(lab)).startswith("detections 2, ")


def test_a_hung_server_is_killed_and_started_anew(lab):
    server = lab.serve()
    first = lab.pid()
    _watched(lab)
    os.kill(first, signal.SIGSTOP)
    lab.wait_until(lambda: server.poll() is not None and lab.state() is State.WELL)
    assert server.returncode == -signal.SIGKILL
    assert lab.pid() != first
    assert " hung: no answer within 300 ms\n" in _diary(lab)


def test_the_weak_one_does_nothing_about_a_hang(lab):
    server = lab.serve()
    _watched(lab, "--notices-hangs=false")
    os.kill(lab.pid(), signal.SIGSTOP)
    lab.wait_until(lambda: " hung: " in _diary(lab))
    os.kill(lab.pid(), signal.SIGCONT)
    lab.wait_until(lambda: _diary(lab).count(" well: ") == 2)
    assert server.poll() is None
    assert summary(_diary(lab)) == "detections 0, commands 0"


def test_what_is_left_is_killed_and_nobody_else(lab, tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        lab.directory.mkdir()
        (lab.directory / "redis.pid").write_text(f"{other.pid}\n")  # its number is somebody else's by now
        kill_what_is_left(lab.directory)
        assert other.poll() is None
        (lab.directory / "redis.pid").write_text("nonsense")
        kill_what_is_left(lab.directory)
        other.communicate(b"\n")


def test_what_it_did_is_said_by_a_step(lab):
    server = lab.serve()
    _watched(lab, "--attempts=1")
    os.kill(lab.pid(), signal.SIGKILL)
    server.wait()
    lab.wait_until(lambda: summary(_diary(lab)) == "detections 1, commands 1")
    ended = lab.start("repairs", f"--directory={lab.directory}")
    output, _ = ended.communicate(timeout=60)
    assert (ended.returncode, output.splitlines()[-1]) == (0, "detections 1, commands 1")


def test_without_a_watchdog_there_is_nothing_to_say(lab):
    ended = lab.start("repairs", f"--directory={lab.directory}")
    _, errors = ended.communicate(timeout=60)
    assert (ended.returncode, len(errors.splitlines())) == (1, 1)


def test_a_policy_that_is_none_is_one_line_and_exit_1(lab, tmp_path):
    (tmp_path / "p.toml").write_text("hang = true")
    ended = lab.watchdog(f"--policy={tmp_path / 'p.toml'}")
    _, errors = ended.communicate(timeout=60)
    assert (ended.returncode, len(errors.splitlines())) == (1, 1)
    assert errors.startswith("redis watchdog: ")
