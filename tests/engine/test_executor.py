"""The executor over real supervisors: orders go out, records come back, deaths are noticed."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from campaign.engine import executor
from campaign.engine.executor import MUTE, LocalExecutor
from campaign.engine.findings import Exited, Finding, Gone, NeverStarted, Running, Unasked, Unknown
from campaign.engine.recover import make_folder, revoke
from campaign.proc import entry
from campaign.records import Directories, Exit, Order, StepOrder, Stop, order_digest
from campaign.supervise.launch import start_supervisors
from campaign.supervise.loop import Loop

from .conftest import make_order


class Ears:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def started(self, token: str, at: str) -> None:
        self.heard.append(("started", token))

    def exited(self, token: str, exit_: Exit, data: bytes) -> None:
        assert msgspec.json.decode(data, type=Exit) == exit_
        self.heard.append(("exited", token, exit_))

    def judged(self, token: str, oracles: Any, signature: str | None) -> None:
        self.heard.append(("judged", token, oracles))

    def refused(self, token: str, why: str) -> None:
        self.heard.append(("refused", token, why))

    def found(self, token: str, finding: Finding) -> None:
        self.heard.append(("found", token, finding))

    def busy(self, token: str, units: Any) -> None:
        self.heard.append(("busy", token, units))

    def free(self, units: Any) -> None:
        self.heard.append(("free", units))

    def crippled(self) -> None:
        self.heard.append(("crippled",))

    def about(self, token: str) -> list[str]:
        return [each[0] for each in self.heard if len(each) > 1 and each[1] == token]


class Yard:
    """A workspace with supervisors."""

    def __init__(self, folder: Path, places: int) -> None:
        self.folder = folder
        (folder / "ws" / "attempts").mkdir(parents=True)
        self.handles = start_supervisors(places, str(folder / "ws"))
        self.loop, self.ears = Loop(), Ears()
        self.executor = LocalExecutor(self.loop, self.handles, self.ears)

    def order(self, number: int, script: str = "true") -> Order:
        order = make_order(number, steps=(StepOrder(label="s", tool="sh", argv=("/bin/sh", "-c", script)),))
        public = self.folder / "runs" / "demo-1" / f"c{number}" / "attempt-1"
        private = self.folder / "ws" / "attempts" / order.token
        where = Directories(public=str(public), private=str(private), work=str(public / "work"))
        order = msgspec.structs.replace(order, directories=where)
        return msgspec.structs.replace(order, digest=order_digest(order))

    def start(self, order: Order) -> Order:
        if not os.path.exists(order.directories.private):
            make_folder(order.directories.private)
        self.executor.start(order, msgspec.json.encode(order))
        return order

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not done():
            assert time.monotonic() < deadline, self.ears.heard
            self.loop.call_later(0.2, lambda: None)
            self.loop.run_once()

    def until_heard(self, what: str, order: Order) -> None:
        self.until(lambda: what in self.ears.about(order.token))

    def exit_of(self, order: Order) -> Exit:
        exit_: Exit = next(each[2] for each in self.ears.heard if each[:2] == ("exited", order.token))
        return exit_


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(tmp_path, 2)
    yield made
    made.executor.close()


def test_an_order_is_carried_out(yard: Yard) -> None:
    order = yard.start(yard.order(0, "exit 4"))
    yard.until_heard("exited", order)
    assert yard.ears.about(order.token) == ["started", "exited"]
    assert yard.exit_of(order).steps[0].exit.code == 4
    assert isinstance(yard.executor.fetch(order), Exited)


def test_each_place_gets_one_before_any_gets_two(yard: Yard) -> None:
    first, second, ahead = (yard.start(yard.order(n, f"sleep {s}")) for n, s in enumerate(("0.3", "0.3", "0")))
    for order in (first, second, ahead):
        yard.until_heard("exited", order)
    started = [each[1] for each in yard.ears.heard if each[0] == "started"]
    assert started[2] == ahead.token


def test_what_waits_behind_a_long_run_is_known_once_another_place_is_free(yard: Yard) -> None:
    long = yard.start(yard.order(0, "sleep 60"))
    short = yard.start(yard.order(1, "sleep 0.2"))
    waiting = yard.start(yard.order(2))
    assert yard.executor.stuck() == []
    yard.until_heard("exited", short)
    assert yard.executor.stuck() == [waiting.token]
    yard.executor.stop(long, Stop.CANCEL)
    yard.until_heard("exited", waiting)
    assert yard.executor.stuck() == []


def test_a_revoked_order_is_refused_by_its_supervisor(yard: Yard) -> None:
    order = yard.order(0)
    make_folder(order.directories.private)
    assert revoke(order.directories.private)
    yard.start(order)
    yard.until_heard("refused", order)
    assert "started" not in yard.ears.about(order.token)


def test_stopping(yard: Yard) -> None:
    order = yard.start(yard.order(0, "sleep 60"))
    yard.until_heard("started", order)
    yard.executor.stop(order, Stop.INTERRUPT)
    yard.until_heard("exited", order)
    assert yard.exit_of(order).stopped is Stop.INTERRUPT


def test_a_supervisor_that_dies_is_replaced_and_its_attempts_examined(yard: Yard) -> None:
    running = yard.start(yard.order(0, "echo $$ > pid; sleep 60"))
    yard.start(yard.order(1, "sleep 1"))
    waiting = yard.start(yard.order(2))
    yard.until_heard("started", running)
    pid = Path(running.directories.work) / "pid"
    yard.until(lambda: pid.exists() and pid.read_text().strip() != "")
    os.kill(yard.handles[0].pid, signal.SIGKILL)
    yard.until_heard("found", running)
    findings = {each[1]: each[2] for each in yard.ears.heard if each[0] == "found"}
    assert findings == {running.token: Gone(), waiting.token: NeverStarted()}
    left = entry(int(pid.read_text()))
    assert left is None or left.ended
    assert yard.executor.capacity() == 2
    again = yard.start(yard.order(3))
    yard.until_heard("exited", again)


MUTE_TOOL = "while :; do kill -STOP $PPID; sleep 0.02; done"


def test_a_supervisor_that_never_answers_is_replaced(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.engine.watchdog.MARGIN_S", 0.2)
    monkeypatch.setattr("campaign.engine.watchdog.PATIENCE_S", -4.5)
    monkeypatch.setattr("campaign.engine.executor.carrying_out_s", lambda order: 0.5 if order.cell == "c0" else 60)
    mute = yard.start(yard.order(0, MUTE_TOOL))
    sibling = yard.start(yard.order(1, "sleep 2"))
    yard.until_heard("found", mute)
    assert [each[2] for each in yard.ears.heard if each[:2] == ("found", mute.token)] == [MUTE]
    assert yard.executor.capacity() == 2
    yard.until_heard("exited", sibling)
    assert yard.exit_of(sibling).steps[0].ok


def test_a_supervisor_that_was_stopped_is_woken_to_be_told(yard: Yard) -> None:
    order = yard.start(yard.order(0, "kill -STOP $PPID; sleep 600"))
    yard.until_heard("started", order)
    yard.until(lambda: (found := entry(yard.handles[0].pid)) is not None and found.state == "T")
    yard.executor.stop(order, Stop.INTERRUPT)
    yard.until_heard("exited", order)
    assert yard.exit_of(order).stopped is Stop.INTERRUPT


def test_without_its_nursery_a_place_is_gone_for_good(yard: Yard) -> None:
    order = yard.start(yard.order(0))
    yard.until_heard("exited", order)
    os.kill(yard.handles[0].nursery.pid, signal.SIGKILL)
    os.waitpid(yard.handles[0].nursery.pid, 0)
    os.kill(yard.handles[0].pid, signal.SIGKILL)
    yard.until(lambda: ("crippled",) in yard.ears.heard)
    assert yard.executor.capacity() == 1


def test_supervisors_that_die_before_they_did_anything_are_replaced_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_STILLBORN_S", 1e9)
    yard = Yard(tmp_path, 1)
    killed = 0
    while yard.executor.capacity():
        (place,) = yard.executor._places
        place.handle.send_signal(signal.SIGKILL)
        killed += 1
        yard.until(lambda place=place: place not in yard.executor._places)
    assert ("crippled",) in yard.ears.heard
    assert killed > 3
    yard.executor.close()


def test_where_no_supervisor_is_left_to_ask_the_oracles_that_is_said(yard: Yard) -> None:
    """The exit record is there, and judging it again and again would never end."""
    order = yard.start(yard.order(0))
    yard.until_heard("exited", order)
    yard.executor._places.clear()
    yard.executor.judge(order, yard.exit_of(order))
    assert yard.ears.heard[-1] == ("found", order.token, Unasked())


def test_a_run_of_an_earlier_owner_is_followed_to_its_end(tmp_path: Path) -> None:
    old = Yard(tmp_path, 1)
    order = old.start(old.order(0, "sleep 0.7"))
    old.until_heard("started", order)
    for handle in old.handles:
        handle.close()  # as the death of an engine does
    loop, ears = Loop(), Ears()
    new = LocalExecutor(loop, (), ears)
    new.recover([(order, True)])
    deadline = time.monotonic() + 30
    while not ears.heard and time.monotonic() < deadline:
        loop.run_once()
    ((what, token, finding),) = ears.heard
    assert (what, token) == ("found", order.token)
    assert isinstance(finding, Exited)
    assert finding.exit.steps[0].ok


@pytest.mark.parametrize(("fault", "expected"), [("process.stop", Gone), ("process.nonsense", Unknown)])
def test_what_is_in_force_is_taken_back_also_where_no_supervisor_is_left(
    tmp_path: Path, fault: str, expected: type[Finding]
) -> None:
    old = Yard(tmp_path, 1)
    order = old.start(old.order(0, "sleep 60"))
    old.until_heard("started", order)
    undo = Path(order.directories.private) / "undo"
    undo.mkdir(exist_ok=True)
    inverse = {"pid": 1, "start_time": 1, "boot_id": "another", "tree": False}
    entry = {"schema": "campaign.undo/1", "label": "x", "fault": fault, "undo": inverse, "plugins": []}
    (undo / "x.json").write_bytes(msgspec.json.encode(entry))
    os.kill(old.handles[0].pid, signal.SIGKILL)
    select.select([old.handles[0].pidfd], [], [], 30)
    for handle in old.handles:
        handle.close()
    loop, ears = Loop(), Ears()
    new = LocalExecutor(loop, (), ears)
    assert new.recover([(order, True)]) == [Running()]
    deadline = time.monotonic() + 60
    while not ears.heard and time.monotonic() < deadline:
        loop.run_once()
    ((what, token, finding),) = ears.heard
    assert (what, token) == ("found", order.token)
    assert isinstance(finding, expected)
    assert (undo / "x.json").exists() == (expected is Unknown)


@pytest.mark.parametrize(("fault", "expected"), [("process.stop", Gone), ("process.nonsense", Unknown)])
def test_what_a_dead_supervisor_left_in_force_is_taken_back_by_another(
    yard: Yard, fault: str, expected: type[Finding]
) -> None:
    running = yard.start(yard.order(0, "sleep 60"))
    yard.until_heard("started", running)
    undo = Path(running.directories.private) / "undo"
    undo.mkdir(exist_ok=True)
    entry = {
        "schema": "campaign.undo/1",
        "label": "x",
        "fault": fault,
        "undo": {"pid": 1, "start_time": 1, "boot_id": "another", "tree": False},
        "plugins": [],
    }
    (undo / "x.json").write_bytes(msgspec.json.encode(entry))
    os.kill(yard.handles[0].pid, signal.SIGKILL)
    yard.until(lambda: any(isinstance(each[-1], expected) for each in yard.ears.heard))
    assert (undo / "x.json").exists() == (expected is Unknown)
