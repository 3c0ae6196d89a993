"""Process faults on real processes; their way through a supervisor is in ``tests/supervise/test_faults.py``."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.waiting import wait_for

from campaign.plugins.api import Fault, Injection, Process, UnableError, process_tree, running, send_signals
from campaign.plugins.parameters import defaults
from campaign.proc import boot_id, entry, identify
from campaign_standard.process import Kill, Restart, Signal, Stop


@pytest.fixture
def tool() -> Iterator[subprocess.Popen[bytes]]:
    """A shell with a child, in a session of its own."""
    script = "sleep 1000 & echo up; wait"
    process = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    leader = identify(process.pid, boot_id())
    assert leader is not None
    yield process
    for each in process_tree(leader):
        send_signals(each, signal.SIGKILL)
    process.kill()
    process.wait()
    process.stdout.close()


def injection(fault: Fault, pid: int, **settings: Any) -> Injection:
    target = identify(pid, boot_id())
    assert target is not None
    return Injection(label="f", settings=defaults(fault) | settings, target=target, workdir="/", random=0)


def act(fault: Fault, pid: int, **settings: Any) -> tuple[tuple[Process, ...], Any]:
    asked = injection(fault, pid, **settings)
    undo = fault.arm(asked)
    return fault.inject(asked, undo).hit, undo


def test_kill(tool: subprocess.Popen[bytes]) -> None:
    hit, _ = act(Kill(), tool.pid)
    assert [each.pid for each in hit] == [tool.pid]
    assert tool.wait() == -signal.SIGKILL


def test_kill_of_a_tree(tool: subprocess.Popen[bytes]) -> None:
    tree = process_tree(injection(Kill(), tool.pid).target)
    hit, _ = act(Kill(), tool.pid, tree=True)
    assert {each.pid for each in hit} == {each.pid for each in tree}
    assert len(hit) == 2
    tool.wait()
    wait_for(lambda: not any(running(each, boot_id()) for each in hit))


@pytest.mark.parametrize("tree", [False, True])
def test_stop_and_go_on(tool: subprocess.Popen[bytes], tree: bool) -> None:
    hit, undo = act(Stop(), tool.pid, tree=tree)
    assert len(hit) == (2 if tree else 1)
    wait_for(lambda: all(_state(each.pid) == "T" for each in hit))
    Stop().clear(undo)
    wait_for(lambda: all(_state(each.pid) != "T" for each in hit))
    Stop().clear(undo)
    tool.kill()
    tool.wait()
    Stop().clear(undo)


def test_any_signal(tool: subprocess.Popen[bytes]) -> None:
    act(Signal(), tool.pid, signal="SIGUSR1")
    assert tool.wait() == -signal.SIGUSR1


def test_one_process_by_name(tool: subprocess.Popen[bytes]) -> None:
    leader = identify(tool.pid, boot_id())
    assert leader is not None
    wait_for(
        lambda: "sleep" in [_comm(each.pid) for each in process_tree(leader)]
    )  # the shell has forked, and it is exec'd
    for name in ("sleep", "sl*p", "*"):
        asked = injection(Stop(), tool.pid, process=name)
        undo = json.loads(json.dumps(Stop().arm(asked)))
        (hit,) = Stop().inject(asked, undo).hit
        wait_for(lambda hit=hit: _state(hit.pid) == "T")
        Stop().clear(undo)
        wait_for(lambda hit=hit: _state(hit.pid) != "T")
    (hit,), _ = act(Kill(), tool.pid, process="sleep")
    assert hit.pid != tool.pid
    assert tool.wait(30) == 0, "the shell itself was not hit"


def test_of_several_of_a_name_the_seed_draws_one() -> None:
    script = "for i in 1 2 3 4 5; do sleep 1000 & done; wait"
    process = subprocess.Popen(["/bin/sh", "-c", script], start_new_session=True)
    asked = injection(Signal(), process.pid, process="sleep", signal="CONT")
    assert asked.target is not None
    try:
        wait_for(lambda: [_comm(each.pid) for each in process_tree(asked.target)].count("sleep") == 5)
        draws = [Signal().inject(msgspec.structs.replace(asked, random=n % 20), {}).hit for n in range(40)]
    finally:
        act(Kill(), process.pid, tree=True)
        process.wait(30)
    assert draws[:20] == draws[20:]
    assert 1 < len(set(draws)) <= 5


def _comm(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_a_name_that_nobody_bears(tool: subprocess.Popen[bytes]) -> None:
    with pytest.raises(UnableError, match=f"no process of process {tool.pid} is called postgres"):
        act(Kill(), tool.pid, process="postgres")
    with pytest.raises(UnableError, match="is called python"):  # not one outside of its own tree
        act(Kill(), tool.pid, process="python*")


def test_a_restart_leaves_nothing_in_the_way_of_the_next_one(tool: subprocess.Popen[bytes]) -> None:
    tree = process_tree(injection(Restart(), tool.pid).target)
    hit, undo = act(Restart(), tool.pid, signal="HUP")
    assert {each.pid for each in hit} == {each.pid for each in tree}, "whatever it takes along is excused"
    for _ in range(2):
        Restart().clear(json.loads(json.dumps(undo)))
    tool.wait(30)
    wait_for(lambda: not any(running(each, boot_id()) for each in tree))


def test_a_process_that_has_ended_is_not_hit(tool: subprocess.Popen[bytes]) -> None:
    asked = injection(Kill(), tool.pid)
    tool.kill()
    tool.wait()
    with pytest.raises(UnableError, match="had already ended"):
        Kill().inject(asked, {})


def test_another_process_of_the_same_number_is_not_hit(tool: subprocess.Popen[bytes]) -> None:
    asked = injection(Kill(), tool.pid)
    older = Process(asked.target.pid, asked.target.start_time - 1, asked.target.boot_id)
    for settings in ({"tree": False, "process": ""}, {"tree": True, "process": ""}):
        with pytest.raises(UnableError):
            Kill().inject(Injection(label="f", settings=settings, target=older, workdir="/", random=0), {})
    assert tool.poll() is None


def _state(pid: int) -> str:
    found = entry(pid)
    return found.state if found else "gone"
