"""Clocks: what a tool sees that was started with one, and a running one when it jumps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from campaign.plugins.api import Injected, UnableError
from campaign_standard.clock import Jump, Offset

from .faults import clear, inject
from .holds import injection

pytestmark = pytest.mark.skipif(Offset().available() is not None, reason=str(Offset().available()))

#: Says what time it is, and sleeps: not every libfaketime lets it.
WATCHER = "import sys, time\nfor line in sys.stdin: print(time.time(), flush=True); time.sleep(0.001)"


@contextmanager
def offset(work: Path, by: str) -> Iterator[Injected]:
    asked = injection(Offset(), work, offset=by)
    undo = Offset().arm(asked)
    yield Offset().inject(asked, undo)
    clear(Offset(), undo)


class Watcher:
    def __init__(self, done: Injected) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WATCHER],
            env={**os.environ, **done.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid

    def ahead_s(self) -> int:
        """In seconds, to the nearest thirty."""
        assert self.process.stdout is not None
        print("go", file=self.process.stdin, flush=True)
        found = float(self.process.stdout.readline()) - time.time()
        return round(found / 30) * 30

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def shared() -> set[str]:
    return {name for name in os.listdir("/dev/shm") if "faketime" in name}


@pytest.mark.parametrize(("by", "seconds"), [("2h", 7200), ("-90s", -90)])
def test_the_time_of_day_is_another_one(tmp_path: Path, by: str, seconds: int) -> None:
    with offset(tmp_path, by) as done:
        watcher = Watcher(done)
        assert watcher.ahead_s() == seconds
        watcher.kill()
    assert os.listdir(tmp_path) == []


def test_it_jumps_under_a_running_tool_and_back(tmp_path: Path) -> None:
    before = shared()
    with offset(tmp_path, "60s") as done:
        watcher = Watcher(done)
        assert watcher.ahead_s() == 60
        did, first = inject(Jump(), tmp_path, watcher.pid, offset="1h", random=1)
        assert did.notes == "+60.000000 → +3660.000000 s"
        assert watcher.ahead_s() == 3660
        _, second = inject(Jump(), tmp_path, watcher.pid, offset="-2h", random=2)
        assert watcher.ahead_s() == -3540
        clear(Jump(), first)
        assert watcher.ahead_s() == -7140, "each is taken back by itself"
        clear(Jump(), second)
        assert watcher.ahead_s() == 60
        watcher.kill()
    clear(Jump(), second)
    assert shared() <= before, "what a killed tool left in /dev/shm is gone"


def test_what_a_running_tool_uses_stays(tmp_path: Path) -> None:
    with offset(tmp_path, "0s") as done:
        watcher = Watcher(done)
        watcher.ahead_s()
        ours = {name for name in shared() if name.endswith(f"_{watcher.pid}")}
        assert ours
        with offset(tmp_path / "..", "0s"):
            pass
        assert ours <= shared()
        watcher.kill()
    assert not ours & shared()


def test_what_a_tool_left_that_is_not_reaped_yet_goes(tmp_path: Path) -> None:
    before = shared()
    with offset(tmp_path, "0s") as done:
        watcher = Watcher(done)
        watcher.ahead_s()
        watcher.process.kill()
        os.waitid(os.P_PID, watcher.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert not {name for name in shared() - before if name.endswith(f"_{watcher.pid}")}
    finally:
        watcher.kill()


def test_a_tool_without_a_clock_cannot_jump(tmp_path: Path) -> None:
    sleeper = subprocess.Popen(["/bin/sleep", "100"])
    try:
        with pytest.raises(UnableError, match=r"hold clock\.offset"):
            inject(Jump(), tmp_path, sleeper.pid, offset="1h")
    finally:
        sleeper.kill()
        sleeper.wait()


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign_standard.clock._LIBRARIES", ())
    assert Offset().available() == Jump().available() == "libfaketime was not found: apt-get install faketime"
