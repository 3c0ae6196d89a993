"""What is found of an attempt: real folders, real locks, real processes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from campaign.engine import recover
from campaign.engine.findings import Damaged, Exited, Finding, Gone, NeverStarted, Running, Uncleared, Unknown
from campaign.engine.machine import ThisMachine
from campaign.engine.recover import Boot, boot_of_admissions, make_folder, mark_boot, read_exit, revoke
from campaign.proc import Process, boot_id, identify
from campaign.records import Directories, FaultOrder, Order
from campaign.records.exit import sealed
from campaign.supervise.claim import PRIVATE_MODE, ClaimedError, take

from .conftest import make_exit, make_order


@pytest.fixture
def order(tmp_path: Path) -> Order:
    work = tmp_path / "runs" / "attempt-1" / "work"
    work.mkdir(parents=True)
    private = tmp_path / "attempts" / "t0-1-0"
    where = Directories(public=str(work.parent), private=str(private), work=str(work))
    return msgspec.structs.replace(make_order(0), directories=where)


def claimed(order: Order, owner: Process | None) -> Path:
    private = Path(order.directories.private)
    private.mkdir(parents=True)
    (private / "claim").write_bytes(msgspec.json.encode(owner))
    (private / "lock").touch()
    (private / "tree.lock").touch()
    return private


def identified() -> Process:
    found = identify(os.getpid(), boot_id())
    assert found is not None
    return found


def dead() -> Process:
    process = subprocess.Popen(["/bin/true"])
    found = identify(process.pid, boot_id())
    process.wait()
    assert found is not None
    return found


def examine(order: Order, started: bool, boot: Boot = Boot.PRESENT) -> Finding | Uncleared:
    [found] = recover.examine([(order, started)], ThisMachine(), boot)
    return found


def admitted(order: Order) -> None:
    os.mkdir(Path(order.directories.private).parent)
    make_folder(order.directories.private)


def test_a_free_claim_is_taken_and_no_supervisor_can_take_it_again(order: Order) -> None:
    admitted(order)
    assert examine(order, started=False) == NeverStarted()
    with pytest.raises(ClaimedError):
        take(order, identified())
    assert Path(order.directories.private).stat().st_mode & 0o077 == 0


def test_what_a_dead_engine_revoked_never_started(order: Order) -> None:
    admitted(order)
    assert revoke(order.directories.private)
    assert examine(order, started=False) == NeverStarted()


def test_what_a_supervisor_claimed_cannot_be_revoked(order: Order) -> None:
    admitted(order)
    take(order, identified()).release()
    assert not revoke(order.directories.private)
    assert examine(order, started=False) == Gone()


def test_what_the_ledger_knows_to_have_started_is_never_taken_for_unstarted(order: Order) -> None:
    admitted(order)
    assert examine(order, started=True) == Gone()
    assert not (Path(order.directories.private) / "claim").exists()


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("lost", ["its own", "all"])
def test_a_folder_that_was_removed_proves_nothing(order: Order, started: bool, lost: str) -> None:
    admitted(order)
    private = Path(order.directories.private)
    shutil.rmtree(private if lost == "its own" else private.parent)
    finding = examine(order, started)
    assert isinstance(finding, Unknown)
    assert f"{private} is gone" in finding.why
    assert not private.exists()


@pytest.mark.parametrize("started", [False, True])
def test_an_empty_folder_in_its_place_proves_nothing(order: Order, started: bool) -> None:
    os.mkdir(Path(order.directories.private).parent, PRIVATE_MODE)
    make_folder(order.directories.private)
    os.rmdir(order.directories.private)
    os.mkdir(order.directories.private, 0o700)
    finding = examine(order, started)
    assert isinstance(finding, Unknown)
    assert "was replaced by another one" in finding.why
    for attempt in (lambda: revoke(order.directories.private), lambda: take(order, identified())):
        with pytest.raises(FileNotFoundError, match="replaced"):
            attempt()
    assert os.listdir(order.directories.private) == []


def test_a_held_lock_means_a_living_supervisor(order: Order) -> None:
    private = claimed(order, identify(os.getpid(), boot_id()))
    with open(private / "lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert examine(order, started=False) == Running()
    assert examine(order, started=False) != Running()


def test_a_whole_exit_record_of_this_very_attempt(order: Order) -> None:
    private = claimed(order, dead())
    exit_ = make_exit(order)
    data = sealed(msgspec.json.encode(exit_))
    (private / "exit.json").write_bytes(data)
    assert examine(order, started=True) == Exited(exit_, data)


@pytest.mark.parametrize(
    "damage", ["torn", "garbage", "not UTF-8", "flipped", "unsealed", "seal flipped", "foreign token", "foreign digest"]
)
def test_a_damaged_exit_record_is_named_and_never_taken_for_none(order: Order, damage: str) -> None:
    private = claimed(order, dead())
    exit_ = make_exit(order)
    data = msgspec.json.encode(exit_)
    (private / "exit.json").write_bytes(
        {
            "torn": data[:-9],
            "garbage": os.urandom(300),
            "not UTF-8": data.replace(b"2026", b"20\xb26"),
            "flipped": sealed(data).replace(b"2026", b"2024", 1),
            "unsealed": data,
            "seal flipped": sealed(data).replace(b'"check"', b'"chebk"').replace(b"2026", b"20s6", 1),
            "foreign token": sealed(msgspec.json.encode(msgspec.structs.replace(exit_, token="other"))),
            "foreign digest": sealed(msgspec.json.encode(msgspec.structs.replace(exit_, digest="0" * 32))),
        }[damage]
    )
    finding = examine(order, started=True)
    assert isinstance(finding, Damaged)
    assert finding == read_exit(order)
    assert f"{private}/exit.json is damaged" in finding.why


def test_dead_and_nothing_left(order: Order) -> None:
    claimed(order, dead())
    assert examine(order, started=True) == Gone()


def test_another_boot_proves_that_nothing_is_left(order: Order) -> None:
    private = claimed(order, Process(1, 1, "another-boot"))
    assert examine(order, started=True) == Gone()
    (private / "undo").mkdir()
    (private / "undo" / "x.json").write_text("{}")
    assert examine(order, started=True) == Uncleared()  # whoever clears it says that it is damaged


@pytest.mark.parametrize("mark", ["folder", "environment"])
def test_what_is_left_of_the_tree_is_killed(order: Order, mark: str) -> None:
    claimed(order, dead())
    environment = {"CAMPAIGN_WORKDIR": order.directories.work} if mark == "environment" else {}
    folder = order.directories.work if mark == "folder" else "/"
    child = subprocess.Popen(["/bin/sleep", "600"], cwd=folder, env=environment, start_new_session=True)
    while not Path(f"/proc/{child.pid}/cmdline").read_bytes():
        time.sleep(0.001)  # in the middle of execve(2) a process has neither arguments nor an environment
    assert examine(order, started=True) == Gone()
    assert child.wait(timeout=10) == -9


def test_a_process_that_holds_the_lock_of_the_tree_and_hides_leaves_it_unproved(order: Order) -> None:
    private = claimed(order, dead())
    (private / "exit.json").write_bytes(b"damaged")
    script = (
        "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, 2); print('held', flush=True); time.sleep(600)"
    )
    hidden = subprocess.Popen(
        [sys.executable, "-c", script, str(private / "tree.lock")], cwd="/", env={}, stdout=subprocess.PIPE, text=True
    )
    assert hidden.stdout is not None
    assert hidden.stdout.readline() == "held\n"
    finding = examine(order, started=True)
    hidden.kill()
    hidden.wait()
    assert isinstance(finding, Unknown)
    assert "may still run" in finding.why


def test_a_fault_that_is_still_in_force_is_to_be_taken_back(order: Order) -> None:
    private = claimed(order, dead())
    (private / "undo").mkdir()
    entry = {"schema": "campaign.undo/1", "label": "x", "fault": "process.stop", "undo": {}, "plugins": []}
    (private / "undo" / "x.json").write_bytes(msgspec.json.encode(entry))
    assert examine(order, started=True) == Uncleared()


@pytest.mark.parametrize("started", [False, True])
def test_a_private_folder_that_is_a_link_proves_nothing(order: Order, tmp_path: Path, started: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    private = Path(order.directories.private)
    private.parent.mkdir(parents=True)
    private.symlink_to(elsewhere)
    assert isinstance(examine(order, started), Unknown)
    assert list(elsewhere.iterdir()) == []


def test_a_private_folder_that_is_a_file(order: Order) -> None:
    private = Path(order.directories.private)
    private.parent.mkdir(parents=True)
    private.write_text("")
    assert isinstance(examine(order, started=True), Unknown)


_RACE = """
import os, sys, time, msgspec
from campaign.engine.recover import revoke
from campaign.proc import boot_id, identify
from campaign.records import Order
from campaign.supervise.claim import ClaimedError, take
order = msgspec.json.decode(sys.argv[1], type=Order)
time.sleep(max(0, float(sys.argv[2]) - time.time()))
if sys.argv[3] == "revoke":
    print(revoke(order.directories.private))
else:
    try:
        print(bool(take(order, identify(os.getpid(), boot_id()))))
    except ClaimedError:
        print(False)
"""


def test_the_claim_is_a_race_with_one_winner(order: Order) -> None:
    admitted(order)
    at = str(time.time() + 0.6)
    command = [sys.executable, "-c", _RACE, msgspec.json.encode(order).decode(), at]
    sides = ["revoke", "take"] * 3
    racers = [subprocess.Popen([*command, side], stdout=subprocess.PIPE, text=True) for side in sides]
    answers = [racer.communicate(timeout=30)[0].strip() for racer in racers]
    revoked, taken = answers[::2], answers[1::2]
    assert sorted(taken) == (["False"] * 3 if "True" in revoked else ["False"] * 2 + ["True"])
    assert len(set(revoked)) == 1, "revoking twice is revoking once"


def test_no_claim_is_made_behind_a_link(order: Order, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    private = Path(order.directories.private)
    private.parent.mkdir(parents=True)
    private.symlink_to(elsewhere)
    with pytest.raises(NotADirectoryError):
        revoke(str(private))
    assert list(elsewhere.iterdir()) == []


# --- after another start of the machine: neither folders nor claims were synced ---------------------------------------


@pytest.mark.parametrize("boot", [Boot.EARLIER, Boot.UNKNOWN])
def test_a_free_claim_proves_nothing_of_an_earlier_boot(order: Order, boot: Boot) -> None:
    admitted(order)
    assert examine(order, started=False, boot=boot) == Gone()
    assert not (Path(order.directories.private) / "claim").exists()


def test_a_revocation_proves_it_in_every_boot(order: Order) -> None:
    admitted(order)
    revoke(order.directories.private)
    assert examine(order, started=False, boot=Boot.EARLIER) == NeverStarted()


def test_a_folder_that_a_power_cut_took_is_an_orphan_unless_it_may_have_put_faults_in_force(order: Order) -> None:
    assert examine(order, started=True, boot=Boot.EARLIER) == Gone()
    assert isinstance(examine(order, started=True, boot=Boot.UNKNOWN), Unknown)
    faulty = msgspec.structs.replace(order, faults=(FaultOrder(label="f", fault="process.kill", at_s=0.0),))
    assert isinstance(examine(faulty, started=True, boot=Boot.EARLIER), Unknown)


class Elsewhere(ThisMachine):
    def __init__(self, boot: str) -> None:
        self.boot = boot


def test_a_workspace_knows_the_boot_of_what_is_in_flight(tmp_path: Path) -> None:
    here, later, mute = Elsewhere("one"), Elsewhere("two"), Elsewhere("")
    folder = str(tmp_path)
    assert boot_of_admissions(folder, here) is Boot.UNKNOWN
    mark_boot(folder, here)
    assert boot_of_admissions(folder, here) is Boot.PRESENT
    assert boot_of_admissions(folder, later) is Boot.EARLIER
    assert boot_of_admissions(folder, mute) is Boot.UNKNOWN
    mark_boot(folder, mute)
    assert boot_of_admissions(folder, mute) is Boot.UNKNOWN
    mark_boot(str(tmp_path / "missing"), here)  # it is no error, and proves nothing
