"""``specs/proxy.camp``: the faults of the proxy, on their way through a daemon's supervisors to a real client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SPEC = Path(__file__).resolve().parents[2] / "specs/proxy.camp"


def test_a_client_is_cut_off_and_goes_on(campaign: Any, tmp_path: Path) -> None:
    done = campaign("exec", SPEC, "--filter", "lost=partition", "--workspace", tmp_path / "w")
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "w/runs").glob("*/*/*/seed-*/run.json")
    run = json.loads(path.read_bytes())
    assert int(run["steps"][0]["metrics"]["retries"]) >= 1
    (fault,) = run["faults"]
    assert fault["notes"] == "hit 1 of 1 connections"
