"""``specs/trials.camp``: a trial is won where its fault is resolved in time and the final state is healthy, else lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

SPECS = Path(__file__).resolve().parents[2] / "specs"
CELLS = "|".join(f"keep.{cell}" for cell in ("careful.lost", "hasty.lost", "idle.lost", "idle.none"))


def test_only_who_resolves_the_fault_and_leaves_a_healthy_state_wins(campaign: Any, tmp_path: Path) -> None:
    shutil.copytree(SPECS / "trials", tmp_path / "trials")
    text = (SPECS / "trials.camp").read_text()
    patient = text.replace("soon  = 1s", "soon  = 30s").replace("int = 40 in", "int = 25 in")  # machines may be busy
    (tmp_path / "trials.camp").write_text(patient)
    done = campaign("exec", "trials.camp", "--seeds", "1", "--filter", f"cell={CELLS}")
    assert done.returncode == 1, done.stderr
    runs = {}
    for path in tmp_path.glob(".campaign/runs/*/*/*/seed-1/run.json"):
        run = json.loads(path.read_bytes())
        seen = [(each["detected_at_s"] is not None, each["within_sla"]) for each in run["faults"]]
        runs[run["cell"]] = (run["verdict"], (run["failure"] or {}).get("kind"), seen)
    assert runs == {
        "keep.careful.lost": ("pass", None, [(True, True)]),
        "keep.hasty.lost": ("fail", "oracle", [(True, True)]),
        "keep.idle.lost": ("fail", "sla", [(True, False)]),
        "keep.idle.none": ("pass", None, []),
    }
