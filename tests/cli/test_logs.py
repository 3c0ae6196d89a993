"""``logs``: the bytes as they were kept, and following a run to its end."""

import os
import pty
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

from campaign.cli.logs import Carriers
from campaign.engine import wire
from campaign.ledger.rows import Ending, Move
from campaign.ledger.store import Ledger
from campaign.records import Decision, Verdict

RUNS = [("crash.wal", 1, ["fail: x", "pass"])]


def log_of(row: Any, attempt: int) -> Path:
    return Path(row.run_root) / "crash.wal" / "seed-1" / f"attempt-{attempt}" / "output.log"


def test_it_is_the_last_attempts_output_unless_said(campaign: Any, recorded: Any) -> None:
    recorded(RUNS)
    assert campaign("logs", "crash.wal#1").stdout == "output of crash.wal#1@2\n"
    assert campaign("logs", "crash.wal#1@1").stdout == "output of crash.wal#1@1\n"


def test_a_pipe_gets_the_bytes_as_they_are(recorded: Any, tmp_path: Path, clean_environ: Any) -> None:
    raw = b"\x1b[31mred\xff\x00" + "é".encode() * 50_000
    log_of(recorded(RUNS), 2).write_bytes(raw)
    command = [sys.executable, "-m", "campaign", "logs", "crash.wal#1"]
    done = subprocess.run(command, cwd=tmp_path, env=clean_environ, capture_output=True, check=True, timeout=60)
    assert done.stdout == raw


def test_a_terminal_gets_no_escape_sequence(recorded: Any, tmp_path: Path, clean_environ: Any) -> None:
    log_of(recorded(RUNS), 2).write_bytes(b"\x1b[31mred\n" + b"x" * 65530 + "é\n".encode())
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "campaign", "logs", "crash.wal#1"]
    with subprocess.Popen(command, cwd=tmp_path, env=clean_environ, stdout=inner):
        os.close(inner)
        shown = b"".join(iter(lambda: read(outer), b""))
    assert b"\x1b" not in shown
    assert shown.startswith(b"\\u{1b}[31mred\r\n")
    assert "é".encode() in shown


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


def test_a_run_that_printed_nothing_says_so(campaign: Any, recorded: Any) -> None:
    log_of(recorded(RUNS), 2).unlink()
    done = campaign("logs", "crash.wal#1")
    assert (done.returncode, done.stdout) == (0, "")
    assert "has printed nothing" in done.stderr


def test_a_run_whose_evidence_was_removed_says_so(campaign: Any, recorded: Any) -> None:
    folder = log_of(recorded(RUNS), 2).parent
    shutil.rmtree(folder)
    done = campaign("logs", "crash.wal#1")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"campaign: crash.wal#1@2: its evidence is gone, {folder}\n"


def test_following_goes_on_until_the_run_is_done(campaign: Any, recorded: Any, tmp_path: Path) -> None:
    row = recorded([("crash.wal", 1, ["running"])], state="running")
    path = log_of(row, 1)
    holder = wire.listen(str(tmp_path / ".campaign"))  # somebody carries it out
    results: list[Any] = []
    follower = threading.Thread(target=lambda: results.append(campaign("logs", "crash.wal#1", "-f")))
    follower.start()
    with path.open("a", encoding="utf-8") as log:
        for number in range(3):
            log.write(f"line {number}\n")
            log.flush()
            follower.join(0.3)
            assert follower.is_alive()
        log.write("the end\n")
    finish(tmp_path)
    follower.join(60)
    assert results[0].stdout == "output of crash.wal#1@1\nline 0\nline 1\nline 2\nthe end\n"
    holder.close()


def test_following_ends_where_nobody_carries_the_run_out(campaign: Any, recorded: Any) -> None:
    recorded([("crash.wal", 1, ["running"])], state="running")
    done = campaign("logs", "crash.wal#1", "-f")
    assert done.returncode == 3
    assert done.stdout == "output of crash.wal#1@1\n"
    assert "CAMP526" in done.stderr
    assert "crash.wal#1@1 is not done, and no daemon runs here" in done.stderr


def test_a_daemon_that_takes_over_in_between_is_no_end(tmp_path: Path) -> None:
    now = 0.0
    carriers = Carriers(str(tmp_path), lambda: now)
    for now in (3.0, 6.0, 9.0, 12.0, 15.0):
        holder = None if now in (3.0, 12.0, 15.0) else wire.listen(str(tmp_path))
        assert carriers.gone() == (now == 15.0)
        if holder is not None:
            holder.close()


def finish(tmp_path: Path) -> None:
    from campaign.ledger.queries import LedgerReader

    path = str(tmp_path / ".campaign" / "ledger.sqlite")
    with LedgerReader(path) as reader:
        (attempt,) = reader.unfinished()
        order = reader.record(attempt.token).order  # type: ignore[union-attr]
    ledger = Ledger(path)
    at = "2026-11-20T10:00:09Z"
    decision = Decision(Verdict.PASS)
    ledger.commit([Move(order=order, source="running", target="judging", cause="plan", at=at)])
    ledger.commit(
        [Ending(order=msgspec.structs.replace(order), source="judging", cause="plan", at=at, decision=decision)]
    )
    ledger.close()
