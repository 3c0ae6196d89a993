"""Held conditions: on before the first tool, off after the last, and back as they were whatever happens."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.waiting import wait_for

from campaign.records import HoldOrder, Order, ServiceOrder, Stop
from campaign.records.messages import Clear, Cleared, Start, Started, Waiting
from campaign.supervise import undo
from campaign.supervise.launch import start_supervisors
from campaign.supervise.resources import resources_of

from .conftest import Desk, python, shell, step


@pytest.fixture
def rail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A rail that stands at 1000; its locks are in a runtime folder of the test's own."""
    (tmp_path / "runtime").mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    path = tmp_path / "vcore"
    path.write_text("1000\n")
    return path


@pytest.fixture
def desk(rail: Path, strangers: None, desk: Desk) -> Desk:
    return desk


@pytest.fixture
def other(desk: Desk, tmp_path: Path) -> Iterator[Desk]:
    """A second supervisor, of another workspace."""
    root = tmp_path / "other"
    os.makedirs(root / ".campaign/attempts")
    (handle,) = start_supervisors(1, str(root))
    made = Desk(root, handle)
    yield made
    made.handle.sock.close()
    assert made.gone()
    made.handle.nursery.close()


def sysfs(path: Path, value: str = "850", label: str = "v", **rest: Any) -> HoldOrder:
    settings = {"path": str(path), "value": value, **rest}
    return HoldOrder(label, "rails.sysfs", settings=settings, resources=(str(path),))


def command(path: Path, label: str = "c", **argv: list[str]) -> HoldOrder:
    """A rail behind commands that write and read the file ``path``."""
    commands = {
        "set": ["/bin/sh", "-c", f"echo 850 > {path}"],
        "read": ["/bin/cat", str(path)],
        "restore": ["/bin/sh", "-c", f"echo {{old}} > {path}"],
    }
    settings = {"rail": str(path), "value": "850", **commands, **argv}
    return HoldOrder(label, "rails.command", settings=settings, resources=(f"rail:{path}",))


def text(path: Path) -> str:
    return path.read_text().strip()


def pending(order: Order) -> undo.Journal:
    return undo.pending(order.directories.private)


@pytest.mark.parametrize("make", [sysfs, command])
def test_a_rail_is_held_while_the_tools_run_and_put_back(desk: Desk, rail: Path, make: Any) -> None:
    served = ServiceOrder("srv", "tool", ("/bin/sh", "-c", f"cat {rail} > served; exec sleep 100"))
    looks = shell(f"while [ ! -s served ]; do sleep 0.01; done; cat served {rail}")
    order = desk.order(looks, services=(served,), holds=(make(rail),))
    exit = desk.carry_out(order)
    (hold,) = exit.holds
    assert desk.public(order, "output.log").read_text() == "850\n850\n"
    assert exit.setup_error is None
    assert hold.put_on_at_s is not None
    assert hold.put_on_at_s <= exit.services[0].started_at_s
    assert hold.taken_off_at_s is not None
    assert "1000 → 850" in (hold.notes or "")
    assert exit.cleared
    assert text(rail) == "1000"
    assert not pending(order)


@pytest.mark.parametrize("how", ["fails", "timeout", "cancel", "cannot start"])
def test_it_is_put_back_however_the_run_ends(desk: Desk, rail: Path, how: str) -> None:
    steps = {"fails": shell("exit 3"), "cannot start": step("/no/such/program")}
    order = desk.order(
        steps.get(how, shell("sleep 100")), holds=(sysfs(rail),), timeout_s=2.0 if how == "timeout" else 60.0
    )
    desk.start(order)
    if how == "cancel":
        wait_for(lambda: text(rail) == "850")
        desk.halt(order)
    exit = desk.exit(order)
    assert exit.stopped is {"timeout": Stop.TIMEOUT, "cancel": Stop.CANCEL}.get(how)
    assert exit.holds[0].taken_off_at_s is not None
    assert text(rail) == "1000"
    assert not pending(order)


def test_several_are_taken_off_in_the_opposite_order(desk: Desk, rail: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    holds = tuple(
        command(
            tmp_path / name,
            name,
            set=["/bin/sh", "-c", f"echo on-{name} >> {log}; echo 850 > {tmp_path / name}"],
            restore=["/bin/sh", "-c", f"echo off-{name} >> {log}; echo {{old}} > {tmp_path / name}"],
        )
        for name in ("a", "b", "c")
    )
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("7\n")
    exit = desk.run(step("true"), holds=holds)
    assert exit.setup_error is None
    assert log.read_text().split() == ["on-a", "on-b", "on-c", "off-c", "off-b", "off-a"]


@pytest.mark.parametrize("ending", ["natural", "cancel", "timeout"])
def test_what_the_tools_stand_on_goes_last(desk: Desk, rail: Path, ending: str) -> None:
    script = f"trap 'until grep -q 1000 {rail}; do sleep 0.01; done; cat ground {rail} > seen; exit' TERM; echo up > up; while :; do sleep 0.02; done"
    served = ServiceOrder("srv", "tool", ("/bin/sh", "-c", script))
    waits = "while [ ! -s up ]; do sleep 0.01; done" + ("" if ending == "natural" else "; exec sleep 100")
    order = desk.order(
        shell(waits),
        services=(served,),
        holds=(HoldOrder("g", "strangers.ground"), sysfs(rail)),
        plugins=("strangers",),
        timeout_s=3.0 if ending == "timeout" else 60.0,
    )
    desk.start(order)
    if ending == "cancel":
        wait_for(lambda: Path(order.directories.work, "up").exists())
        desk.halt(order)
    exit = desk.exit(order)
    assert exit.cleared
    assert all(hold.taken_off_at_s is not None for hold in exit.holds)
    assert Path(order.directories.work, "seen").read_text() == "here1000\n", "a rail goes at once, the ground last"
    assert not Path(order.directories.work, "ground").exists()
    assert not pending(order)


def test_what_a_hold_adds_reaches_the_tool_it_is_for(desk: Desk) -> None:
    hold = HoldOrder("d", "strangers.dress", target="a")
    order = desk.order(
        shell("echo $DRESSED $0 $$", label="a"),
        shell("echo [$DRESSED]", label="b"),
        holds=(hold,),
        plugins=("strangers",),
    )
    exit = desk.carry_out(order)
    assert desk.public(order, "output.log").read_text().startswith("yes ")
    assert desk.public(order, "output.log").read_text().endswith("[]\n")
    assert exit.steps[0].argv[:3] == ("/usr/bin/env", "WRAPPED=1", "/bin/sh")
    assert exit.steps[1].argv[0] == "/bin/sh"


# --- what goes wrong --------------------------------------------------------------------------------------------


def test_one_that_cannot_be_put_on_keeps_the_tools_from_starting(desk: Desk, rail: Path, tmp_path: Path) -> None:
    exit = desk.run(step("true"), holds=(sysfs(rail), sysfs(tmp_path / "nothing", label="n")))
    assert "the hold n could not be put on" in (exit.setup_error or "")
    assert exit.steps == ()
    assert exit.cleared
    assert text(rail) == "1000", "the one that was on is off"


def test_one_that_ended_early_is_told(desk: Desk) -> None:
    exit = desk.run(
        step("true"), holds=(HoldOrder("t", "strangers.trace", settings={"how": "lapsed"}),), plugins=["strangers"]
    )
    (hold,) = exit.holds
    assert hold.lapsed
    assert hold.error == "ended early: somebody ended it"
    assert (hold.undo_failed, exit.cleared) == (None, True)


def test_a_read_back_that_disagrees_is_loud_and_keeps_what_it_has(desk: Desk, rail: Path) -> None:
    deaf = command(rail, set=["/bin/sh", "-c", f"echo 900 > {rail}"])
    order = desk.order(step("true"), holds=(deaf,))
    exit = desk.carry_out(order)
    assert "was set to 850 and reads 900" in (exit.setup_error or "")
    assert exit.steps == ()
    assert exit.holds[0].disagreed
    assert not exit.cleared
    (left,) = exit.left
    assert "was put back as it was, but it does not do what it is told" in left
    assert "was set to 850 and reads 900" in left
    assert text(rail) == "1000", "it is put back all the same"
    again = desk.carry_out(desk.order(step("true"), holds=(command(rail),)))
    assert "an earlier run could not put" in (again.setup_error or ""), "nobody uses it before somebody has looked"


def test_two_holds_of_one_file_are_refused_whatever_links_lead_there(desk: Desk, rail: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(rail)
    exit = desk.run(step("true"), holds=(sysfs(rail), sysfs(tmp_path / "alias", "700", label="w")))
    assert exit.setup_error == f"the holds v and w both change {rail}"
    assert exit.steps == ()
    assert exit.cleared
    assert text(rail) == "1000"


def test_two_spellings_are_one_rail(desk: Desk, rail: Path) -> None:
    spelled = [msgspec.structs.replace(command(rail), resources=(name,)) for name in ("rail:v-core", "rail:V_CORE")]
    first, second = (resources_of(desk.order(step("true"), holds=(each,))) for each in spelled)
    assert first == second


@pytest.mark.parametrize("tolerance", ["3", "2"])
def test_a_read_back_within_the_tolerance(desk: Desk, rail: Path, tolerance: str) -> None:
    near = command(rail, set=["/bin/sh", "-c", f"echo 853 > {rail}"])
    near.settings["tolerance"] = tolerance
    exit = desk.run(step("true"), holds=(near,))
    assert exit.holds[0].disagreed is (tolerance == "2")


@pytest.mark.parametrize("how", ["fails", "disagrees", "hangs"])
def test_a_restore_that_goes_wrong_is_loud_and_keeps_what_it_has(desk: Desk, rail: Path, how: str) -> None:
    restore = {"fails": ["/bin/false"], "disagrees": ["/bin/true"], "hangs": ["/bin/sleep", "1000"]}[how]
    hold = command(rail, restore=restore)
    hold.settings["within"] = "1s"
    order = desk.order(step("true"), holds=(hold,))
    exit = desk.carry_out(order)
    wanted = {"fails": "ended with 1", "disagrees": "was set to 1000 and reads 850", "hangs": "did not end within 1 s"}
    assert wanted[how] in (exit.holds[0].undo_failed or "")
    assert exit.holds[0].taken_off_at_s is None
    assert not exit.cleared
    assert pending(order)


@pytest.mark.parametrize("phase", ["set", "restore"])
def test_a_provider_host_that_is_killed_meanwhile(desk: Desk, rail: Path, tmp_path: Path, phase: str) -> None:
    """A command of a dead host must not act any more when a new host has put the rail back."""
    mark, value = tmp_path / "mark", "850" if phase == "set" else "{old}"
    slow = [
        "/bin/sh",
        "-c",
        f"if [ ! -e {mark} ]; then echo $PPID $$ > {mark}.part; mv {mark}.part {mark}; sleep 2; fi; echo {value} > {rail}",
    ]
    order = desk.order(shell("sleep 0.2"), holds=(command(rail, **{phase: slow}),))
    desk.start(order)
    wait_for(mark.exists)
    host, commands = map(int, mark.read_text().split())
    os.kill(host, signal.SIGKILL)
    exit = desk.exit(order)
    assert (exit.setup_error is not None) is (phase == "set")
    assert exit.holds[0].taken_off_at_s is not None
    wait_for(lambda: not Path(f"/proc/{commands}").exists())
    assert text(rail) == "1000"
    assert not pending(order)


# --- crashes ----------------------------------------------------------------------------------------------------


def die(desk: Desk) -> None:
    os.kill(desk.handle.pid, signal.SIGKILL)
    assert desk.gone()
    desk.handle = desk.handle.replace()
    for pid in desk.tools_left():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not desk.tools_left())


def test_what_a_dead_supervisor_held_is_put_back_by_the_next(desk: Desk, rail: Path) -> None:
    order = desk.start(desk.order(shell("sleep 100"), holds=(sysfs(rail),)))
    wait_for(lambda: text(rail) == "850" and desk.tools_left())
    die(desk)
    assert text(rail) == "850"
    for _ in range(2):  # twice does no harm
        desk.send(Clear(order.token, order.directories.private))
        assert desk.expect(Cleared).failed == ()
        assert text(rail) == "1000"
        assert not pending(order)


def test_a_damaged_entry_does_not_keep_the_others_from_being_put_back(desk: Desk, rail: Path) -> None:
    order = desk.start(desk.order(shell("sleep 100"), holds=(sysfs(rail),)))
    wait_for(lambda: text(rail) == "850" and desk.tools_left())
    die(desk)
    damaged = Path(order.directories.private, "undo/a@hold.json")
    damaged.write_text('{"schema": "campaign.undo/1", "label": 7')
    desk.send(Clear(order.token, order.directories.private))
    (why,) = desk.expect(Cleared).failed
    assert "the journal cannot be read" in why
    assert text(rail) == "1000"
    assert damaged.exists()


def test_a_crash_between_the_journal_and_the_act(desk: Desk, rail: Path) -> None:
    """What never acted is put back too: to write the old value once more changes nothing."""
    order = desk.order(step("true"))
    Path(order.directories.private, "undo").mkdir(parents=True)
    entry = undo.UndoEntry(
        label="v",
        fault="rails.sysfs",
        undo={"path": str(rail), "old": "1000", "tolerance": "0", "settle": 0},
        held=True,
    )
    fd = os.open(Path(order.directories.private, "undo"), os.O_RDONLY)
    undo.write(fd, entry)
    os.close(fd)
    desk.send(Clear(order.token, order.directories.private))
    assert desk.expect(Cleared).failed == ()
    assert text(rail) == "1000"


# --- one rail, two runs -----------------------------------------------------------------------------------------


def test_a_rail_that_another_run_holds_is_waited_for(desk: Desk, other: Desk, rail: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(rail)
    first = desk.start(desk.order(shell(f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"), holds=(sysfs(rail),)))
    wait_for(lambda: text(rail) == "850")
    second = other.order(shell(f"cat {rail}"), holds=(sysfs(tmp_path / "alias", "700"),), timeout_s=20.0)
    other.send(Start(second))
    assert other.expect(Waiting).token == second.token
    free = other.order(shell("true"))
    other.carry_out(free)  # what needs no rail goes on
    assert text(rail) == "850"
    (tmp_path / "go").touch()
    desk.exit(first)
    other.expect(Started)
    assert other.exit(second).setup_error is None
    assert other.public(second, "output.log").read_text() == "700\n"
    assert text(rail) == "1000"


def test_a_rail_that_a_dead_run_left_is_not_taken_before_it_is_put_back(desk: Desk, other: Desk, rail: Path) -> None:
    first = desk.start(desk.order(shell("sleep 100"), holds=(sysfs(rail),)))
    wait_for(lambda: text(rail) == "850" and desk.tools_left())
    die(desk)
    second = other.order(step("true"), holds=(sysfs(rail, "700"),))
    other.send(Start(second))
    assert first.directories.private in other.expect(Waiting).why
    desk.send(Clear(first.token, first.directories.private))
    desk.expect(Cleared)
    other.expect(Started)
    assert "1000 → 700" in (other.exit(second).holds[0].notes or "")
    assert text(rail) == "1000"


def test_a_run_is_not_hurt_by_what_its_hold_does_not_say(desk: Desk, rail: Path) -> None:
    """A late value of a served tool is not known when holds are put on."""
    hold = sysfs(rail, "\0srv.port\0")
    exit = desk.run(python("print(1)"), holds=(hold,))
    assert "srv.port is not known before the first tool starts" in (exit.setup_error or "")
    assert text(rail) == "1000"
