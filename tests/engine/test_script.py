"""``replay.sh``: whatever an order holds, a real shell does the same with it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.waiting import wait_for

from campaign.engine.script import replay_script
from campaign.records import Decision, FaultOrder, HoldOrder, Order, ReplayOrder, ServiceOrder, StepOrder, Verdict

from .conftest import make_exit, make_order

FAILED = Decision(Verdict.FAIL, "exit 3 of step t")
SHELLS = [shell for shell in ("/bin/sh", "/usr/bin/dash", "/bin/bash") if os.access(shell, os.X_OK)]
#: What a person may write into a spec: anything that an argument can hold.
TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=30)


def script(order: Order, signals: Any = lambda fault: (), **ended: Any) -> str:
    return replay_script(order, make_exit(order, **ended), FAILED, signals)


def run(text: str, shell: str = "/bin/sh", **env: str) -> tuple[subprocess.CompletedProcess[bytes], Path]:
    """The script in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "replay.sh")
        path.write_bytes(text.encode("utf-8", "backslashreplace"))
        base = Path(folder, "base")
        environ = {"PATH": os.environ["PATH"], **env}
        done = subprocess.run([shell, str(path), str(base)], capture_output=True, env=environ, timeout=60, check=False)
        return done, base


def step(*argv: str, label: str = "t", **what: Any) -> StepOrder:
    return StepOrder(label=label, tool="t", argv=argv, env={"PATH": "p", **what.pop("env", {})}, **what)


@pytest.mark.parametrize("name", ["LC_$(echo bad >&2)", 'LC_A"; echo bad >&2; "', "LC_A B", "LC_"])
def test_the_name_of_a_variable_is_never_carried_out(name: str) -> None:
    order = make_order(0, steps=(step("/usr/bin/env", env={name: "v", "LC_ALL": "C"}),))
    text = script(order)
    done, _ = run(text, LC_ALL="C.UTF-8")
    assert (done.returncode, b"bad" in done.stderr) == (0, False)
    assert b"LC_ALL=C.UTF-8" in done.stdout
    assert name == "LC_" or name not in text


@settings(max_examples=60)
@given(st.lists(TEXTS, max_size=5), TEXTS)
def test_every_argument_and_value_arrives_as_it_is(words: list[str], value: str) -> None:
    env = {"CAMPAIGN_PARAM_X": value}
    order = make_order(
        0,
        steps=(
            step("/usr/bin/printf", r"%s\0", "-", *words, env=env),
            step("/bin/sh", "-c", 'printf "%s\\0" "$CAMPAIGN_PARAM_X"', env=env, label=value or "u"),
        ),
    )
    done, _ = run(script(order))
    assert done.stdout.decode().split("\0") == ["-", *words, value, ""], done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("program", ["a=b", "-n", "it's"])
def test_a_program_may_be_called_anything(shell: str, program: str, tmp_path: Path) -> None:
    (tmp_path / program).write_text("#!/bin/sh\nprintf '%s|' \"$@\"")
    (tmp_path / program).chmod(0o755)
    order = make_order(0, steps=(step(program, "x y", "-e"),))
    done, _ = run(script(order), shell, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.stdout == b"x y|-e|", done.stderr


def test_folders_are_those_of_the_script() -> None:
    public = make_order(0).directories.public
    order = make_order(0, steps=(step("/bin/sh", "-c", 'pwd; echo "$1"', "sh", f"log={public}/work/a b"),))
    done, base = run(script(order))
    assert done.stdout.decode().splitlines() == [f"{base}/work", f"log={base}/work/a b"]
    assert public not in script(order)


def test_secrets_are_asked_for_and_stand_nowhere() -> None:
    secret = "s3cr'et\nof two lines"
    env = {"API_TOKEN": secret, "CAMPAIGN_PARAM_URL": f"x?{secret}&"}
    order = make_order(
        0, masked=("API_TOKEN",), steps=(step("/bin/sh", "-c", 'echo "$API_TOKEN|$1"', "sh", f"--t={secret}", env=env),)
    )
    text = script(order)
    assert "s3cr" not in text
    assert "two lines" not in text
    done, _ = run(text)
    assert (done.returncode, b"API_TOKEN" in done.stderr, done.stdout) == (2, True, b"")
    done, _ = run(text, API_TOKEN=secret)
    assert done.stdout.decode() == f"{secret}|--t={secret}\n"


def test_other_variables_are_asked_for_and_the_usual_ones_taken_where_they_are() -> None:
    env = {"LANG": "secret-looking", "OWN": "hidden"}
    order = make_order(0, steps=(step("/bin/sh", "-c", 'echo "$OWN|${LANG-none}|${MORE-none}"', env=env),))
    text = script(order)
    assert "hidden" not in text
    assert run(text)[0].returncode == 2
    assert run(text, OWN="o", MORE="m")[0].stdout == b"o|none|none\n"
    assert run(text, OWN="o", LANG="C")[0].stdout == b"o|C|none\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_signals_come_at_their_instants_and_what_is_no_signal_is_said(shell: str) -> None:
    sent = {"process.kill": ("KILL",), "process.stop": ("STOP", "CONT")}
    faults = (
        FaultOrder(label="stop", fault="process.stop", at_s=0.05, for_s=0.1, target="t"),
        FaultOrder(label="kill", fault="process.kill", at_s=0.3, target="t"),
        FaultOrder(label="net", fault="net.delay", at_s=1.0),
    )
    order = make_order(
        0, faults=faults, holds=(HoldOrder(label="v", fault="rails.sysfs"),), steps=(step("/bin/sleep", "50"),)
    )
    text = script(order, lambda fault: sent.get(fault.fault, ()))
    done, _ = run(text, shell)
    assert done.returncode == 0, done.stderr  # its death is what the fault is for
    assert b"ended with status 137" in done.stderr
    assert "#   the fault net (net.delay): 1 s into" in text
    assert "#   the held condition v (rails.sysfs)" in text
    assert "#   the fault kill" not in text


def stop(label: str, at_s: float, for_s: float | None = None, target: str = "t", **rest: Any) -> FaultOrder:
    return FaultOrder(label, "process.stop", at_s, for_s=for_s, target=target, overlaps="counts", **rest)


def test_a_short_stop_does_not_end_a_long_one() -> None:
    faults = (stop("long", 0.3, 0.6), stop("short", 0.4, 0.1), stop("other", 2.0, 0.1))
    order = make_order(0, faults=faults, steps=(step("/bin/sleep", "0.4"),))
    text = script(order, lambda _: ("STOP", "CONT"))
    assert 'after 0.3 STOP "$pid_t0" 0.6 CONT  # long: process.stop, short: process.stop\n' in text
    assert 'after 2 STOP "$pid_t0" 0.1 CONT  # other: process.stop\n' in text
    assert text.count("after 0.4 ") == 0
    done, _ = run(text)
    assert done.returncode == 0, done.stderr


def test_a_stop_without_an_end_takes_in_those_that_end() -> None:
    faults = (stop("short", 0.1, 0.3), stop("lasting", 0.2), stop("late", 5.0, 0.1))
    text = script(make_order(0, faults=faults, steps=(step("/bin/true"),)), lambda _: ("STOP", "CONT"))
    (line,) = [line for line in text.splitlines() if line.startswith("after 0.1 ")]
    assert line == 'after 0.1 STOP "$pid_t0"  # short: process.stop, lasting: process.stop, late: process.stop'


LOOP = ServiceOrder("srv", "s", ("/bin/sh", "-c", "echo $$ > pid; while :; do echo >> up; /bin/sleep 0.02; done"))


def test_a_served_tool_goes_on_again_after_the_step_in_which_it_was_stopped() -> None:
    size = "$(/usr/bin/wc -c < up)"
    grows = f"n={size}; until [ {size} -gt $((n + 3)) ]; do /bin/sleep 0.02; done"
    steps = (step("/bin/sleep", "0.2", label="a"), step("/bin/sh", "-c", grows, label="b", timeout_s=30.0))
    order = make_order(0, services=(LOOP,), faults=(stop("s", 0.05, 0.4, target="srv"),), steps=steps)
    done, _ = run(script(order, lambda _: ("STOP", "CONT")))
    assert done.returncode == 0, done.stderr


def test_a_served_tool_that_stands_still_is_ended_too() -> None:
    steps = (step("/bin/sh", "-c", "/bin/sleep 0.2; /bin/cat pid"),)
    order = make_order(0, services=(LOOP,), faults=(stop("s", 0.0, target="srv"),), steps=steps)
    done, _ = run(script(order, lambda _: ("STOP", "CONT")))
    pid = done.stdout.decode().strip()
    assert pid.isdigit()
    wait_for(lambda: not Path(f"/proc/{pid}/cwd").exists())


def test_a_failing_step_ends_it_unless_it_does_not_count() -> None:
    steps = (
        step("/bin/sh", "-c", "exit 4", label="a", counts=False),
        step("/bin/sh", "-c", "exit 5", label="b", ok_exits=(5,)),
        step("/bin/sh", "-c", "exit 3", label="c"),
        step("/bin/echo", "never", label="d"),
    )
    done, _ = run(script(make_order(0, steps=steps)))
    assert (done.returncode, done.stdout) == (1, b"")
    done, _ = run(script(make_order(0, steps=steps, all_steps=False)))
    assert (done.returncode, done.stdout) == (1, b"never\n")


def test_served_tools_are_there_meanwhile_and_ended_after() -> None:
    service = ServiceOrder(label="srv", tool="s", argv=("/bin/sh", "-c", "echo $$ > pid; exec sleep 60"))
    order = make_order(0, services=(service,), steps=(step("/bin/sh", "-c", "cat pid"),))
    done, _ = run(script(order))
    pid = done.stdout.decode().strip()
    assert pid.isdigit()
    assert not Path(f"/proc/{pid}/cwd").exists()


def test_a_step_that_takes_too_long_is_ended() -> None:
    order = make_order(0, steps=(step("/bin/sleep", "50", timeout_s=0.1),))
    done, _ = run(script(order))
    assert (done.returncode, b"ended with status 143" in done.stderr) == (1, True)


def test_what_only_the_attempt_knew_is_put_in() -> None:
    order = make_order(0, steps=(step("/bin/echo", "\0srv.port\0", "\0slot.gpu\0"),))
    done, _ = run(script(order, late={"srv.port": "80 80"}))
    assert done.stdout == b"80 80 {slot.gpu}\n"


@pytest.mark.parametrize(("to_the_end", "status"), [(True, 1), (False, 0)], ids=["by-itself", "by-a-fault"])
def test_death_at_the_end_of_a_trace_is_fine_where_a_fault_was_it(to_the_end: bool, status: int) -> None:
    replay = ReplayOrder(path="replayed/t", source="replay.sh", digest="d", to_the_end=to_the_end)
    order = make_order(0, steps=(step("/bin/sh", "-c", "kill -9 $$", replay=replay),))
    done, _ = run(script(order))
    assert (done.returncode, b"ended with status 137" in done.stderr) == (status, True), done.stderr


def test_without_its_trace_it_says_so_and_starts_nothing() -> None:
    replay = ReplayOrder(path="trace/t", source="trace/it's.trace", digest="d")
    text = script(make_order(0, steps=(step("/bin/echo", "hello", replay=replay),)))
    assert "# Needs beside it: trace/it's.trace." in text
    done, base = run(text)
    assert (done.returncode, done.stdout, base.exists()) == (3, b"", False)
    assert done.stderr == b"replay: trace/it's.trace is missing: it belongs beside this script, copy it along\n"
