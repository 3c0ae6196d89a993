"""Faults: their instants, whom they hit and excuse, and that they are taken back come what may."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import msgspec
import pytest
from tests.waiting import wait_for

from campaign.records import FaultOrder, ServiceOrder, Stop, late
from campaign.records.messages import Clear, Cleared
from campaign.supervise import undo

from .conftest import Desk, python, shell, step

PLUGINS = ("strangers",)


@pytest.fixture
def desk(strangers: None, desk: Desk) -> Desk:
    return desk


def trace(how: str = "", at_s: float = 0.1, **rest: object) -> FaultOrder:
    return FaultOrder("t", "strangers.trace", at_s, settings={"how": how}, random=2**64 - 1, **rest)  # type: ignore[arg-type]


def test_a_kill_excuses_the_process_it_hit(desk: Desk) -> None:
    exit = desk.run(
        shell("sleep 100", label="a"), step("true", label="b"), faults=(FaultOrder("k", "process.kill", 0.1),)
    )
    (fault,) = exit.faults
    assert exit.steps[0].exit.signal == signal.SIGKILL
    assert exit.steps[0].excused
    assert not exit.steps[0].ok
    assert exit.steps[1].ok, "the run goes on"
    assert not exit.steps[1].excused
    assert fault.error is fault.undo_failed is None
    assert fault.injected_at_s is not None
    assert fault.injected_at_s >= exit.steps[0].started_at_s + 0.1
    assert fault.notes == "SIGKILL to process"


def test_a_kill_of_the_leader_leaves_its_children_a_kill_of_the_tree_does_not(desk: Desk) -> None:
    script = "(trap 'echo told; exit' TERM; while :; do sleep 0.05; done) & wait"
    for tree, told in ((False, True), (True, False)):
        fault = FaultOrder("k", "process.kill", 0.2, settings={"tree": tree})
        order = desk.order(shell(script), faults=(fault,))
        assert desk.carry_out(order).steps[0].excused
        log = desk.public(order, "output.log")
        assert ("told" in log.read_text() if log.exists() else False) is told


def test_a_stop_lasts_as_long_as_it_should(desk: Desk) -> None:
    script = (
        "import time; last = time.monotonic(); gap = 0\n"
        "end = last + 1.2\n"
        "while last < end:\n"
        "    time.sleep(0.005); now = time.monotonic(); gap = max(gap, now - last); last = now\n"
        "print(gap)"
    )
    order = desk.order(python(script), faults=(FaultOrder("s", "process.stop", 0.3, for_s=0.4),))
    exit = desk.carry_out(order)
    (fault,) = exit.faults
    assert exit.steps[0].exit.code == 0
    assert fault.injected_at_s is not None
    assert fault.cleared_at_s is not None
    assert fault.cleared_at_s - fault.injected_at_s >= 0.4
    assert float(desk.public(order, "output.log").read_text()) >= 0.35
    assert not os.listdir(f"{order.directories.private}/undo")


def test_a_stopped_tool_at_the_end(desk: Desk) -> None:
    exit = desk.run(shell("sleep 100"), faults=(FaultOrder("s", "process.stop", 0.1),), timeout_s=1.0)
    assert exit.stopped is Stop.TIMEOUT
    assert exit.tree_empty
    assert exit.faults[0].undo_failed is None


def test_any_signal(desk: Desk) -> None:
    order = desk.order(
        shell("trap 'echo hup; exit 3' HUP; while :; do sleep 0.05; done"),
        faults=(FaultOrder("h", "process.signal", 0.2, settings={"signal": "HUP"}),),
    )
    exit = desk.carry_out(order)
    assert exit.steps[0].exit.code == 3
    assert desk.public(order, "output.log").read_text() == "hup\n"


def test_a_fault_aimed_at_a_served_tool(desk: Desk) -> None:
    exit = desk.run(
        shell("until test -s pid; do sleep 0.01; done; while kill -0 $(cat pid); do sleep 0.02; done"),
        services=(ServiceOrder("srv", "tool", ("/bin/sh", "-c", "echo $$ > pid; exec sleep 100")),),
        faults=(FaultOrder("k", "process.kill", 0.1, target="srv"),),
    )
    assert exit.stopped is None, "a fault hit it: it did not end by itself"
    assert exit.services[0].excused
    assert exit.steps[0].ok
    assert exit.faults[0].target == "srv"


def test_a_fault_counts_from_the_step_it_names(desk: Desk) -> None:
    exit = desk.run(
        shell("sleep 0.3", label="a"),
        shell("sleep 100", label="b"),
        faults=(FaultOrder("k", "process.kill", 0.1, after="b"),),
    )
    assert [each.excused for each in exit.steps] == [False, True]
    assert (exit.faults[0].injected_at_s or 0) >= exit.steps[1].started_at_s + 0.1


def test_an_instant_after_the_end_is_an_error_of_the_fault(desk: Desk) -> None:
    exit = desk.run(step("true"), faults=(FaultOrder("k", "process.kill", 60.0),))
    assert exit.steps[0].ok
    assert exit.faults[0].injected_at_s is None
    assert "came after the tools had ended" in (exit.faults[0].error or "")


def test_a_fault_whose_target_has_ended(desk: Desk) -> None:
    exit = desk.run(
        step("true", label="a"),
        shell("sleep 1", label="b"),
        faults=(FaultOrder("k", "process.kill", 0.5, target="a"),),
    )
    assert "a had ended before" in (exit.faults[0].error or "")
    assert exit.steps[1].ok


def test_the_inverse_is_journalled_before_and_struck_out_after(desk: Desk) -> None:
    waits = shell("until test -e go; do sleep 0.05; done")
    order = desk.order(waits, faults=(trace(for_s=2.0),), plugins=PLUGINS)
    desk.start(order)
    path = Path(order.directories.work, "in-force")
    wait_for(path.exists)
    (entry,) = undo.pending(order.directories.private).entries
    assert (entry.label, entry.fault, entry.plugins) == ("t", "strangers.trace", PLUGINS)
    assert entry.undo["path"] == str(path)
    wait_for(lambda: not undo.pending(order.directories.private))
    Path(order.directories.work, "go").touch()
    exit = desk.exit(order)
    assert not path.exists()
    assert not undo.pending(order.directories.private)
    assert exit.faults[0].notes == "made a file"
    [ended] = exit.steps
    assert (exit.faults[0].cleared_at_s or 0) < ended.started_at_s + ended.duration_s


def test_a_fault_in_force_is_taken_back_when_the_run_is_canceled(desk: Desk) -> None:
    order = desk.order(shell("sleep 100"), faults=(trace(),), plugins=PLUGINS)
    desk.start(order)
    path = Path(order.directories.work, "in-force")
    wait_for(path.exists)
    desk.halt(order)
    exit = desk.exit(order)
    assert exit.stopped is Stop.CANCEL
    assert exit.faults[0].cleared_at_s is not None
    assert not path.exists()


@pytest.mark.parametrize("how", ["arm", "inject"])
def test_a_fault_that_cannot_be_injected(desk: Desk, how: str) -> None:
    order = desk.order(shell("sleep 0.5"), faults=(trace(how),), plugins=PLUGINS)
    exit = desk.carry_out(order)
    assert exit.faults[0].error
    assert exit.faults[0].injected_at_s is None
    assert not Path(order.directories.work, "in-force").exists(), "what it did before it failed is taken back"


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("lapsed", "somebody ended it"),
        ("lapsed-raise", "whether it lasted cannot be told: no idea"),
        ("lapsed-nonsense", "whether it lasted cannot be told: strangers.trace answered int, not a text"),
    ],
)
def test_a_fault_that_ended_early_is_told_and_taken_back(desk: Desk, how: str, why: str) -> None:
    order = desk.order(shell("sleep 0.4"), faults=(trace(how, for_s=0.1),), plugins=PLUGINS)
    (fault,) = desk.carry_out(order).faults
    assert fault.error == f"ended early: {why}"
    assert fault.lapsed
    assert fault.undo_failed is None
    assert fault.cleared_at_s is not None
    assert not Path(order.directories.work, "in-force").exists()


def test_a_helper_that_somebody_kills_ends_its_fault_early(desk: Desk) -> None:
    hog = FaultOrder("hog", "memory.pressure", 0.0, settings={"size": "1MiB"}, random=1)
    until_killed = "while [ ! -e killed ]; do sleep 0.02; done"
    order = desk.start(desk.order(shell(until_killed), faults=(hog,)))
    memo = Path(order.directories.work, ".campaign-hog-0000000000000001.json")
    end = time.monotonic() + 60
    while not memo.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    pid, *_ = msgspec.json.decode(memo.read_bytes())
    os.kill(pid, signal.SIGKILL)
    Path(order.directories.work, "killed").touch()
    (fault,) = desk.exit(order).faults
    assert fault.error == "ended early: its helper was killed by SIGKILL"
    assert fault.injected_at_s is not None
    assert not memo.exists()


def test_an_undo_that_fails_stays_in_the_journal(desk: Desk) -> None:
    order = desk.order(shell("sleep 0.5"), faults=(trace("clear"),), plugins=PLUGINS)
    exit = desk.carry_out(order)
    assert exit.faults[0].undo_failed == "cannot be taken back"
    assert len(undo.pending(order.directories.private).entries) == 1


def test_a_fault_nobody_provides_is_an_error(desk: Desk) -> None:
    exit = desk.run(shell("sleep 0.5"), faults=(FaultOrder("x", "strangers.nothing", 0.1),), plugins=PLUGINS)
    assert exit.faults[0].error == "no plugin provides the fault strangers.nothing"


def test_plugins_that_cannot_be_loaded_stop_the_run_before_it_starts(desk: Desk) -> None:
    exit = desk.run(step("true"), faults=(FaultOrder("x", "nobody.x", 0.1),), plugins=("nobody",))
    assert "plugin nobody is not installed" in (exit.setup_error or "")
    assert exit.steps == ()


def test_a_served_tool_is_ready_before_the_first_step(desk: Desk) -> None:
    argv = ("/bin/sh", "-c", "sleep 0.2; echo 4711 > port; exec sleep 100")
    order = desk.order(
        step("/bin/echo", f"port {late('srv.port')}"),
        services=(ServiceOrder("srv", "strangers.server", argv, probe=True),),
        plugins=PLUGINS,
    )
    assert desk.carry_out(order).steps[0].ok
    assert desk.public(order, "output.log").read_text() == "port 4711\n"


def test_a_served_tool_that_is_never_ready(desk: Desk) -> None:
    service = ServiceOrder(
        "srv", "strangers.server", ("/bin/sleep", "100"), values={"never": True}, probe=True, timeout_s=0.3
    )
    exit = desk.run(step("true"), services=(service,), plugins=PLUGINS)
    assert exit.setup_error == "srv was not ready within 0.3 s"
    assert exit.steps == ()


def test_a_served_tool_that_ends_before_it_is_ready(desk: Desk) -> None:
    service = ServiceOrder("srv", "strangers.server", ("/bin/sh", "-c", "exit 3"), probe=True)
    exit = desk.run(step("true"), services=(service,), plugins=PLUGINS)
    assert exit.setup_error == "srv ended before it was ready: exit status 3"


def test_what_a_dead_supervisor_left_in_force_is_taken_back_by_the_next(desk: Desk) -> None:
    order = desk.order(shell("sleep 100"), faults=(trace(),), plugins=PLUGINS)
    desk.start(order)
    path = Path(order.directories.work, "in-force")
    wait_for(path.exists)
    os.kill(desk.handle.pid, signal.SIGKILL)
    assert desk.gone()
    assert path.exists()
    desk.handle = desk.handle.replace()
    for _ in range(2):  # clearing what is already cleared does no harm
        desk.send(Clear(order.token, order.directories.private))
        assert desk.expect(Cleared).failed == ()
        assert not path.exists()
        assert not undo.pending(order.directories.private)
    for pid in desk.tools_left():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not desk.tools_left())


@pytest.mark.parametrize("kind", ["damaged", "failing"])
def test_what_cannot_be_taken_back_is_named_and_kept(desk: Desk, kind: str) -> None:
    order = desk.order(shell("sleep 0.5"), faults=(trace("clear"),), plugins=PLUGINS)
    desk.carry_out(order)
    journal = Path(order.directories.private, "undo/t.json")
    if kind == "damaged":
        journal.write_text("{")
    desk.send(Clear(order.token, order.directories.private))
    (why,) = desk.expect(Cleared).failed
    assert ("the journal cannot be read" if kind == "damaged" else "t: cannot be taken back") in why
    assert journal.exists()


def test_no_secret_is_kept_of_what_a_fault_says(desk: Desk) -> None:
    order = desk.order(
        shell("sleep 0.4"), faults=(trace("hunter2"),), plugins=PLUGINS, environment={"A": "hunter2"}, masked=("A",)
    )
    (seen,) = desk.carry_out(order).faults
    assert seen.notes == "made a file ***"


# --- what carries out a trace -----------------------------------------------------------------------------------------


def in_trace(how: str, at_s: float = 0.0) -> FaultOrder:
    return FaultOrder("t", "strangers.trace", at_s, settings={"how": ""}, in_trace=how)  # type: ignore[arg-type]


def test_the_death_that_ends_a_trace_is_the_fault_and_excused(desk: Desk) -> None:
    order = desk.order(
        shell("sleep 0.3; kill -9 $$"), shell("true", label="b"), faults=(in_trace("end"),), plugins=PLUGINS
    )
    found = desk.carry_out(order)
    first, second = found.steps
    assert (first.exit.signal, first.excused, second.ok) == (9, True, True)
    (fault,) = found.faults
    assert fault.error is None
    assert fault.notes == "the trace ends here"
    assert fault.injected_at_s == pytest.approx(first.started_at_s + first.duration_s, abs=1e-5)


@pytest.mark.parametrize("script", ["exit 0", "kill -TERM $$"])
def test_a_replay_that_does_not_die_as_its_trace_does_is_told(desk: Desk, script: str) -> None:
    found = desk.carry_out(desk.order(shell(f"sleep 0.3; {script}"), faults=(in_trace("end"),), plugins=PLUGINS))
    assert not found.steps[0].excused
    assert "came to an end that is not that of its trace" in (found.faults[0].error or "")


def test_a_fault_that_comes_too_late_for_a_replay_is_no_error(desk: Desk) -> None:
    found = desk.carry_out(desk.order(shell("sleep 0.5"), faults=(in_trace("effect", 60.0),), plugins=PLUGINS))
    (fault,) = found.faults
    assert (fault.error, fault.injected_at_s) == (None, None)
    assert "came after the tools had ended" in (fault.notes or "")


def test_repeats_of_one_fault_are_journalled_apart(desk: Desk) -> None:
    stops = [
        FaultOrder("s", "process.stop", at_s, for_s=0.3, index=index, sequence=index)
        for index, at_s in ((1, 0.2), (2, 0.4))
    ]
    order = desk.start(desk.order(shell("sleep 1"), faults=tuple(stops)))
    folder, seen = Path(order.directories.private, "undo"), set[str]()
    deadline = time.monotonic() + 30
    while len(seen) < 2 and time.monotonic() < deadline:
        seen |= set(os.listdir(folder)) if folder.exists() else set()
        time.sleep(0.01)
    exit = desk.exit(order)
    assert {name.partition(".json")[0] for name in seen} == {"s[1]", "s[2]"}
    assert [(each.name, each.error, each.undo_failed) for each in exit.faults] == [
        ("s[1]", None, None),
        ("s[2]", None, None),
    ]
    assert all(each.cleared_at_s is not None for each in exit.faults)
    assert not os.listdir(folder)
