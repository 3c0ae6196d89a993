"""Guards of a rule set, from the file to the exit status: a breach stops the run and puts its rail back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for

pytestmark = pytest.mark.gauntlet

SPEC = """rules "board.yaml"
campaign "guarded" { parallel 1 }
tool nap { command "/bin/sleep" "100" }
instance a {
  hold rails.sysfs { path = "vcore"; value = "850" }
  run nap
}
"""


class Board:
    """A spec, a rule set, a rail and a sensor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rail, self.sensor = folder / "vcore", folder / "temp1_input"
        self.rail.write_text("1000\n")
        self.sensor.write_text("45000\n")
        (folder / "spec.camp").write_text(SPEC)

    def rules(self, guard: str) -> None:
        (self.folder / "board.yaml").write_text(f"name: board\nguard:\n  - {guard}\n")

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "campaign", "exec", "spec.camp"],
            cwd=self.folder,
            env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder), "HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> dict[str, Any]:
        (path,) = (self.folder / ".campaign/runs").glob("*/a/*/seed-0/run.json")
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def test_a_breach_ends_with_status_4_and_the_rail_as_it_was(board: Board) -> None:
    board.rules(f"{{oracle: host.temperature, max: 95C, every: 2s, path: {board.sensor.name}}}")
    running = board.start()
    wait_for(lambda: board.rail.read_text() == "850\n" or running.poll() is not None)
    board.sensor.write_text("99500\n")
    _, said = running.communicate(timeout=120)
    assert running.returncode == 4, said
    assert board.rail.read_text() == "1000\n"
    run = board.run()
    assert (run["verdict"], run["failure"]["kind"]) == ("fail", "guard")
    assert "is at 99.5C, above 95C" in run["reason"]
    assert run["guards"][0]["breached_at_s"] > 0


@pytest.mark.parametrize(
    ("guard", "status", "code", "why"),
    [
        ("{oracle: host.temprature, max: 95C, every: 1s}", 2, "CAMP140", "no oracle is called host.temprature"),
        ("{oracle: host.temperature, max: 95V, every: 1s}", 2, "CAMP112", "host.temperature"),
        ("{oracle: host.temperature, every: 1s}", 2, "CAMP112", "max"),
        ("{oracle: host.temperature, max: 95C, every: 1s, path: /no/such/sensor}", 3, "CAMP408", "/no/such/sensor"),
    ],
)
def test_a_guard_that_cannot_watch_is_said_before_anything_runs(
    board: Board, guard: str, status: int, code: str, why: str
) -> None:
    board.rules(guard)
    running = board.start()
    _, said = running.communicate(timeout=120)
    assert running.returncode == status, said
    assert f"error[{code}]" in said
    assert why in said
    assert board.rail.read_text() == "1000\n"
    assert not (board.folder / ".campaign/runs").exists()
