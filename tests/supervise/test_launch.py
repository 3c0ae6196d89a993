"""Supervisors are started clean, whatever their engine has inherited, and replaced when they die."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.waiting import wait_for

from campaign.supervise.launch import start_supervisors

from .conftest import PYTHON, Desk, shell, step


def test_an_inherited_sigchld_that_is_ignored_hides_no_failure(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        os.makedirs(tmp_path / ".campaign/attempts")
        (handle,) = start_supervisors(1, str(tmp_path))
    finally:
        signal.signal(signal.SIGCHLD, before)
    desk = Desk(tmp_path, handle)
    assert desk.run(shell("exit 7")).steps[0].exit.code == 7
    handle.close()
    handle.nursery.close()


def test_a_supervisor_stands_alone(desk: Desk) -> None:
    desk.run(step("true"))
    pid = desk.handle.pid
    assert os.getsid(pid) == pid != os.getsid(0)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert int(status["SigIgn"], 16) & 1 << (signal.SIGINT - 1)
    assert not int(status["SigIgn"], 16) & 1 << (signal.SIGCHLD - 1)
    assert status["Umask"] == "0077"


def test_an_interrupt_does_not_reach_it(desk: Desk) -> None:
    order = desk.start(desk.order(shell("sleep 0.3; exit 5")))
    os.kill(desk.handle.pid, signal.SIGINT)
    assert desk.exit(order).steps[0].exit.code == 5


def test_it_inherits_no_descriptor(tmp_path: Path) -> None:
    os.makedirs(tmp_path / ".campaign/attempts")
    with open(tmp_path / "ledger", "wb") as mine:
        os.set_inheritable(mine.fileno(), True)
        handles = start_supervisors(2, str(tmp_path))
        try:
            for handle in handles:
                handle.sock.sendall(b"are you up?\n")
                handle.sock.recv(1 << 16)
                folder = f"/proc/{handle.pid}/fd"
                open_files = [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]
                assert not [each for each in open_files if str(tmp_path) in each]
                assert sum(each.startswith("socket:") for each in open_files) == 3, "to its engine, and to itself"
        finally:
            for handle in handles:
                handle.close()
            handles[0].nursery.close()


def test_a_dead_supervisor_is_replaced(desk: Desk) -> None:
    order = desk.start(desk.order(shell("sleep 0.5")))
    os.kill(desk.handle.pid, signal.SIGKILL)
    assert desk.gone()
    assert not Path(order.directories.private, "exit.json").exists()
    desk.handle = desk.handle.replace()
    assert desk.run(step("true")).steps[0].ok
    _wait_for_none(desk)


def test_the_engine_killed_with_its_nursery_leaves_the_attempt_to_its_end(tmp_path: Path) -> None:
    """kill -9 of a real engine process: the run goes on, leaves its record, and then nothing of ours is left."""
    os.makedirs(tmp_path / ".campaign/attempts")
    script = textwrap.dedent(
        """
        import os, sys, time
        sys.path.insert(0, sys.argv[2])
        from pathlib import Path
        from supervise.conftest import Desk, shell
        from campaign.supervise.launch import start_supervisors
        workspace = Path(sys.argv[1])
        (handle,) = start_supervisors(1, str(workspace))
        desk = Desk(workspace, handle)
        order = desk.start(desk.order(shell("sleep 0.7; echo survived")))
        print(handle.pid, handle.nursery.pid, order.directories.private, order.directories.public, flush=True)
        time.sleep(100)
        """
    )
    tests = str(Path(__file__).parent.parent)
    with subprocess.Popen([PYTHON, "-c", script, str(tmp_path), tests], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        supervisor, nursery, private, public = engine.stdout.readline().split()
        watched = [os.pidfd_open(int(pid)) for pid in (supervisor, nursery)]
        engine.kill()
    for fd in watched:
        _wait_readable(fd)
    assert Path(public, "output.log").read_text() == "survived\n"
    assert Path(private, "exit.json").exists()


def test_a_nursery_that_is_gone_says_so(desk: Desk) -> None:
    os.kill(desk.handle.nursery.pid, signal.SIGKILL)
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the moment
        desk.handle.nursery.start()


def test_nothing_is_printed_by_a_supervisor_that_meets_nonsense(tmp_path: Path) -> None:
    os.makedirs(tmp_path / ".campaign/attempts")
    script = (
        "import sys; from campaign.supervise.launch import start_supervisors; import select\n"
        "(h,) = start_supervisors(1, sys.argv[1])\n"
        "h.sock.sendall(b'nonsense\\n' * 3); h.sock.recv(100); h.sock.close()\n"
        "select.select([h.pidfd], [], [])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def _wait_readable(fd: int) -> None:

    assert select.select([fd], [], [], 60)[0]
    os.close(fd)


def _wait_for_none(desk: Desk) -> None:
    """What the killed supervisor was running goes to init, and ends by itself in this test."""
    wait_for(lambda: not desk.tools_left())
