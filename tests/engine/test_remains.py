"""Real processes of attempts whose supervisors are dead: whoever is left is found, also while it forks, and killed."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from campaign.engine import remains
from campaign.engine.remains import Census, end_trees
from campaign.proc import Entry, entry
from campaign.records import Directories, Order

from .conftest import make_order

#: Tells its pid; for every line that it reads it forks a child, which goes on in its place.
_HOPPER = """
import os, sys
while True:
    os.write(1, b"%d\\n" % os.getpid())
    if not os.read(0, 1):
        os._exit(0)
    if os.fork():
        os._exit(0)
"""
#: The same, without being asked; each of them lives a few milliseconds.
_RUNNER = """
import os, time
end = time.monotonic() + 60
while time.monotonic() < end:
    time.sleep(0.005)
    if os.fork():
        os._exit(0)
"""


class Hopper:
    """A process that can be made to fork and end, at any instant."""

    def __init__(self, work: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HOPPER],
            cwd="/",
            env={"CAMPAIGN_WORKDIR": work},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.pid = self._told()

    def hop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"x")
        self.pid = self._told()

    def _told(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture
def orders(tmp_path: Path) -> list[Order]:
    def place(number: int) -> Order:
        work, private = tmp_path / f"run-{number}" / "work", tmp_path / "attempts" / f"t{number}"
        work.mkdir(parents=True)
        private.mkdir(parents=True)
        where = Directories(public=str(work.parent), private=str(private), work=str(work))
        return msgspec.structs.replace(make_order(number), directories=where)

    return [place(number) for number in range(40)]


@pytest.fixture
def hopper(orders: list[Order]) -> Iterator[Hopper]:
    made = Hopper(orders[7].directories.work)
    yield made
    made.process.communicate()  # with the end of its input it goes


def tokens(orders: list[Order]) -> set[str]:
    return {order.token for order in orders}


def alive(pid: int) -> bool:
    found = entry(pid)
    return found is not None and not found.ended


def before_looking_at(monkeypatch: pytest.MonkeyPatch, pid: int, then: Callable[[], None]) -> None:
    """Have something happen between the listing of the process table and the first look at one of the processes."""
    waiting = [then]

    def looked(number: int) -> Entry | None:
        if number == pid and waiting:
            waiting.pop()()
        return entry(number)

    monkeypatch.setattr(remains, "entry", looked)


def readings(monkeypatch: pytest.MonkeyPatch) -> list[Census]:
    made: list[Census] = []
    read = Census.read
    monkeypatch.setattr(Census, "read", lambda self, works: made.append(self) or read(self, works))
    return made


def test_a_survivor_of_one_of_many_is_killed_and_all_are_proved(orders: list[Order], hopper: Hopper) -> None:
    assert end_trees(orders) == tokens(orders)
    assert not alive(hopper.pid)


def test_the_table_is_not_read_for_each_of_them(orders: list[Order], monkeypatch: pytest.MonkeyPatch) -> None:
    made = readings(monkeypatch)
    assert end_trees(orders) == tokens(orders)
    assert len(set(map(id, made))) == 1
    one = len(made)
    made.clear()
    end_trees(orders[:1])
    assert one < len(made) + len(orders) / 2, "the more attempts, the more readings"


def test_what_forks_and_is_gone_when_it_is_looked_at_leads_to_its_child(
    orders: list[Order], hopper: Hopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> None:
        hopper.hop()
        hopper.process.wait()

    parent = hopper.pid
    before_looking_at(monkeypatch, parent, fork)
    assert end_trees(orders) == tokens(orders)
    assert hopper.pid != parent
    assert not alive(hopper.pid)


def test_what_forks_and_is_a_zombie_when_it_is_looked_at_leads_to_its_child(
    orders: list[Order], hopper: Hopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> None:
        parent = hopper.pid
        hopper.hop()
        found = entry(parent)
        while found is not None and not found.ended:
            found = entry(parent)

    before_looking_at(monkeypatch, hopper.pid, fork)
    assert end_trees(orders) == tokens(orders)
    assert not alive(hopper.pid)


def test_what_has_no_environment_yet_is_looked_at_again(
    orders: list[Order], hopper: Hopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of execve(2) a process has neither arguments nor an environment."""
    read, hidden = remains._read, ["environ", "cmdline"]

    def reading(process: Entry, name: str) -> bytes:
        if process.pid == hopper.pid and name in hidden:
            hidden.remove(name)
            return b""
        return read(process, name)

    monkeypatch.setattr(remains, "_read", reading)
    assert end_trees(orders) == tokens(orders)
    assert not hidden
    assert not alive(hopper.pid)


def test_one_that_never_holds_still_is_never_taken_for_gone(orders: list[Order]) -> None:
    running = subprocess.Popen([sys.executable, "-c", _RUNNER], cwd=orders[3].directories.work)
    proved = end_trees(orders)
    left = Census().read([os.fsencode(orders[3].directories.work)])
    assert orders[3].token not in proved or not left
    assert proved >= tokens(orders) - {orders[3].token}
    while left:
        remains.kill([each for those in left.values() for each in those])
        left = Census().read([os.fsencode(orders[3].directories.work)])
    running.wait()


def test_one_that_hides_and_holds_its_lock_keeps_only_its_own_attempt_unproved(orders: list[Order]) -> None:
    with open(Path(orders[5].directories.private) / "tree.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert end_trees(orders) == tokens(orders) - {orders[5].token}


def test_who_only_looks_alike_is_left_alone(orders: list[Order]) -> None:
    work = orders[0].directories.work
    marks = [{"CAMPAIGN_WORKDIR": f"{work}2"}, {"OTHER": work}, {}]
    others = [subprocess.Popen(["/bin/sleep", "600"], cwd=Path(work).parent, env=mark) for mark in marks]
    assert end_trees(orders) == tokens(orders)
    assert [other.poll() for other in others] == [None] * 3
    for other in others:
        other.kill()
        other.wait()


def test_a_working_folder_that_was_removed_still_says_whose_a_process_is(orders: list[Order]) -> None:
    work = Path(orders[0].directories.work)
    with subprocess.Popen(["/bin/sleep", "600"], cwd=work, env={}) as process:
        work.rmdir()
        assert end_trees(orders) == tokens(orders)
        assert process.wait() == -9
