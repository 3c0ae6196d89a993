"""Disks under a run's working directory: there while the tools run, gone by whatever end, and what was on them stays."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.waiting import wait_for

from campaign.records import FaultOrder, HoldOrder, Order, Stop
from campaign.records.messages import Clear, Cleared
from campaign.supervise import undo
from campaign_standard._mounts import OURS, may_mount, mounts
from campaign_standard.disk import Faulty

from .conftest import Desk, shell

LACKS = Faulty().available() or (None if may_mount() else "a small disk for all tools needs root")
pytestmark = pytest.mark.skipif(LACKS is not None, reason=str(LACKS))

HOLDS = (
    HoldOrder("small", "disk.limited", settings={"path": "small", "size": "1MiB"}, random=1),
    HoldOrder("faulty", "disk.faulty", settings={"path": "faulty"}, random=2),
)


def ours(order: Order) -> list[str]:
    return [each.path for each in mounts() if each.source.startswith(OURS) and order.directories.work in each.path]


def servers(order: Order) -> list[str]:
    """The processes that serve a disk of this run."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"_faultfs" in words and order.directories.work.encode() in words:
            found.append(pid)
    return found


def parent(pid: str) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0])


def nothing_is_left(order: Order) -> None:
    assert ours(order) == []
    assert servers(order) == []
    work = Path(order.directories.work)
    assert sorted(os.listdir(work)) == ["faulty", "small"]
    assert [(work / name / "file").read_text() for name in ("faulty", "small")] == ["faulty\n", "small\n"]
    assert not undo.pending(order.directories.private)


WRITES = "echo faulty > faulty/file; echo small > small/file"


@pytest.mark.parametrize("ending", ["natural", "timeout", "cancel", "host"])
def test_disks_go_however_the_run_ends(desk: Desk, ending: str) -> None:
    then = "true" if ending == "natural" else "echo > small/up; exec sleep 100"
    faults = (FaultOrder("s", "disk.slow", 0.0, settings={"path": "faulty", "delay": "50ms"}, random=3),)
    order = desk.order(
        shell(f"{WRITES}; {then}"),
        holds=HOLDS,
        faults=faults if ending == "timeout" else (),
        timeout_s=2.0 if ending == "timeout" else 60.0,
    )
    desk.start(order)
    up = Path(order.directories.work, "small/up")
    if ending in {"cancel", "host"}:
        wait_for(up.exists)
        assert len(ours(order)) == 2
        if ending == "host":  # whoever serves the disk dies with it
            os.kill(parent(servers(order)[0]), signal.SIGKILL)
        desk.halt(order)
    exit = desk.exit(order)
    assert exit.stopped is {"timeout": Stop.TIMEOUT, "cancel": Stop.CANCEL, "host": Stop.CANCEL}.get(ending)
    assert exit.cleared, exit.setup_error
    if ending != "timeout" or up.exists():  # on a busy machine two seconds may be too short to write
        up.unlink(missing_ok=True)
        nothing_is_left(order)
    assert ours(order) == []
    assert servers(order) == []


def test_disks_of_a_dead_supervisor_go_by_the_next(desk: Desk) -> None:
    order = desk.start(desk.order(shell(f"{WRITES}; echo > small/up; exec sleep 100"), holds=HOLDS))
    up = Path(order.directories.work, "small/up")
    wait_for(up.exists)
    os.kill(desk.handle.pid, signal.SIGKILL)
    assert desk.gone()
    desk.handle = desk.handle.replace()
    for pid in desk.tools_left():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not desk.tools_left() and not servers(order))
    assert len(ours(order)) == 2
    for _ in range(2):
        desk.send(Clear(order.token, order.directories.private))
        assert desk.expect(Cleared).failed == ()
    up.unlink()
    nothing_is_left(order)
