"""Guards: what they object to stops a run and takes its holds off; one that is silent objects too."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for

from campaign.judge.classify import decide
from campaign.records import Exit, FailureKind, FaultOrder, GuardOrder, HoldOrder, Order, Stop, Verdict

from .conftest import Desk, shell
from .test_holds import sysfs, text

PLUGINS = ("strangers",)
#: Long enough for a machine that does much else.
EVERY_S = 3.0


@pytest.fixture
def rail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "runtime").mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    path = tmp_path / "vcore"
    path.write_text("1000\n")
    return path


@pytest.fixture
def sensor(tmp_path: Path) -> Path:
    path = tmp_path / "temp1_input"
    path.write_text("45000\n")
    return path


@pytest.fixture
def desk(rail: Path, strangers: None, desk: Desk) -> Desk:
    return desk


def hot(sensor: Path, every_s: float = EVERY_S) -> GuardOrder:
    return GuardOrder("hot", "host.temperature", every_s, {"max": "95C", "path": str(sensor)})


def bad(how: str, every_s: float = EVERY_S) -> GuardOrder:
    return GuardOrder("bad", "strangers.bad", every_s, {"how": how})


def stopped(desk: Desk, order: Order) -> Exit:
    exit = desk.exit(order)
    assert exit.stopped is Stop.SAFETY
    assert exit.cleared
    decision = decide(order, exit)
    assert decision.verdict is Verdict.FAIL
    assert decision.failure is not None
    assert decision.failure.kind is FailureKind.GUARD
    return exit


def test_a_guard_that_is_content_changes_nothing(desk: Desk, rail: Path, sensor: Path) -> None:
    exit = desk.run(shell("sleep 0.3"), guards=(hot(sensor, 0.05 + EVERY_S),), holds=(sysfs(rail),))
    assert exit.stopped is None
    assert exit.steps[0].ok
    assert exit.guards[0].samples >= 1
    assert "is at 45C" in exit.guards[0].message
    assert exit.guards[0].breached_at_s is None


def test_a_breach_kills_the_tools_and_takes_the_holds_off(desk: Desk, rail: Path, sensor: Path) -> None:
    stubborn = shell("trap '' TERM; while :; do sleep 0.05; done")
    order = desk.start(desk.order(stubborn, guards=(hot(sensor, 1.0),), holds=(sysfs(rail),)))
    wait_for(lambda: text(rail) == "850" and desk.tools_left())
    sensor.write_text("95001\n")
    exit = stopped(desk, order)
    assert text(rail) == "1000"
    assert "above 95C" in exit.guards[0].message
    assert exit.guards[0].breached_at_s is not None
    assert not desk.tools_left()


@pytest.mark.parametrize("what", ["gone", "nonsense"])
def test_a_sensor_that_no_longer_answers(desk: Desk, rail: Path, sensor: Path, what: str) -> None:
    order = desk.start(desk.order(shell("sleep 100"), guards=(hot(sensor, 1.0),), holds=(sysfs(rail),)))
    wait_for(lambda: text(rail) == "850")
    sensor.unlink() if what == "gone" else sensor.write_text("soon\n")
    assert "does not answer" in stopped(desk, order).guards[0].message
    assert text(rail) == "1000"


@pytest.mark.parametrize("how", ["raise", "unable", "exit", "crash", "hang", "none", "types"])
def test_a_guard_that_goes_wrong_lets_nothing_begin(desk: Desk, rail: Path, how: str) -> None:
    order = desk.order(shell("true"), guards=(bad(how),), holds=(sysfs(rail),), plugins=PLUGINS)
    exit = stopped(desk, desk.start(order))
    assert exit.steps == ()
    assert exit.holds[0].put_on_at_s is None
    assert text(rail) == "1000"


def test_a_guard_whose_host_is_killed_goes_on_in_a_new_one(desk: Desk, rail: Path, sensor: Path) -> None:
    order = desk.start(desk.order(shell("sleep 100"), guards=(hot(sensor, 1.0),), holds=(sysfs(rail),)))
    wait_for(lambda: text(rail) == "850" and desk.tools_left())
    for pid in hosts(desk):
        os.kill(pid, signal.SIGKILL)
    sensor.write_text("99000\n")
    stopped(desk, order)
    assert text(rail) == "1000"


def hosts(desk: Desk) -> list[int]:
    pids = Path(f"/proc/{desk.handle.pid}/task/{desk.handle.pid}/children").read_text().split()
    return [int(pid) for pid in pids if b"campaign.supervise.host" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_fault_that_is_slow_does_not_keep_a_guard_from_acting(desk: Desk, rail: Path, sensor: Path) -> None:
    """The provider host that puts the holds back is busy with something that hangs: it is killed for it."""
    slow = FaultOrder("slow", "strangers.trace", 0.2, settings={"how": "hang"})
    order = desk.order(
        shell("sleep 100"), guards=(hot(sensor, 1.0),), holds=(sysfs(rail),), faults=(slow,), plugins=PLUGINS
    )
    desk.start(order)
    wait_for(Path(order.directories.work, "in-force").exists)
    sensor.write_text("99000\n")
    before = time.monotonic()
    exit = stopped(desk, order)
    assert time.monotonic() - before < 25, "it did not wait for the deadline of the fault"
    assert text(rail) == "1000"
    assert exit.faults[0].undo_failed is None


def test_a_breach_while_a_hold_is_put_on(desk: Desk, rail: Path, sensor: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    settings: dict[str, Any] = {
        "rail": "slow",
        "set": ["/bin/sh", "-c", f"echo 850 > {rail}; touch {mark}; sleep 15"],
        "read": ["/bin/cat", str(rail)],
        "restore": ["/bin/sh", "-c", f"echo {{old}} > {rail}"],
        "value": "850",
        "within": "20s",
    }
    hold = HoldOrder("slow", "rails.command", settings=settings, resources=("rail:slow",))
    order = desk.start(desk.order(shell("true"), guards=(hot(sensor, 1.0),), holds=(hold,)))
    wait_for(mark.exists)
    sensor.write_text("99000\n")
    exit = stopped(desk, order)
    assert exit.steps == ()
    assert exit.setup_error is None
    assert text(rail) == "1000"
