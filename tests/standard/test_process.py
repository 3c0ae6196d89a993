"""Process faults on real processes; their way through a supervisor is in ``tests/supervise/test_faults.py``."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from campaign.plugins.api import Fault, Injection, Process, UnableError, process_tree, running, send_signals
from campaign.plugins.parameters import defaults
from campaign.proc import boot_id, entry, identify
from campaign_standard.process import Kill, Signal, Stop


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
    _wait_for(lambda: not any(running(each, boot_id()) for each in hit))


@pytest.mark.parametrize("tree", [False, True])
def test_stop_and_go_on(tool: subprocess.Popen[bytes], tree: bool) -> None:
    hit, undo = act(Stop(), tool.pid, tree=tree)
    assert len(hit) == (2 if tree else 1)
    _wait_for(lambda: all(_state(each.pid) == "T" for each in hit))
    Stop().clear(undo)
    _wait_for(lambda: all(_state(each.pid) != "T" for each in hit))
    Stop().clear(undo)
    tool.kill()
    tool.wait()
    Stop().clear(undo)


def test_any_signal(tool: subprocess.Popen[bytes]) -> None:
    act(Signal(), tool.pid, signal="SIGUSR1")
    assert tool.wait() == -signal.SIGUSR1


def test_a_process_that_has_ended_is_not_hit(tool: subprocess.Popen[bytes]) -> None:
    asked = injection(Kill(), tool.pid)
    tool.kill()
    tool.wait()
    with pytest.raises(UnableError, match="had already ended"):
        Kill().inject(asked, {})


def test_another_process_of_the_same_number_is_not_hit(tool: subprocess.Popen[bytes]) -> None:
    asked = injection(Kill(), tool.pid)
    older = Process(asked.target.pid, asked.target.start_time - 1, asked.target.boot_id)
    for settings in ({"tree": False}, {"tree": True}):
        with pytest.raises(UnableError):
            Kill().inject(Injection(label="f", settings=settings, target=older, workdir="/", random=0), {})
    assert tool.poll() is None


def _state(pid: int) -> str:
    found = entry(pid)
    return found.state if found else "gone"


def _wait_for(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
