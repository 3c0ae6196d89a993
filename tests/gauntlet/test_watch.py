"""``campaign status --watch``: on a terminal and elsewhere, while daemons come and go, stop and go on."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .yard import Yard

pytestmark = pytest.mark.gauntlet
COMMAND = [sys.executable, "-m", "campaign", "status", "--watch"]


def watch(yard: Yard, *more: str) -> subprocess.Popen[bytes]:
    """Looks on, into the file ``seen``."""
    with open(yard.folder / "seen", "wb") as out:
        return subprocess.Popen([*COMMAND, *more], cwd=yard.folder, env=yard.environ, stdout=out, stderr=out)


def seen(yard: Yard) -> list[dict[str, Any]]:
    lines = (yard.folder / "seen").read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1] if line.startswith(b"{")]


def answers(yard: Yard, pid: int) -> bool:
    """Whether the last line shows that daemon, and what it said of itself."""
    holder = seen(yard)[-1]["holder"] or {}
    return holder.get("pid") == pid and bool(holder["answers"])


def interrupt(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


def test_each_change_is_told_while_daemons_come_and_go(yard: Yard) -> None:
    looking = watch(yard, "--format", "json")
    yard.until(lambda: [each["holder"] for each in seen(yard)] == [None])
    campaign = yard.submit(yard.spec("a", "instance x.one { run t }\ninstance y.two { run t }"))
    yard.call("pause", campaign, "--group", "y")
    first = yard.daemon()
    yard.until(lambda: answers(yard, first))
    yard.until(lambda: [each["done"] for each in seen(yard)[-1]["queue"]] == [1])
    yard.call("resume", campaign)
    yard.until(lambda: seen(yard)[-1]["queue"] == [])
    os.kill(first, signal.SIGKILL)
    yard.until(lambda: seen(yard)[-1]["holder"] is None)
    second = yard.daemon()
    yard.until(lambda: answers(yard, second))
    lines = len(seen(yard))
    time.sleep(1.2)  # it looks at least once a second
    assert len(seen(yard)) == lines, "where nothing changes there is nothing to tell"
    interrupt(looking)


def test_a_stale_heartbeat_is_said_plainly_and_mends(yard: Yard) -> None:
    pid = yard.daemon()
    looking = watch(yard)
    file = yard.folder / "seen"
    yard.until(lambda: b"places in use" in file.read_bytes())
    os.kill(pid, signal.SIGSTOP)
    old = time.time() - 60
    os.utime(yard.folder / ".campaign" / "daemon.lock", (old, old))
    yard.until(lambda: b"does not answer" in file.read_bytes() and b"STALE" in file.read_bytes())
    os.kill(pid, signal.SIGCONT)
    yard.until(lambda: b"places in use" in file.read_bytes().rpartition(b"STALE")[2])
    interrupt(looking)


def test_on_a_terminal_one_sheet_is_written_over(yard: Yard) -> None:
    ours, theirs = pty.openpty()
    environ = {**yard.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    looking = subprocess.Popen(COMMAND, cwd=yard.folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""

    def shows(text: str) -> bool:
        nonlocal shown
        while select.select([ours], [], [], 0.02)[0]:
            shown += os.read(ours, 1 << 16)
        return text.encode() in shown

    yard.until(lambda: shows("the queue is empty"))
    campaign = yard.submit(yard.spec("a", "instance i { run t }"))
    yard.until(lambda: shows(campaign))
    assert b"\x1b[" in shown, "the cursor goes back to the first line"
    looking.send_signal(signal.SIGINT)
    yard.until(lambda: shows("interrupted"))
    assert looking.wait(60) == 130
    os.close(ours)


def test_nobody_reads_it(yard: Yard) -> None:
    command = subprocess.Popen(COMMAND, cwd=yard.folder, env=yard.environ, stdout=subprocess.PIPE)
    assert command.stdout is not None
    command.stdout.read(1)
    command.stdout.close()
    yard.submit(yard.spec("a", "instance i { run t }"))
    assert command.wait(60) == -signal.SIGPIPE


def test_a_ledger_that_is_damaged_is_said(yard: Yard) -> None:
    yard.submit(yard.spec("a", "instance i { run t }"))
    Path(yard.folder / ".campaign" / "ledger.sqlite").write_bytes(b"nonsense" * 1000)
    yard.call("status", "--watch", status=3)
