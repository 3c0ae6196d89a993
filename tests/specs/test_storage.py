"""``specs/storage.camp``: a journal that notices damage, and loses nothing that it acknowledged.

Here some of its runs; all of them are ``campaign exec specs/storage.camp``, half a minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def runs(workspace: Path, *arguments: str) -> list[dict[str, object]]:
    command = [
        sys.executable,
        "-m",
        "campaign",
        "exec",
        "specs/storage.camp",
        "--workspace",
        str(workspace),
        *arguments,
    ]
    env = {**os.environ, "XDG_RUNTIME_DIR": str(workspace.parent)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(path.read_bytes()) for path in workspace.glob("runs/*/*/*/seed-*/run.json")]


def test_the_check_notices_damage(tmp_path: Path) -> None:
    found = runs(tmp_path / ".campaign", "--tier", "plain", "--filter", "damage=torn|back")
    said = {run["axes"]["damage"]: run["faults"][0]["notes"] for run in found}  # type: ignore[index]
    assert sorted(said) == ["back", "torn"]
    assert said["back"].startswith("data/journal, byte ")
    assert said["torn"].startswith("data/journal: nothing from byte ")
