"""``specs/proxy.camp``: a fault of the proxy, on its way through a supervisor to a real client."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

SPECS = Path(__file__).resolve().parents[2] / "specs"


def test_a_client_is_cut_off_and_goes_on(campaign: Any, tmp_path: Path) -> None:
    """The partition is there before the client, however long that takes to start."""
    shutil.copytree(SPECS / "proxy", tmp_path / "proxy")
    text = (
        (SPECS / "proxy.camp")
        .read_text()
        .replace("partition { at = 1s; for = 500ms;", "partition { at = 0s; for = 1900ms;")
    )
    (tmp_path / "proxy.camp").write_text(text.replace("= 2s", "= 200ms").replace(">= 10", ">= 1"))
    done = campaign("exec", tmp_path / "proxy.camp", "--filter", "lost=partition", "--workspace", tmp_path / "w")
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "w/runs").glob("*/*/*/seed-*/run.json")
    run = json.loads(path.read_bytes())
    assert int(run["steps"][0]["metrics"]["retries"]) >= 1
    (fault,) = run["faults"]
    assert fault["error"] is None
