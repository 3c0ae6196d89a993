"""Faults that overlap on one thing: none undoes another, and in the end all is as it was at first."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.waiting import wait_for

from campaign.records import FaultOrder
from campaign.records.messages import Clear, Cleared
from campaign.supervise.overlaps import InForce, awaited

from .conftest import PYTHON, Desk, python, shell, step

#: Whole instants from which to which a fault lasts.
spans = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 20)).map(lambda each: (each[0], each[0] + each[1])), max_size=6
)
SHARED = frozenset({"it"})


class World:
    """Faults of one kind that come and go; what ``clear`` chooses is called with each that is taken back."""

    def __init__(self, overlaps: str, faults: list[tuple[int, int]]) -> None:
        self.overlaps, self.now = overlaps, 0
        self.faults = sorted(faults, key=lambda span: span[0])
        self.in_force: list[tuple[int, int]] = []

    def take_back(self) -> list[tuple[int, int]]:
        """Whatever may go now, one by one, until nothing more may."""
        gone = []
        while (chosen := self._next()) is not None:
            gone.append(self.in_force.pop(chosen))
        return gone

    def _next(self) -> int | None:
        seen = [InForce(self.overlaps, SHARED, end <= self.now) for _, end in self.in_force]  # type: ignore[arg-type]
        free = [each for each in range(len(seen)) if seen[each].over and not awaited(seen, each)]
        return free[0] if free else None


@given(spans)
def test_of_a_stack_what_was_injected_last_acts(faults: list[tuple[int, int]]) -> None:
    """Each is a write to one place, whose inverse writes what was found there."""
    world, place, found = World("stacks", faults), None, list[object]()
    for world.now in range(42):
        for _ in world.take_back():
            place = found.pop()
        for fault in world.faults:
            if fault[0] == world.now:
                world.in_force.append(fault)
                found.append(place)
                place = fault
        lasting = [fault for fault in world.faults if fault[0] <= world.now < fault[1]]
        assert place == (lasting[-1] if lasting else None)
    assert not world.in_force


@given(spans)
def test_of_those_that_count_the_last_one_ends_all(faults: list[tuple[int, int]]) -> None:
    """Each stops one thing, and each inverse has it go on."""
    world, stopped = World("counts", faults), False
    for world.now in range(42):
        if world.take_back():
            stopped = False
        for fault in world.faults:
            if fault[0] == world.now:
                world.in_force.append(fault)
                stopped = True
        assert stopped == any(start <= world.now < end for start, end in faults)
    assert not world.in_force


@given(spans)
def test_those_that_add_go_by_themselves(faults: list[tuple[int, int]]) -> None:
    seen = [InForce("adds", SHARED, over=False) for _ in faults]
    assert not any(awaited(seen, each) for each in range(len(seen)))


def test_what_changes_something_else_is_not_waited_for() -> None:
    one, two = InForce("stacks", frozenset({"a"}), over=True), InForce("stacks", frozenset({"b"}))
    both = InForce("stacks", frozenset({"a", "b"}))
    assert awaited((one, two), 0) == ()
    assert awaited((one, two, both), 0) == (2,)
    assert awaited((one, InForce("adds", frozenset({"a"}))), 0) == ()


# --- with processes and files


def stop(label: str, at_s: float, for_s: float) -> FaultOrder:
    return FaultOrder(label, "process.stop", at_s, for_s=for_s, settings={"tree": True}, overlaps="counts")


#: A tool that ends once it has been away for long enough.
AWAY = """
import time
began = last = time.monotonic(); gap = 0
while gap < 0.9 and last < began + 20:
    time.sleep(0.005); now = time.monotonic(); gap = max(gap, now - last); last = now
time.sleep(0.3)
print(gap)
"""


def test_a_short_stop_does_not_end_a_long_one(desk: Desk) -> None:
    order = desk.order(python(AWAY), faults=(stop("long", 0.3, 1.0), stop("short", 0.5, 0.1)))
    long, short = desk.carry_out(order).faults
    assert float(desk.public(order, "output.log").read_text()) >= 0.9
    assert (long.error, short.error) == (None, None)
    assert long.cleared_at_s is not None
    assert short.cleared_at_s is not None
    assert long.injected_at_s is not None
    assert min(long.cleared_at_s, short.cleared_at_s) >= long.injected_at_s + 1.0
    assert "taken back only after long" in (short.notes or "")


def edit(label: str, at_s: float, for_s: float | None = None) -> FaultOrder:
    settings = {"path": "app.ini", "set": "mode", "value": label}
    return FaultOrder(label, "config.edit", at_s, for_s=for_s, settings=settings, random=1, shares=("app.ini",))


#: A tool that prints what its file says once that has been ``b`` and is something else again.
READS = """
import pathlib, time
file, seen, end = pathlib.Path("app.ini"), [], time.monotonic() + 20
file.write_text("mode=first\\n")
while time.monotonic() < end and ("b" not in seen or seen[-1] == "b"):
    now = file.read_text().strip().removeprefix("mode=")
    seen += [now] if [now] != seen[-1:] else []
    time.sleep(0.005)
time.sleep(0.5)
print(file.read_text())
"""


@pytest.mark.parametrize(
    ("faults", "after"),
    [
        ((edit("a", 0.4, 0.3), edit("b", 0.5, 0.8)), "first"),
        ((edit("a", 0.4), edit("b", 0.5, 0.3)), "a"),
    ],
    ids=["one after the other", "one within the other"],
)
def test_a_file_that_two_faults_edit_is_put_back(desk: Desk, faults: tuple[FaultOrder, ...], after: str) -> None:
    order = desk.order(python(READS), faults=faults)
    exit = desk.carry_out(order)
    assert [(each.error, each.undo_failed) for each in exit.faults] == [(None, None)] * 2
    assert desk.public(order, "output.log").read_text().split() == [f"mode={after}"]
    assert ("taken back only after b" in (exit.faults[0].notes or "")) == (after == "first")
    assert Path(order.directories.work, "app.ini").read_text() == "mode=first\n"


#: A tool that ends once its limit and a rail were others than at first, and both are as they were again.
LOOKS = """
import pathlib, resource, sys, time
def look():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0], pathlib.Path(sys.argv[1]).read_text()
first, other, end = look(), {None}, time.monotonic() + 30
while time.monotonic() < end and not ({0, 1} < other and look() == first):
    other |= {place for place in (0, 1) if look()[place] != first[place]}
    time.sleep(0.005)
time.sleep(0.2)
print({0, 1} < other, look() == first)
"""


def test_limits_and_rails_that_overlap_are_as_they_were(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the limits the second one lasts longer, of the rails the first one."""
    rail, runtime = tmp_path / "rail", tmp_path / "runtime"
    rail.write_text("1000\n")
    runtime.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    given: list[tuple[str, float, float, dict[str, object]]] = [
        ("limits.files", 0.4, 1.0, {"spare": 100}),
        ("limits.files", 0.5, 1.4, {"spare": 20}),
        ("rails.sysfs", 0.4, 1.6, {"path": str(rail), "value": "850"}),
        ("rails.sysfs", 0.5, 0.4, {"path": str(rail), "value": "900"}),
    ]
    faults = tuple(
        FaultOrder(
            f"f{number}",
            model,
            at_s,
            for_s=for_s,
            settings=settings,
            random=1,
            resources=(str(rail),) if model == "rails.sysfs" else (),
        )
        for number, (model, at_s, for_s, settings) in enumerate(given)
    )
    order = desk.order(step(PYTHON, "-c", LOOKS, str(rail)), faults=faults)
    exit = desk.carry_out(order)
    assert [(each.error, each.undo_failed) for each in exit.faults] == [(None, None)] * 4
    assert desk.public(order, "output.log").read_text() == "True True\n"
    assert rail.read_text() == "1000\n"


def test_at_the_end_the_last_one_is_taken_back_first(desk: Desk) -> None:
    """They are armed in another order than they are injected in."""
    script = "echo mode=first > app.ini; for i in $(seq 200); do grep -q b app.ini && exit; sleep 0.1; done"
    order = desk.order(shell(script), faults=(edit("b", 0.6), edit("a", 0.4)))
    exit = desk.carry_out(order)
    assert [(each.error, each.undo_failed) for each in exit.faults] == [(None, None)] * 2
    assert Path(order.directories.work, "app.ini").read_text() == "mode=first\n"


def test_what_a_dead_supervisor_left_is_taken_back_the_last_one_first(desk: Desk) -> None:
    order = desk.start(
        desk.order(shell("echo mode=first > app.ini; exec sleep 100"), faults=(edit("b", 0.6), edit("a", 0.4)))
    )
    file = Path(order.directories.work, "app.ini")
    wait_for(lambda: file.exists() and file.read_text() == "mode=b\n")
    os.kill(desk.handle.pid, signal.SIGKILL)
    assert desk.gone()
    desk.handle = desk.handle.replace()
    for pid in desk.tools_left():
        os.kill(pid, signal.SIGKILL)
    desk.send(Clear(order.token, order.directories.private))
    assert desk.expect(Cleared).failed == ()
    assert file.read_text() == "mode=first\n"
