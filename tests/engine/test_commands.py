"""Commands between campaigns: how they end, and that nothing of them stays, however they end."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.engine.commands import Ran, carry_out

#: A child in its session, one in a session of its own, and one there that hears no SIGTERM; all hold the fifo.
LEAVES = "exec 3> {fifo}; sleep 600 & setsid sleep 600 & setsid sh -c 'trap \"\" TERM; touch {up}; sleep 600' & "
DRIVER = """
import os, sys
from campaign.engine.commands import carry_out
lock = os.open(sys.argv[2], os.O_RDONLY)
import fcntl
fcntl.flock(lock, fcntl.LOCK_EX)
carry_out(["sh", "-c", sys.argv[1]], folder="/", log="/dev/null", given=None, timeout_s=600, environment={}, keep=(lock,),
    grace_s=0.5)
"""


class Watch:
    """A fifo that whatever a command starts holds open, so that its end is seen; ``up`` is there once all have begun."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.up = folder, folder / "up"
        os.mkfifo(folder / "fifo")
        self._reader = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)

    def script(self, then: str) -> str:
        return LEAVES.format(fifo=self.folder / "fifo", up=self.up) + then

    def all_gone(self) -> bool:
        poll = select.poll()
        poll.register(self._reader, 0)
        return bool(poll.poll(20_000))

    def have_begun(self) -> bool:
        until_s = time.monotonic() + 20
        while not self.up.exists() and time.monotonic() < until_s:
            time.sleep(0.02)
        return self.up.exists()

    def close(self) -> None:
        os.close(self._reader)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    found = Watch(tmp_path)
    yield found
    found.close()


def ran(folder: Path, *argv: str, timeout_s: float = 60.0) -> Ran:
    log = str(folder / "log")
    given, own = b"said\n", {"OWN": "1"}
    return carry_out(argv, folder=str(folder), log=log, given=given, timeout_s=timeout_s, environment=own, grace_s=0.3)


def test_it_is_run_in_its_folder_with_its_input_and_its_output_is_kept(tmp_path: Path) -> None:
    assert ran(tmp_path, "sh", "-c", "cat; pwd; echo $OWN; echo bad >&2") == Ran()
    said = (tmp_path / "log").read_text().splitlines()
    assert said == ["$ sh -c cat; pwd; echo $OWN; echo bad >&2", "said", str(tmp_path), "1", "bad"]


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("sh", "-c", "exit 3"), "sh left with status 3"),
        (("sh", "-c", "kill -9 $$"), "sh was ended by signal 9"),
        (("./none",), "./none cannot be started: No such file or directory"),
        (("sh", "a\0b"), "sh cannot be started: embedded null byte"),
    ],
)
def test_why_it_failed_is_said(tmp_path: Path, argv: tuple[str, ...], why: str) -> None:
    assert ran(tmp_path, *argv).why == why


@pytest.mark.parametrize(
    ("then", "timeout_s", "why"), [("exit 3", 60, "sh left with status 3"), ("sleep 600", 1, "sh took longer than 1 s")]
)
def test_nothing_of_it_stays_in_whatever_session(watch: Watch, then: str, timeout_s: float, why: str) -> None:
    found = ran(
        watch.folder,
        "sh",
        "-c",
        watch.script(f"until test -e {watch.up}; do sleep 0.05; done; {then}"),
        timeout_s=timeout_s,
    )
    assert found.why == why
    assert watch.all_gone()


def test_nothing_stays_where_whoever_wanted_it_is_killed_and_his_lock_is_free_only_then(watch: Watch) -> None:
    lock = watch.folder / "lock"
    lock.touch()
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, watch.script("sleep 600"), str(lock)])
    assert watch.have_begun()
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    with lock.open() as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_EX)
    assert watch.all_gone()
