"""The walk-through of docs/tutorial/iterate.md for real, on the two cells that matter: fail, cause, mend, retry, confirm."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

SPECS = Path(__file__).resolve().parents[2] / "specs"
TUTORIAL = SPECS.parent / "docs" / "tutorial" / "iterate.md"
#: Two of the six cells, of which two passes are enough.
FEW = ("--filter", "cell=process.by-log.weak.hang|process.by-log.weak.kill", "--margin", "40%", "--confidence", "60%")


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_the_weak_watchdog_is_mended_and_that_is_shown(campaign: Any, tmp_path: Path) -> None:
    for folder in ("rules", "specs"):
        shutil.copytree(SPECS.parent / folder, tmp_path / folder)
    text = TUTORIAL.read_text()
    begin = re.search(r"^\$ campaign (iterate specs/redis-chaos.*)$", text, re.MULTILINE)
    mend = re.search(r"^\$ sed -i 's/(.*)/(.*)/' (\S+)$", text, re.MULTILINE)
    assert begin is not None
    assert mend is not None

    paused = campaign(*begin[1].split(), *FEW)
    assert paused.returncode == 1, paused.stderr
    assert "The watchdog did not notice that the server hangs" in paused.stderr
    assert "(specs/redis-watchdog/weak.toml)" in paused.stderr
    analysis = json.loads(next(tmp_path.glob(".campaign/iterations/*/round-1/analysis.json")).read_text())
    assert "hang-unnoticed" in [each["rule"] for each in analysis["causes"]]

    policy = tmp_path / mend[3]
    text = policy.read_text().replace(mend[1], mend[2])
    policy.write_text(text.replace("patience_s    = 0.25", "patience_s    = 0.8"))  # a busy machine does not hang
    for _ in range(3):  # a machine that is too busy costs a round, as it would anybody
        ended = campaign("iterate", "--resume", "--format", "json")
        if ended.returncode == 0:
            break
    assert ended.returncode == 0, ended.stderr
    steps = json.loads(ended.stdout)["steps"]
    assert steps[0]["kind"] == "full"
    assert steps[0]["fails"] in {1, 2}  # a busy machine may fail a strong one, too
    assert ["process.by-log.weak.hang"] in [each["fixed"] for each in steps if each["kind"] == "retry"]
    full = next(each for each in reversed(steps) if each["kind"] == "full")
    assert (full["fails"], full["regressed_cells"]) == (0, 0)
    assert full["fixed_cells"] in {1, 2}
