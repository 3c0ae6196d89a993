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


class Bench:
    """A rail, the script that restores it, and campaign beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rail = folder, folder / "vcore"
        self.rail.write_text("1000\n")
        (folder / "spec.camp").write_text(SPEC.format(folder=folder))

    def restore(self, script: str) -> None:
        path = self.folder / "restore"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def campaign(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "campaign", *arguments],
            cwd=self.folder,
            env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder), "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def release(self) -> subprocess.CompletedProcess[str]:
        held = next(line for line in self.campaign("status").stdout.splitlines() if "campaign release" in line)
        done = self.campaign("release", held.rpartition("campaign release ")[2].strip("'"), "--yes")
        assert done.returncode == 0, done.stderr
        assert "in force" in done.stdout
        assert "rail vcore" in done.stdout, "what is to be put back"
        assert "old 1000" in done.stdout, "and to what"
        return done


def test_a_failed_restore_is_loud_and_keeps_the_rail_until_it_is_released(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.restore("echo no bus >&2; exit 3")
    first = bench.campaign("exec", "spec.camp")
    assert first.returncode == 1, first.stderr
    assert "the hold rails.command could not be taken off: " in first.stdout + first.stderr
    assert "restore ended with 3: no bus" in first.stderr
    assert "campaign release 'held-" in first.stdout
    assert bench.rail.read_text() == "850\n"
    (waits,) = [line for line in bench.campaign("status").stdout.splitlines() if "campaign release" in line]
    assert "waits for a person: the hold rails.command could not be taken off: restore ended with 3" in waits

    second = bench.campaign("exec", "spec.camp")
    assert second.returncode == 1, second.stderr
    assert "an earlier run could not put rail:vcore back, or " in second.stdout + second.stderr
    assert bench.rail.read_text() == "850\n", "nobody took 850 for its own value"

    released = bench.release()
    assert "NOT put back: rails.command (rails.command): rail vcore" in released.stderr
    assert "restore ended with 3: no bus" in released.stderr
    bench.rail.write_text("1000\n")
    bench.restore(f'echo "$1" > {bench.rail}')
    assert bench.campaign("exec", "spec.camp").returncode == 0
    assert bench.rail.read_text() == "1000\n"


def test_a_release_tries_once_more_to_put_the_rail_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.restore("exit 3")
    assert bench.campaign("exec", "spec.camp").returncode == 1
    bench.restore(f'echo "$1" > {bench.rail}')
    released = bench.release()
    assert "put back: rails.command (rails.command): rail vcore" in released.stdout
    assert "NOT" not in released.stderr
    assert bench.rail.read_text() == "1000\n"
