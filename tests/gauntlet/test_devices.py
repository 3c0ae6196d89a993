"""G8 and G9: no GPU, and one GPU; what holds is observed by the tools themselves."""

from __future__ import annotations

import fcntl
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for

from .conftest import Arena

SPECS = Path(__file__).resolve().parents[2] / "specs" / "gauntlet"
pytestmark = pytest.mark.gauntlet
#: Holds a file exclusively while it runs, as a device would be held; fails where another one has it.
SOLE = """
import fcntl, os, sys, time
with open(sys.argv[2], "a") as device, open(sys.argv[3], "a") as log:
    try:
        fcntl.flock(device, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("two at a time")
    log.write("gpu %s\\n" % os.environ["CUDA_VISIBLE_DEVICES"])
    log.flush()
    time.sleep(0.05)
"""


def spec(arena: Arena, body: str, name: str, *, parallel: int = 4) -> Path:
    tool, log = arena.folder / "sole.py", arena.folder / "effects"
    tool.write_text(SOLE)
    command = f'"{sys.executable}" "{tool}" "{arena.token}" "{arena.folder}/device" "{log}"'
    note = f'"sh" "-c" "echo cpu >> {log}" "{arena.token}"'
    path = arena.folder / f"{name}.camp"
    path.write_text(
        f'campaign "{name}" {{ parallel {parallel} }}\n'
        f"tool sole {{ command {command} }}\ntool note {{ command {note} }}\n{body}\n"
    )
    return path


def environ(arena: Arena, **more: str) -> dict[str, str]:
    runtime = arena.folder / "runtime"
    runtime.mkdir(0o700, exist_ok=True)
    return {"XDG_RUNTIME_DIR": str(runtime), **more}


def resources(arena: Arena) -> list[dict[str, Any]]:
    return [run["resources"] for run in arena.runs().values()]


def test_g8_without_a_gpu_it_runs_on_the_cpu_and_says_why(arena: Arena) -> None:
    path = spec(arena, "instance i { seeds 1..4; prefer gpu = 1; run sole }", "none", parallel=1)
    done = arena.exec(path, env=environ(arena, CUDA_VISIBLE_DEVICES=""))
    assert done.returncode == 0
    assert (arena.folder / "effects").read_text() == "gpu \n" * 4
    expected = {"requested": {"gpu": 1}, "granted": {}, "fallback_reason": "no_gpu_detected"}
    assert resources(arena) == [expected] * 4


def test_g8_what_needs_one_is_refused_before_anything_runs(arena: Arena) -> None:
    path = spec(arena, "instance i { needs gpu = 1; run sole }\ninstance j { run note }", "needs")
    done = arena.exec(path, env=environ(arena, CUDA_VISIBLE_DEVICES=""))
    assert done.returncode == 3
    assert "CAMP220" in done.stderr
    assert "this machine has 0 (detected: " in done.stderr
    assert not (arena.folder / "effects").exists()


def test_g9_one_gpu_never_two_at_a_time(arena: Arena) -> None:
    body = "instance a { seeds 1..8; needs gpu = 1; run sole }\ninstance b { seeds 1..8; prefer gpu = 1; run sole }"
    path = spec(arena, f"{body}\ninstance c {{ seeds 1..8; run note }}", "one")
    done = arena.exec(path, env=environ(arena, CAMPAIGN_SLOTS="gpu=1"))
    assert done.returncode == 0, done.stdout
    effects = (arena.folder / "effects").read_text().splitlines()
    assert (effects.count("gpu 0"), effects.count("cpu"), len(effects)) == (16, 8, 24)
    assert [each["granted"] for each in resources(arena)].count({"gpu": [0]}) == 16


def test_g9_nor_with_two_workspaces(arena: Arena) -> None:
    paths = [spec(arena, "instance a { seeds 1..8; needs gpu = 1; run sole }", name) for name in ("one", "two")]

    def carry_out(path: Path) -> int:
        env = environ(arena, CAMPAIGN_SLOTS="gpu=1", CAMPAIGN_WORKSPACE=str(arena.folder / "ws" / path.stem))
        return arena.call("exec", path, env=env).returncode

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(carry_out, paths)) == [0, 0]
    assert (arena.folder / "effects").read_text() == "gpu 0\n" * 16
    runs = [json.loads(path.read_text()) for path in arena.workspace.rglob("seed-*/run.json")]
    assert [run["attempt"] for run in runs] == [1] * 16, "a busy device is no failure"


def test_g10_two_workspaces_take_turns_however_long_the_queue_of_one_is(arena: Arena) -> None:
    """Without turns the one that waits would have to look in the instant between two runs of the other."""
    effects = arena.folder / "effects"

    def start(name: str, runs: int) -> tuple[Path, dict[str, str]]:
        path = arena.folder / f"{name}.camp"
        command = f'"sh" "-c" "echo {name} >> {effects}; sleep 0.3" "{arena.token}"'
        tool = f"tool t {{ command {command} }}\ninstance i {{ seeds 1..{runs}; needs gpu = 1; run t }}\n"
        path.write_text(f'campaign "{name}" {{ }}\n{tool}')
        return path, environ(arena, CAMPAIGN_SLOTS="gpu=1", CAMPAIGN_WORKSPACE=str(arena.folder / "ws" / name))

    long, long_environ = start("long", 500)
    short, short_environ = start("short", 5)
    with ThreadPoolExecutor(1) as pool:
        going_on = pool.submit(lambda: arena.call("exec", long, env=long_environ).returncode)
        wait_for(effects.exists)
        assert arena.call("exec", short, env=short_environ).returncode == 0
        arena.call("cancel", "--all", env=long_environ)
        assert going_on.result(60) == 5
    between = [each.count("long") for each in effects.read_text().split("short")[1:-1]]
    assert len(between) == 4
    assert max(between) <= 3, between
    assert sum(between) >= 2, between


def test_g10_a_device_of_another_workspace_is_waited_for_and_holds_up_nobody(arena: Arena) -> None:
    """One place: what needs no device goes on while the first run waits; ``status`` says what for."""
    ours = str(arena.folder / "ws" / "ours")
    body = "instance g { needs gpu = 1; run sole }\ninstance c { seeds 1..3; run note }"
    path = spec(arena, body, "ours", parallel=1)
    env = environ(arena, CAMPAIGN_SLOTS="gpu=1", CAMPAIGN_WORKSPACE=ours)
    lock = Path(env["XDG_RUNTIME_DIR"]) / "campaign" / "gpu-0.lock"
    lock.parent.mkdir(0o700)
    with open(lock, "w") as device, ThreadPoolExecutor(1) as pool:
        fcntl.flock(device, fcntl.LOCK_EX)
        running = pool.submit(lambda: arena.call("exec", path, env=env).returncode)
        effects = arena.folder / "effects"
        wait_for(lambda: effects.exists() and effects.read_text() == "cpu\n" * 3)
        status = json.loads(arena.call("status", "--format", "json", env=env).stdout)
        assert status["holder"]["slots"] == [{"name": "gpu", "free": 0, "count": 1, "busy": 1}]
        assert [each["waits_for"] for each in status["queue"]] == [["gpu"]]
        assert "1 in another workspace" in arena.call("status", env=env).stdout
        device.close()
        assert running.result(60) == 0
    assert effects.read_text() == "cpu\n" * 3 + "gpu 0\n"
    runs = [json.loads(path.read_text()) for path in arena.workspace.rglob("seed-*/run.json")]
    assert [run["attempt"] for run in runs] == [1] * 4


def test_inherited_devices_are_kept_to(arena: Arena) -> None:
    path = spec(arena, "instance a { seeds 1..4; needs gpu = 1; run sole }", "kept")
    done = arena.exec(path, env=environ(arena, CAMPAIGN_SLOTS="gpu=1", CUDA_VISIBLE_DEVICES="GPU-feed,3"))
    assert done.returncode == 0
    assert (arena.folder / "effects").read_text() == "gpu GPU-feed\n" * 4


@pytest.mark.parametrize(
    ("name", "more", "status"),
    [
        ("g8-no-gpu", {"CUDA_VISIBLE_DEVICES": ""}, 0),
        ("g9-one-gpu", {"CAMPAIGN_SLOTS": "gpu=1"}, 0),
        ("g9-one-gpu", {"CAMPAIGN_SLOTS": "gpu=4"}, 1),
    ],
)
def test_the_specs_that_a_user_can_run(arena: Arena, name: str, more: dict[str, str], status: int) -> None:
    """With four GPUs its runs do meet: what the second one says can be heard."""
    path = SPECS / f"{name}.camp"
    assert arena.call("exec", path, env=environ(arena, **more)).returncode == status
