"""The process table as ``/proc`` shows it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from campaign.proc import (
    Entry,
    Process,
    boot_id,
    descendants,
    entry,
    identify,
    parse_stat,
    running,
    send_signals,
    table,
)


@given(st.text(max_size=20), st.integers(1, 2**31), st.integers(0, 2**62))
def test_a_command_may_hold_anything(command: str, parent: int, start: int) -> None:
    rest = f"S {parent} 7 8 " + " ".join(["0"] * 15) + f" {start} 0 0"
    assert parse_stat(5, f"5 ({command}) {rest}") == Entry(5, parent, 8, start, "S")


def test_a_real_process_with_a_strange_name() -> None:
    script = "import ctypes, time; ctypes.CDLL(None).prctl(15, b') R 1 (x'); print('up', flush=True); time.sleep(100)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = entry(process.pid)
        process.kill()
    assert found is not None
    assert found.parent == os.getpid()
    assert found.session == os.getsid(0)


def test_descendants_to_the_last_one() -> None:
    entries = [Entry(2, 1, 2, 0, "S"), Entry(3, 2, 2, 0, "Z"), Entry(4, 3, 2, 0, "S"), Entry(5, 9, 5, 0, "S")]
    assert {each.pid for each in descendants(1, {each.pid: each for each in entries})} == {2, 4}


def test_only_exactly_that_process_is_signalled() -> None:
    with subprocess.Popen(["sleep", "100"]) as process:
        this = identify(process.pid, boot_id())
        assert this is not None
        assert running(this, boot_id())
        assert not running(this, "another boot")
        assert not send_signals(Process(this.pid, this.start_time + 1, this.boot_id), signal.SIGKILL)
        assert process.poll() is None
        assert send_signals(this, signal.SIGKILL)
    assert not send_signals(this, signal.SIGKILL)
    assert entry(process.pid) is None


def test_the_table_holds_ourselves() -> None:
    assert table()[os.getpid()].parent == os.getppid()
