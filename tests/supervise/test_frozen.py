"""A supervisor that was stopped for a while goes on: what was due meanwhile happens once, in order."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.waiting import wait_for

from campaign.records import FaultOrder
from campaign.supervise.loop import Loop

from .conftest import Desk, shell


def test_timers_that_are_overdue_fire_once_in_order_of_their_instants() -> None:
    loop, fired = Loop(), []
    loop.call_later(0.02, lambda: fired.append("second"))
    loop.call_later(0.01, lambda: fired.append("first"))
    loop.call_later(0.03, lambda: fired.append("canceled")).cancel()
    loop.call_later(0.02, lambda: fired.append("third"))
    time.sleep(0.05)  # all of them are due
    loop.run_once()
    assert fired == ["first", "second", "third"]


def frozen(desk: Desk, seconds: float) -> None:
    """Stop the supervisor for so long, from when its tool runs."""
    os.kill(desk.handle.pid, signal.SIGSTOP)
    time.sleep(seconds)  # what is due meanwhile is what this is about
    os.kill(desk.handle.pid, signal.SIGCONT)


def test_time_that_ran_out_meanwhile_ends_the_step_and_the_next_one_follows(desk: Desk) -> None:
    steps = (shell("touch begun; exec sleep 1000", timeout_s=0.5, counts=False), shell("echo next", label="b"))
    order = desk.start(desk.order(*steps))
    wait_for(Path(order.directories.work, "begun").exists)
    frozen(desk, 0.8)
    first, second = desk.exit(order).steps
    assert (first.exit.timeout, first.exit.signal) == (True, signal.SIGTERM)
    assert second.ok


def test_a_step_that_ended_meanwhile_did_not_run_out_of_time(desk: Desk) -> None:
    order = desk.start(desk.order(shell("touch begun; sleep 0.2", timeout_s=2.0)))
    wait_for(Path(order.directories.work, "begun").exists)
    frozen(desk, 2.2)
    (step,) = desk.exit(order).steps
    assert (step.ok, step.exit.timeout) == (True, False)


def test_a_fault_that_was_due_meanwhile_is_injected_once_and_taken_back(strangers: None, desk: Desk) -> None:
    fault = FaultOrder("f", "strangers.trace", at_s=0.6, for_s=0.2)
    script = "touch begun; while [ ! -e in-force ]; do sleep 0.02; done; while [ -e in-force ]; do sleep 0.02; done"
    order = desk.start(desk.order(shell(script), faults=(fault,), plugins=("strangers",)))
    wait_for(Path(order.directories.work, "begun").exists)
    frozen(desk, 0.8)
    ended = desk.exit(order)
    assert ended.steps[0].ok
    (seen,) = ended.faults
    assert seen.error is None
    assert seen.injected_at_s is not None
    assert seen.cleared_at_s is not None
    assert 0.6 <= seen.injected_at_s < seen.cleared_at_s
