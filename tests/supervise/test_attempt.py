"""The life of an attempt, with real processes."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.waiting import wait_for

from campaign.records import MetricOrder, PatternOrder, ProcessExit, ServiceOrder, StepOrder, Stop, late
from campaign.records.messages import Halt, Quit, Refused, Start, Started

from .conftest import Desk, python, shell, step


def test_a_tool_that_succeeds(desk: Desk) -> None:
    order = desk.order(shell("pwd; echo $0 done; cat"))
    exit = desk.carry_out(order)
    assert exit.steps[0].ok
    assert exit.steps[0].exit == ProcessExit(code=0)
    assert exit.tree_empty
    assert exit.setup_error is exit.internal_error is exit.stopped is None
    assert desk.public(order, "output.log").read_text() == f"{order.directories.work}\n/bin/sh done\n"
    assert exit.output.path == exit.steps[0].output.path == "output.log"


def test_nothing_printed_leaves_no_log(desk: Desk) -> None:
    order = desk.order(step("true"))
    exit = desk.carry_out(order)
    assert exit.output.path is None
    assert sorted(os.listdir(order.directories.public)) == ["steps.ldjson", "work"]


def test_the_private_folder(desk: Desk) -> None:
    order = desk.order(step("true"))
    desk.carry_out(order)
    private = Path(order.directories.private)
    assert {"claim", "lock", "tree.lock", "order.json", "exit.json"} == {each.name for each in private.iterdir()}
    assert all(each.stat().st_mode & 0o077 == 0 for each in (private, *private.iterdir()))
    assert json.loads((private / "exit.json").read_text())["schema"] == "campaign.exit/1"
    claim = json.loads((private / "claim").read_text())
    assert claim["pid"] == desk.handle.pid
    assert claim["boot_id"]


def test_steps_ldjson_has_a_line_a_step(desk: Desk) -> None:
    order = desk.order(step("true", label="one"), step("false", label="two"))
    desk.carry_out(order)
    lines = [json.loads(line) for line in desk.public(order, "steps.ldjson").read_text().splitlines()]
    assert [(line["schema"], line["label"], line["ok"]) for line in lines] == [
        ("campaign.step/1", "one", True),
        ("campaign.step/1", "two", False),
    ]


def test_the_first_failing_step_ends_the_run(desk: Desk) -> None:
    exit = desk.run(step("true", label="a"), step("false", label="b"), step("true", label="c"))
    assert [each.label for each in exit.steps] == ["a", "b"]
    assert exit.steps[1].exit == ProcessExit(code=1)


def test_steps_last_runs_every_step(desk: Desk) -> None:
    exit = desk.run(step("false", label="a", counts=False), step("true", label="b"), all_steps=False)
    assert [each.ok for each in exit.steps] == [False, True]


def test_ok_exits(desk: Desk) -> None:
    exit = desk.run(shell("exit 3", ok_exits=(0, 3)))
    assert exit.steps[0].ok


def test_the_environment_is_exactly_the_ordered_one(desk: Desk) -> None:
    order = desk.order(shell("env; ls -l /proc/self/fd", env={"A": "b=c"}))
    desk.carry_out(order)
    lines = desk.public(order, "output.log").read_text().splitlines()
    names = {line.split("=")[0] for line in lines if "=" in line}
    assert names <= {"A", "PATH", "PWD", "SUPERVISE_TEST_MARK", "_", "SHLVL", "OLDPWD"}
    assert "A=b=c" in lines


def test_a_tool_inherits_nothing_but_the_tree_lock(desk: Desk) -> None:
    order = desk.order(
        python(
            "import os; print([os.readlink(f'/proc/self/fd/{n}') for n in range(0, 64) "
            "if os.path.exists(f'/proc/self/fd/{n}')])"
        )
    )
    desk.carry_out(order)
    found = json.loads(desk.public(order, "output.log").read_text().replace("'", '"'))
    assert found[0] == "/dev/null"
    assert found[1] == found[2]
    assert found[3].endswith("tree.lock")
    assert len(found) == 4


def test_a_tool_leads_a_session_with_default_signals(desk: Desk) -> None:
    order = desk.order(
        shell("grep -E 'SigBlk|SigIgn' /proc/self/status", label="a"),
        python("import os; print(os.getsid(0) == os.getpid())", label="b"),
    )
    desk.carry_out(order)
    *masks, leads = desk.public(order, "output.log").read_text().split("\n")[:-1]
    private_to_libc = 1 << 31 | 1 << 32  # 32 and 33, which no program can set
    assert [int(each.split()[1], 16) & ~private_to_libc for each in masks] == [0, 0]
    assert leads == "True"


def test_late_values_are_filled(desk: Desk) -> None:
    order = desk.order(
        shell(f"echo gpu={late('slot.gpu')} none=[{late('slot.fpga')}]"),
        granted={"gpu": (0, 2)},
        prefers={"fpga": 1},
    )
    exit = desk.carry_out(order)
    assert desk.public(order, "output.log").read_text() == "gpu=0,2 none=[]\n"
    assert exit.granted == {"gpu": (0, 2)}


def test_a_late_value_nobody_knows(desk: Desk) -> None:
    exit = desk.run(step("echo", late("srv.port")))
    assert "srv.port" in (exit.setup_error or "")


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("no-such-tool-anywhere",), "was not found in PATH"),
        (("/no/such/tool",), "does not exist"),
        (("/etc/passwd",), "is not executable"),
        (("/etc",), "is a folder"),
        ((), "the command is empty"),
        (("/bin/echo", "x" * (4 << 20)), "too long arguments"),
        (("/bin/echo", "a\0b\0c"), "is not known"),
    ],
)
def test_a_tool_that_cannot_be_started(desk: Desk, argv: tuple[str, ...], why: str) -> None:
    exit = desk.run(StepOrder(label="a", tool="tool", argv=argv))
    assert why in (exit.setup_error or "")
    assert why in (exit.steps[0].error or "")
    assert not exit.steps[0].ok
    assert desk.run(step("true")).steps[0].ok, "the next order goes on"


def test_scripts_without_a_known_interpreter(desk: Desk, tmp_path: Path) -> None:
    for name, text, why in (
        ("none", "echo hello\n", "nor a script with a #! line"),
        ("missing", "#!/no/such/interpreter\n", "names an interpreter"),
    ):
        script = tmp_path / name
        script.write_text(text)
        script.chmod(0o755)
        assert why in (desk.run(step(str(script))).setup_error or "")


def test_a_step_that_runs_out_of_time(desk: Desk) -> None:
    exit = desk.run(
        shell("sleep 100 & wait", label="a", timeout_s=0.2, counts=False),
        step("true", label="b"),
        all_steps=False,
    )
    assert exit.steps[0].exit.timeout
    assert exit.stopped is None
    assert exit.steps[1].ok


def test_an_attempt_that_runs_out_of_time(desk: Desk) -> None:
    exit = desk.run(shell("sleep 100"), timeout_s=0.2)
    assert exit.stopped is Stop.TIMEOUT
    assert exit.steps[0].exit == ProcessExit(signal=signal.SIGTERM, timeout=True)


def test_ending_what_ignores_term_and_has_left_its_session(desk: Desk) -> None:
    script = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork(): os._exit(0)\n"
        "        os.closerange(0, 100)\n"
        "        time.sleep(100)\n"
        "print('up', flush=True)\n"
        "time.sleep(100)\n"
    )
    order = desk.start(desk.order(python(script)))
    wait_for(lambda: "up" in _text(desk.public(order, "output.log")) and len(desk.tools_left()) == 4)
    desk.halt(order, grace_s=0.2)
    exit = desk.exit(order)
    assert exit.stopped is Stop.CANCEL
    assert exit.tree_empty
    assert exit.steps[0].exit.signal == signal.SIGKILL
    assert not desk.tools_left()


def test_daemons_left_behind_are_ended_and_do_not_fail_the_run(desk: Desk) -> None:
    exit = desk.run(shell("setsid -f sleep 100 >/dev/null 2>&1; true"))
    assert exit.steps[0].ok
    assert exit.tree_empty
    assert not desk.tools_left()


def test_a_grandchild_that_holds_the_output_open(desk: Desk) -> None:
    begun = time.monotonic()
    order = desk.order(shell("echo first; sleep 100 & echo last"))
    exit = desk.carry_out(order)
    assert exit.steps[0].ok
    assert desk.public(order, "output.log").read_text() == "first\nlast\n"
    assert time.monotonic() - begun < 50


def test_what_a_finished_tool_left_behind_may_finish_its_output(desk: Desk) -> None:
    order = desk.order(shell("(sleep 0.1; echo late) & echo early"))
    desk.carry_out(order)
    assert desk.public(order, "output.log").read_text() == "early\nlate\n"


def test_a_tool_that_closes_its_output_at_once(desk: Desk) -> None:
    exit = desk.run(shell("exec >&- 2>&-; sleep 0.1; exit 4"))
    assert exit.steps[0].exit == ProcessExit(code=4)


def test_a_tool_that_stopped_itself(desk: Desk) -> None:
    exit = desk.run(shell("kill -STOP $$"), timeout_s=0.3)
    assert exit.stopped is Stop.TIMEOUT
    assert exit.tree_empty


#: Never more than a few processes at a time, but never the same ones for long.
MOVING = """
import os, time
if os.fork():
    time.sleep(100)
while True:
    if os.fork(): os._exit(0)
    {session}
    time.sleep(0.002)
"""


@pytest.mark.parametrize("session", ["pass", "os.setsid()"])
def test_a_tool_that_keeps_moving_is_caught(desk: Desk, session: str) -> None:
    order = desk.start(desk.order(python(MOVING.format(session=session))))
    wait_for(lambda: len(desk.tools_left()) >= 2)
    desk.halt(order, grace_s=0.0)
    assert desk.exit(order).tree_empty
    assert not desk.tools_left()


def test_a_fork_storm_in_one_session_ends_at_one_blow(desk: Desk) -> None:
    storm = "trap '' TERM; f() { sleep 0.2; f & f; }; for i in 1 2 3 4 5 6 7 8; do f & done; sleep 100"
    order = desk.start(desk.order(shell(storm)))
    wait_for(lambda: len(desk.tools_left()) >= 8)
    desk.halt(order, grace_s=0.0)
    assert desk.exit(order).tree_empty
    assert not desk.tools_left()


def test_patterns_and_metrics(desk: Desk) -> None:
    exit = desk.run(
        shell("echo ops 1; echo ops 22; printf 'end'", label="a", metrics=(MetricOrder("ops", r"ops (\d+)"),)),
        shell("echo ERROR >&2", label="b"),
        patterns=(
            PatternOrder("p1", "matches", "^end$"),
            PatternOrder("p2", "matches", "^nd"),
            PatternOrder("p3", "contains", "ERR"),
        ),
    )
    assert set(exit.matched) == {"p1", "p3"}
    assert exit.steps[0].metrics == {"ops": "22"}
    assert exit.steps[1].metrics == {}


def test_secrets_are_masked_everywhere(desk: Desk) -> None:
    order = desk.order(
        step("/bin/echo", "token is hunter2hunter2", env={"API_TOKEN": "hunter2hunter2"}), masked=("API_TOKEN",)
    )
    desk.carry_out(order)
    assert desk.public(order, "output.log").read_text() == "token is ***\n"
    assert "hunter2" not in desk.public(order, "steps.ldjson").read_text()


def test_a_served_tool_is_stopped_after_the_steps(desk: Desk) -> None:
    order = desk.order(
        shell("cat ready 2>/dev/null || sleep 0.3; cat ready"),
        services=(ServiceOrder("srv", "tool", ("/bin/sh", "-c", "echo serving; echo up > ready; exec sleep 100")),),
    )
    exit = desk.carry_out(order)
    assert exit.steps[0].ok
    assert exit.services[0].exit.signal == signal.SIGTERM
    assert desk.public(order, "serve/srv.log").read_text() == "serving\n"
    assert "serving" not in desk.public(order, "output.log").read_text()


def test_a_served_tool_that_ends_by_itself_ends_the_run(desk: Desk) -> None:
    exit = desk.run(shell("sleep 100"), services=(ServiceOrder("srv", "tool", ("/bin/sh", "-c", "sleep 0.1; exit 7")),))
    assert exit.stopped is Stop.SERVICE
    assert exit.services[0].exit == ProcessExit(code=7)


def test_a_served_tool_that_cannot_be_started(desk: Desk) -> None:
    exit = desk.run(step("true"), services=(ServiceOrder("srv", "tool", ("/no/such",)),))
    assert "srv could not be started: /no/such does not exist" in (exit.setup_error or "")
    assert exit.steps == ()


def test_orders_sent_ahead_wait_their_turn_and_can_be_given_back(desk: Desk) -> None:
    first, second, third = desk.order(shell("sleep 100")), desk.order(step("true")), desk.order(step("true"))
    for order in (first, second, third):
        desk.send(Start(order))
    desk.expect(Started)
    desk.halt(second)
    assert desk.expect(Refused).token == second.token
    assert not os.listdir(second.directories.private)
    desk.halt(first)
    desk.exit(first)
    assert desk.expect(Started).token == third.token
    assert desk.exit(third).steps[0].ok


def test_a_second_halt_shortens_the_grace(desk: Desk) -> None:
    order = desk.start(desk.order(shell("trap '' TERM; echo up; while :; do sleep 0.05; done")))
    wait_for(lambda: "up" in _text(desk.public(order, "output.log")))
    desk.send(Halt(order.token, Stop.INTERRUPT, 600.0))
    desk.send(Halt(order.token, Stop.INTERRUPT, 0.0))
    exit = desk.exit(order)
    assert exit.stopped is Stop.INTERRUPT
    assert exit.steps[0].exit.signal == signal.SIGKILL


def test_what_was_not_admitted_is_refused(desk: Desk) -> None:
    order = desk.order(step("true"))
    forged = replace(order, steps=(step("false"),))
    outside = desk.order(step("true"))
    outside = replace(outside, directories=replace(outside.directories, private="/tmp/attempts/token-2"))
    unnamed = replace(desk.order(step("true")), token="../../x")
    for each in (forged, outside, unnamed):
        desk.send(Start(each))
        assert desk.expect(Refused).token == each.token
    assert not os.listdir(order.directories.private)


def test_a_claimed_attempt_is_refused(desk: Desk) -> None:
    order = desk.order(step("true"))
    os.makedirs(order.directories.private)
    Path(order.directories.private, "claim").touch()
    desk.send(Start(order))
    assert "claimed" in desk.expect(Refused).why
    assert not os.path.exists(order.directories.public)


def test_nonsense_on_the_socket_is_refused(desk: Desk) -> None:
    desk.handle.sock.sendall(b'{"type":"start","order":{"token":"t9","epoch":"x"}}\n\xff\xfe\n{}\n')
    assert desk.expect(Refused).token == "t9"
    assert desk.expect(Refused).token == ""
    assert desk.expect(Refused).token == ""
    assert desk.run(step("true")).steps[0].ok


def test_quit_when_nothing_is_under_way(desk: Desk) -> None:
    desk.send(Quit())
    assert desk.gone()


def test_quit_waits_for_the_attempt(desk: Desk) -> None:
    order = desk.start(desk.order(shell("sleep 0.2; exit 5")))
    desk.send(Quit())
    assert desk.exit(order).steps[0].exit.code == 5
    assert desk.gone()


def test_an_engine_that_dies_leaves_the_attempt_to_its_end(desk: Desk) -> None:
    order = desk.start(desk.order(shell("sleep 0.3; echo survived")))
    desk.handle.sock.close()
    assert desk.gone()
    assert desk.public(order, "output.log").read_text() == "survived\n"
    assert json.loads(Path(order.directories.private, "exit.json").read_text())["steps"][0]["ok"]


def test_term_ends_the_attempt_and_leaves_its_record(desk: Desk) -> None:
    order = desk.start(desk.order(shell("sleep 100")))
    os.kill(desk.handle.pid, signal.SIGTERM)
    assert desk.exit(order).stopped is Stop.INTERRUPT
    assert desk.gone()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
