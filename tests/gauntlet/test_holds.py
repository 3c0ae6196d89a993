"""A rail that could not be restored: loud, held, and given back by a person."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.gauntlet

SPEC = """campaign "held" {{ parallel 1 }}
tool t {{ command "/bin/cat" "{folder}/vcore" }}
instance a {{
  hold rails.command {{
    rail    = "vcore"
    set     = ["/bin/sh", "-c", "echo 850 > {folder}/vcore"]
    read    = ["/bin/cat", "{folder}/vcore"]
    restore = ["{folder}/restore", "{{{{old}}}}"]
    value   = "850"
  }}
  run t
}}
"""


def test_a_failed_restore_is_loud_and_keeps_the_rail_until_it_is_released(tmp_path: Path) -> None:
    rail, restore = tmp_path / "vcore", tmp_path / "restore"
    rail.write_text("1000\n")
    (tmp_path / "spec.camp").write_text(SPEC.format(folder=tmp_path))

    def make(script: str) -> None:
        restore.write_text(f"#!/bin/sh\n{script}\n")
        restore.chmod(0o755)

    def campaign(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "campaign", *arguments],
            cwd=tmp_path,
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    make("echo no bus >&2; exit 3")
    first = campaign("exec", "spec.camp")
    assert first.returncode == 1, first.stderr
    assert "the hold rails.command could not be taken off: " in first.stdout + first.stderr
    assert "restore ended with 3: no bus" in first.stderr
    assert rail.read_text() == "850\n"
    assert "campaign release" in campaign("status").stdout

    make(f'echo "$1" > {rail}')
    second = campaign("exec", "spec.camp")
    assert second.returncode == 1, second.stderr
    assert "an earlier run could not put rail:vcore back: see campaign status" in second.stdout + second.stderr
    assert rail.read_text() == "850\n", "nobody took 850 for its own value"

    held = next(line for line in campaign("status").stdout.splitlines() if "campaign release" in line)
    run = held.rpartition("campaign release ")[2].strip("'")
    released = campaign("release", run, "--yes")
    assert released.returncode == 0, released.stderr
    assert "in force" in released.stdout
    rail.write_text("1000\n")
    assert campaign("exec", "spec.camp").returncode == 0
    assert rail.read_text() == "1000\n"
