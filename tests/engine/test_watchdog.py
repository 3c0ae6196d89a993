"""Supervisors that do not run: woken first, killed when that does not help, and never where there is no need."""

from __future__ import annotations

import signal

import pytest

from campaign.engine import watchdog
from campaign.engine.watchdog import Watchdog, carrying_out_s, ending_s, judging_s
from campaign.records import FaultOrder, OracleOrder
from campaign.supervise.loop import Loop, Timer

from .conftest import make_order


class Hands(Loop):
    """A loop whose time goes by as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        self.due: list[Timer] = []

    def call_later(self, delay: float, callback) -> Timer:  # type: ignore[no-untyped-def]
        self.due.append(Timer(self.time + delay, callback))
        return self.due[-1]

    def go(self, seconds: float) -> None:
        self.time += seconds
        for timer in [each for each in self.due if each.when <= self.time]:
            self.due.remove(timer)
            if timer.callback is not None:
                timer.callback()


@pytest.fixture
def hands() -> Hands:
    return Hands()


def test_it_is_woken_and_then_killed(hands: Hands) -> None:
    sent: list[signal.Signals] = []
    watched = Watchdog(hands, sent.append)
    watched.expect(10, 5)
    hands.go(10 + watchdog.MARGIN_S - 1)
    assert sent == []
    hands.go(1)
    assert sent == [signal.SIGCONT]
    assert not watched.killed
    hands.go(5 + watchdog.PATIENCE_S)
    assert sent == [signal.SIGCONT, signal.SIGKILL]
    assert watched.killed


@pytest.mark.parametrize("woken", [False, True])
def test_one_that_gets_on_is_left_alone(hands: Hands, woken: bool) -> None:
    sent: list[signal.Signals] = []
    watched = Watchdog(hands, sent.append)
    watched.expect(1, 1)
    if woken:
        hands.go(1 + watchdog.MARGIN_S)
    watched.expect(1000, 1)
    hands.go(900)
    watched.rest()
    hands.go(9000)
    assert sent == [signal.SIGCONT] * woken


def test_what_an_attempt_may_take_holds_all_that_its_supervisor_waits_for() -> None:
    plain = make_order(0, timeout_s=2.0)
    assert carrying_out_s(plain) == 2.0 + ending_s(plain)
    assert judging_s(plain) == 0
    asked = make_order(0, oracles=(OracleOrder("a", "x"), OracleOrder("b", "x", timeout_s=7.0)))
    assert judging_s(asked) > 607
    acting = make_order(0, faults=(FaultOrder(label="f", fault="process.kill", at_s=0.0),))
    assert ending_s(acting) >= ending_s(plain) + 60
