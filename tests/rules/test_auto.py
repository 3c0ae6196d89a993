"""``rules auto``: what it chose is shown, and confirmed by a person, or by ``--yes`` where limits would be widened."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

Campaign = Callable[..., "subprocess.CompletedProcess[str]"]
SPEC = """
rules auto
campaign "rails" { }
tool diag { command "/bin/echo" "{voltage:mV}"; param voltage: voltage = 900mV }
instance margin { run diag }
"""
RULES = "name: z\nmatch: {min_cores: 1}\nlimits:\n  voltage: {min: 800mV, max: 1100mV, why: sheet}\n"


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/z.yaml").write_text(RULES)
    (tmp_path / "a.camp").write_text(SPEC)
    return tmp_path


def widen(bench: Path, text: str = "1200mV") -> None:
    (bench / "rules/z.yaml").write_text(RULES.replace("1100mV", text))


def campaigns(campaign: Campaign) -> int:
    listed = campaign("list", "--format", "json")
    return len(json.loads(listed.stdout)) if listed.returncode == 0 else 0


def test_without_a_terminal_nobody_is_asked_unless_limits_widen(campaign: Campaign, bench: Path) -> None:
    verb = "submit"  # asks as exec does, and runs nothing
    done = campaign(verb, "a.camp")
    assert done.returncode == 0, done.stderr
    assert "rules auto chose rules/z.yaml" in done.stderr
    assert "voltage: 800mV..1100mV" in done.stderr
    widen(bench)
    done = campaign(verb, "a.camp")
    assert (done.returncode, "CAMP326" in done.stderr) == (4, True), done.stderr
    assert "voltage: 800mV..1200mV, it was 800mV..1100mV" in done.stderr
    assert campaigns(campaign) == 1
    done = campaign(verb, "a.camp", "--yes")
    assert done.returncode == 0, done.stderr
    assert "wider than the last time" in done.stderr
    done = campaign(verb, "a.camp")
    assert (done.returncode, campaigns(campaign)) == (0, 3), done.stderr
    widen(bench, "1V")
    assert campaign(verb, "a.camp").returncode == 0


def answered(bench: Path, environ: dict[str, str], answer: str, *arguments: str) -> tuple[int, str]:
    """Run ``exec`` on a terminal and type an answer as soon as it asks; its status and what the terminal shows."""
    ours, theirs = pty.openpty()
    ourselves = [sys.executable, "-m", "campaign", "exec", "a.camp", "--no-progress"]
    command = ["setsid", "--ctty", "--wait", *ourselves, *arguments]  # a session of its own: Ctrl-C reaches it alone
    environ = {**environ, "HOME": str(bench), "XDG_RUNTIME_DIR": str(bench), "TERM": "dumb"}
    running = subprocess.Popen(command, cwd=bench, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown, told = b"", False
    with suppress(OSError):  # EIO: the other end is closed
        while True:
            if select.select([ours], [], [], 1.0)[0]:
                shown += os.read(ours, 1 << 16)
            elif told and answer == "\x03":  # a signal just before Python waits for a line is seen with the next one
                os.write(ours, answer.encode())
            if answer and not told and b"run with these limits?" in shown:
                told = True
                os.write(ours, answer.encode())
    os.close(ours)
    return running.wait(60), shown.decode()


@pytest.mark.parametrize(
    ("answer", "arguments", "status"),
    [("y\n", (), 0), ("n\n", (), 4), ("\x03", (), 130), ("", ("--yes",), 0)],
)
def test_on_a_terminal_a_person_is_asked(
    bench: Path, clean_environ: dict[str, str], campaign: Campaign, answer: str, arguments: Any, status: int
) -> None:
    found, shown = answered(bench, clean_environ, answer, *arguments)
    assert found == status, shown
    assert "voltage: 800mV..1100mV" in shown
    assert ("run with these limits?" in shown) == (not arguments)
    assert ("CAMP326" in shown) == (status == 4)
    assert campaigns(campaign) == (status == 0)
