"""Watches: asked on the evidence so far while the steps run; silent, blind or canceled, nothing hangs or passes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.waiting import wait_for

from campaign.judge.classify import decide
from campaign.records import (
    Exit,
    FaultOrder,
    Order,
    ServiceOrder,
    Stop,
    Verdict,
    WatchExit,
    WatchOrder,
    late,
    pattern_order,
)

from .conftest import Desk, shell, step
from .test_faults import trace
from .test_guards import hosts

PLUGINS = ("strangers",)


@pytest.fixture
def desk(strangers: None, desk: Desk) -> Desk:
    return desk


def good(**rest: Any) -> WatchOrder:
    return WatchOrder("good", "strangers.good", rest.pop("every_s", 0.05), rest.pop("timeout_s", 20.0), **rest)


def bad(how: str, timeout_s: float = 20.0, **rest: Any) -> WatchOrder:
    return WatchOrder("bad", "strangers.bad", 0.05, timeout_s, settings={"how": how}, **rest)


def log(**settings: Any) -> WatchOrder:
    return WatchOrder("log", "text.contains", 0.05, 20.0, settings=settings)


#: Waits until a watch that leaves a line in ``asked`` each time has looked at things as they are now.
LOOKED = "seen() { cat asked 2>/dev/null | wc -l; }; looked() { n=$(seen); until [ $(seen) -gt $((n + 1)) ]; do sleep 0.01; done; }; "


def calm(**rest: Any) -> WatchOrder:
    """Is content while no fault of the strangers is in force."""
    argv = ["/bin/sh", "-c", "echo >> asked; ! test -e in-force"]
    return WatchOrder("calm", "command", 0.05, 20.0, settings={"argv": argv}, **rest)


def watched(desk: Desk, script: str, *watches: WatchOrder, **rest: Any) -> tuple[Order, Exit]:
    rest = {"environment": {"PATH": os.environ["PATH"]}, **rest}
    order = desk.order(shell(LOOKED + script), watches=watches, plugins=PLUGINS, **rest)
    return order, desk.carry_out(order)


def oks(watch: WatchExit) -> list[bool | None]:
    """How it turned."""
    found = [each.ok for each in watch.changes]
    return [ok for number, ok in enumerate(found) if number == 0 or found[number - 1] is not ok]


def test_what_turns_is_seen_and_kept_for_people(desk: Desk) -> None:
    order, exit = watched(desk, "looked; touch in-force; looked; rm in-force; looked", calm())
    (seen,) = exit.watches
    assert oks(seen) == [True, False, True]
    assert seen.samples > len(seen.changes)
    lines = [msgspec.json.decode(line) for line in desk.public(order, "watch/calm.ldjson").read_bytes().splitlines()]
    assert [(line["at_s"], line["ok"]) for line in lines][:3] == [(each.at_s, each.ok) for each in seen.changes]
    assert lines[-1]["at_s"] == seen.last_at_s
    assert decide(order, exit).reason.startswith("watch calm at ")


def test_every_watch_looks_before_the_first_step(desk: Desk) -> None:
    _, exit = watched(desk, "true", good(), log(text="x"))
    for seen in exit.watches:
        assert seen.first_at_s is not None
        assert seen.first_at_s <= exit.steps[0].started_at_s


def test_the_output_so_far_is_watched(desk: Desk) -> None:
    order, exit = watched(desk, "looked; echo panic; looked; sleep 0.5", calm(), log(text="panic", absent=True))
    assert oks(exit.watches[1]) == [True, False]
    assert '"panic" is in line 1 of the output' in decide(order, exit).reason


#: More than what is on disk of an output while its run lasts.
FLOOD = "yes $(printf %0999d 0) | head -c 1500000; echo; "


def test_all_of_the_output_so_far_is_watched(desk: Desk) -> None:
    watch = log(text="panic", absent=True)
    script = FLOOD + "echo panic; " + FLOOD + FLOOD + "looked; looked; looked; looked; looked"
    order, exit = watched(desk, script, calm(), watch, patterns=(pattern_order("contains", "panic"),))
    assert oks(exit.watches[1]) == [True, False]
    assert '"panic" is in the output, in what was not kept of it' in decide(order, exit).reason


@pytest.mark.parametrize("script", ["echo panic", FLOOD + "echo panic; " + FLOOD + FLOOD, "echo up; echo down"])
def test_what_is_printed_after_its_last_sample_is_seen(desk: Desk, script: str) -> None:
    """It would come but once an hour."""
    panic, down = pattern_order("contains", "panic"), pattern_order("contains", "down", "up|down")
    watches = (
        WatchOrder(
            "panic", "text.contains", 3600.0, 20.0, settings={"text": "panic", "absent": True}, searches=(panic.id,)
        ),
        WatchOrder(
            "down",
            "text.contains",
            3600.0,
            20.0,
            settings={"text": "down", "among": "up|down", "absent": True},
            searches=(down.id,),
        ),
        good(every_s=3600.0),
    )
    order, exit = watched(desk, script, *watches, patterns=(panic, down))
    wrong = 1 if "down" in script else 0
    assert oks(exit.watches[wrong]) == [True, False]
    assert [seen.samples for number, seen in enumerate(exit.watches) if number != wrong] == [1, 1]
    assert decide(order, exit).verdict is Verdict.FAIL


def test_what_is_not_on_disk_is_not_taken_for_absent(desk: Desk) -> None:
    order, exit = watched(desk, FLOOD + "looked; looked; looked; looked; looked", calm(), log(text="x", absent=True))
    assert oks(exit.watches[1])[-1] is None
    decision = decide(order, exit)
    assert decision.verdict is Verdict.ERROR
    assert "bytes of the output were not kept" in decision.reason


def test_a_file_of_the_tools_is_watched_and_judged_from_its_first_ok_sample(desk: Desk) -> None:
    order, exit = watched(desk, "looked; echo up > log; looked; sleep 0.5", calm(), log(text="up", file="log"))
    assert oks(exit.watches[1]) == [False, True]
    assert decide(order, exit).verdict is Verdict.PASS


def test_a_fault_is_detected_and_recovered_from(desk: Desk) -> None:
    fault = trace(at_s=0.0, for_s=0.2, sla_s=25.0)
    script = "until test -e in-force; do sleep 0.01; done; while test -e in-force; do sleep 0.01; done; looked"
    order, exit = watched(desk, script, calm(), faults=(fault,))
    (seen,) = exit.faults
    assert seen.injected_at_s is not None
    assert seen.planned_at_s <= seen.injected_at_s
    if seen.detected_at_s is not None:  # a busy machine may look but before and after
        assert seen.recovered_at_s is not None
        assert seen.injected_at_s <= seen.detected_at_s <= seen.recovered_at_s
        assert decide(order, exit).verdict is Verdict.PASS


def served(desk: Desk, script: str, *watches: WatchOrder, **rest: Any) -> tuple[Order, Exit]:
    return watched(desk, script, *watches, services=(ServiceOrder("srv", "tool", ("/bin/sleep", "100")),), **rest)


def test_a_recovery_is_awaited_beyond_the_last_step_while_its_sla_runs(desk: Desk) -> None:
    fault = trace(at_s=0.0, for_s=1.5, sla_s=60.0, target="srv")
    order, exit = served(desk, "until test -e in-force; do sleep 0.01; done; looked", calm(), faults=(fault,))
    (seen,) = exit.faults
    assert seen.recovered_at_s is not None
    assert seen.recovered_at_s > exit.steps[0].started_at_s + exit.steps[0].duration_s
    assert exit.duration_s < 50
    assert decide(order, exit).verdict is Verdict.PASS


def test_where_nothing_is_left_that_could_recover_nobody_waits(desk: Desk) -> None:
    kill = FaultOrder("k", "process.kill", 0.0, sla_s=60.0)
    order, exit = watched(desk, "looked; exec sleep 100", calm(), faults=(kill,), timeout_s=120.0)
    assert exit.duration_s < 50
    assert decide(order, exit).reason.startswith("fault k was never detected")


def test_the_timeout_ends_the_waiting_not_the_run_and_later_faults_came_too_late(desk: Desk) -> None:
    first, second = trace(at_s=0.0, sla_s=60.0, target="srv"), FaultOrder("k", "process.kill", 1.5, target="srv")
    script = "until test -e in-force; do sleep 0.01; done; looked"
    _, exit = served(desk, script, calm(), faults=(first, second), timeout_s=3.0)
    assert exit.stopped is None
    assert exit.faults[0].detected_at_s is not None
    assert exit.faults[0].recovered_at_s is None
    assert "came after the tools had ended" in (exit.faults[1].error or "")


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["raise", "unable", "exit", "none", "types", "unserializable"])
def test_an_oracle_that_cannot_judge_makes_an_error(desk: Desk, how: str) -> None:
    order, exit = watched(desk, "true", bad(how))
    (seen,) = exit.watches
    assert oks(seen) == [None]
    decision = decide(order, exit)
    assert (decision.verdict, decision.failure and decision.failure.kind) == (Verdict.ERROR, "oracle")


def test_one_that_kills_its_host_lets_nothing_begin(desk: Desk) -> None:
    order, exit = watched(desk, "true", bad("crash"))
    assert exit.steps == ()
    assert "watch bad cannot be asked: the provider host ended (signal 6)" in (exit.setup_error or "")
    assert decide(order, exit).verdict is Verdict.ERROR


def test_one_that_hangs_is_not_ok_and_asked_again(desk: Desk) -> None:
    order, exit = watched(desk, "sleep 0.1", bad("hang", timeout_s=0.2))
    (seen,) = exit.watches
    assert oks(seen) == [False]
    assert seen.changes[0].message == "no answer within 0.2 s"
    assert seen.error is None
    assert decide(order, exit).verdict is Verdict.FAIL


def test_a_late_answer_is_the_next_sample(desk: Desk) -> None:
    argv = ["/bin/sh", "-c", "echo >> asked; exec sleep 0.4"]
    slow = WatchOrder("slow", "command", 0.05, 0.2, settings={"argv": argv})
    _, exit = watched(desk, "looked", slow)
    (seen,) = exit.watches
    assert oks(seen)[:2] == [False, True]
    assert seen.missed >= 3, "those that were due meanwhile are left out"


def test_one_that_is_not_available_and_need_not_be_is_skipped(desk: Desk) -> None:
    _, exit = watched(desk, "true", WatchOrder("m", "strangers.missing", 0.05, 20.0, required=False))
    assert "install the moon" in (exit.watches[0].skipped or "")
    assert exit.steps[0].ok


def test_a_plugin_that_is_not_there_lets_nothing_begin(desk: Desk) -> None:
    exit = desk.run(step("true"), watches=(good(),), plugins=("nobody",))
    assert exit.steps == ()
    assert "plugin nobody is not installed" in (exit.setup_error or "")


def test_settings_are_given_what_served_tools_export(desk: Desk) -> None:
    argv = ("/bin/sh", "-c", "echo 4711 > port; exec sleep 100")
    command = WatchOrder(
        "p", "command", 0.05, 20.0, settings={"argv": ["/usr/bin/test", late("srv.port"), "=", "4711"]}
    )
    order = desk.order(
        shell("true"),
        services=(ServiceOrder("srv", "strangers.server", argv, probe=True),),
        watches=(command,),
        plugins=PLUGINS,
        environment={"PATH": os.environ["PATH"]},
    )
    assert oks(desk.carry_out(order).watches[0]) == [True]


def test_settings_that_nobody_exports_are_a_setup_error(desk: Desk) -> None:
    exit = desk.run(step("true"), watches=(log(text=late("srv.port")),))
    assert exit.setup_error == "watch log: srv.port is not known: no served tool exports it"


def test_its_host_is_killed_while_it_is_asked(desk: Desk) -> None:
    argv = ["/bin/sh", "-c", "echo >> asked; test -e asking && touch held && exec sleep 100"]
    once = WatchOrder("once", "command", 0.05, 60.0, settings={"argv": argv, "exits": []})
    order = desk.order(
        shell(LOOKED + "looked; touch asking; until test -e go; do sleep 0.02; done"), watches=(once,), plugins=PLUGINS
    )
    desk.start(order)
    wait_for(Path(order.directories.work, "held").exists)
    killed = hosts(desk)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in killed))  # reaped: the supervisor knows of it
    Path(order.directories.work, "go").touch()
    exit = desk.exit(order)
    assert "the provider host ended (signal 9)" in (exit.watches[0].error or "")
    assert decide(order, exit).verdict is not Verdict.PASS


def test_its_host_is_killed_between_two_samples(desk: Desk) -> None:
    """Nothing is lost but time: a new host is asked."""
    seldom = WatchOrder("good", "strangers.good", 1.5, 20.0)
    order = desk.start(desk.order(shell("until test -e go; do sleep 0.02; done"), watches=(seldom,), plugins=PLUGINS))
    wait_for(desk.tools_left)
    (before,) = hosts(desk)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: hosts(desk) not in ([], [before]))
    Path(order.directories.work, "go").touch()
    exit = desk.exit(order)
    assert exit.watches[0].error is None
    assert oks(exit.watches[0]) == [False]


def test_cancel_during_a_watch_that_hangs(desk: Desk) -> None:
    order = desk.start(desk.order(shell("sleep 100"), watches=(bad("hang", timeout_s=0.2),), plugins=PLUGINS))
    wait_for(desk.tools_left)
    desk.halt(order)
    exit = desk.exit(order)
    assert exit.stopped is Stop.CANCEL
    wait_for(lambda: not hosts(desk))


def test_a_served_tool_that_dies_while_the_watch_looks_for_the_first_time(desk: Desk) -> None:
    order = desk.order(
        shell("sleep 5"),
        services=(ServiceOrder("srv", "tool", ("/bin/sh", "-c", "sleep 0.2")),),
        watches=(bad("hang", timeout_s=5.0),),
        plugins=PLUGINS,
    )
    exit = desk.carry_out(order)
    assert exit.stopped is Stop.SERVICE
    assert decide(order, exit).verdict is Verdict.FAIL


def test_a_supervisor_killed_while_watching_leaves_no_host(desk: Desk) -> None:
    order = desk.start(desk.order(shell("sleep 100"), watches=(good(),), plugins=PLUGINS))
    wait_for(desk.tools_left)
    left = hosts(desk)
    assert left
    os.kill(desk.handle.pid, signal.SIGKILL)
    assert desk.gone()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))
    assert not Path(order.directories.private, "exit.json").exists()
    desk.handle = desk.handle.replace()
    for pid in desk.tools_left():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not desk.tools_left())


def test_no_secret_is_kept_of_what_a_watch_says(desk: Desk) -> None:
    env = {"PATH": os.environ["PATH"], "A": "hunter2"}
    watches = calm(), log(text="hunter")
    order, exit = watched(desk, "echo hunter2; looked", *watches, environment=env, masked=("A",))
    assert "hunter2" not in msgspec.json.encode(exit).decode()
    assert "hunter2" not in desk.public(order, "watch/log.ldjson").read_text()


def test_a_tool_that_puts_a_link_in_the_way_of_the_timeline(desk: Desk) -> None:
    _, exit = watched(desk, "ln -s /tmp ../watch", good())
    assert exit.internal_error is not None
