"""``specs/recovery-stress.camp``, and schedules, from the command to the files that are left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SPEC = Path(__file__).resolve().parents[2] / "specs" / "recovery-stress.camp"
TOP = 2**64 - 1


def runs(folder: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """The attempts of a workspace by their keys: folder and record."""
    found = [(path.parent, json.loads(path.read_text())) for path in folder.glob("runs/*/*/*/*/attempt-1/run.json")]
    return {record["key"]: (path, record) for path, record in found}


def night(campaign: Any, folder: Path, *options: str, status: int = 0) -> dict[str, tuple[Path, dict[str, Any]]]:
    done = campaign("exec", SPEC, *options, "--workspace", folder)
    assert done.returncode == status, done.stdout + done.stderr
    return runs(folder)


def test_a_session_fails_by_its_slas_and_equal_seeds_give_equal_bytes(campaign: Any, tmp_path: Path) -> None:
    seeds = ("--tier", "session", "--seeds", f"8,9,{TOP}", "--set", "over=9h")
    first = night(campaign, tmp_path / "1", *seeds, status=1)
    again = night(campaign, tmp_path / "2", *seeds, status=1)
    assert set(first) == {"recovery#8", "recovery#9", f"recovery#{TOP}"}
    for key, (path, record) in first.items():
        for name in ("recovery.json", "recovery.md"):
            assert (path / name).read_bytes() == (again[key][0] / name).read_bytes()
            assert (path / name).samefile(path.parent / name)
        report = json.loads((path / "recovery.json").read_text())
        assert report["seed"] == record["seed"] == int(key.partition("#")[2])
        assert report["virtual_duration_secs"] == record["duration_s"] == 9 * 3600
        assert report["summary"]["total_faults"] == len(record["faults"]) == 15
        assert record["verdict"] == ("fail" if report["summary"]["failed_faults"] else "pass")
        assert (record["clock"], record["verified"], record["steps"]) == ("virtual", False, [])
        assert not (path / "replay.sh").exists()
    shown = campaign("show", "recovery#9", "--workspace", tmp_path / "1").stdout
    assert "virtual: nothing was started" in shown
    assert "60 s, not kept" in shown


def test_a_session_is_minimized_to_the_fault_that_fails_it(campaign: Any, tmp_path: Path) -> None:
    night(campaign, tmp_path, "--tier", "session", "--seeds", "12", status=1)
    done = campaign("minimize", "recovery#12", "--by", "ddmin", "--attempts", "30", "--workspace", tmp_path)
    assert "still fails" in done.stdout, done.stdout + done.stderr
    (repro,) = tmp_path.rglob("repro.camp")
    assert 'faults = ["merge_conflict[5]"]' in repro.read_text()
    ((_, before),) = runs(tmp_path).values()
    assert campaign("exec", repro, "--workspace", tmp_path / "again").returncode == 1
    ((_, after),) = runs(tmp_path / "again").values()
    assert after["faults"] == [each for each in before["faults"] if each["index"] == 5]
    assert after["reason"] == "fault merge_conflict[5] recovered too late: its sla is 90 s"


SCHEDULED = """
campaign "real" { }
tool nap { command "sleep" "2" }
instance nap {
  run nap
  schedule even { over = 1500ms; times = 2 }
  fault hang: process.stop { for = 100ms }
  expect faults.recovered or true
}
"""


def test_a_schedule_on_the_real_clock(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "x.camp").write_text(SCHEDULED)
    done = campaign("exec", "x.camp", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    ((_, record),) = runs(tmp_path / ".campaign").values()
    planned = [(each["index"], each["planned_at_s"] - record["faults"][0]["planned_at_s"]) for each in record["faults"]]
    assert planned == [(1, 0.0), (2, pytest.approx(0.5, abs=0.001))]
    assert all(each["injected_at_s"] >= each["planned_at_s"] for each in record["faults"])


SIMULATED = """
campaign "both" { }
tool wrong { command "/no/such/program" }
tier ci { clock virtual }
instance nap {
  text = "never"
  run wrong
  schedule even { over = 1500ms; times = 2 }
  fault hang: process.stop { for = 100ms }
  needs gpu = 1_000
  in ci { fault hang: synthetic.recovery { sla = 10m } }
  watch seen: text.contains
  oracle text.contains
  expect output contains "never"
  expect fault.hang.recovery_time < 10m and fault.hang[2].detected and faults.within_sla
}
"""


def test_what_the_virtual_clock_leaves_alone(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "x.camp").write_text(SIMULATED)
    done = campaign("exec", "x.camp", "--tier", "ci", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    ((_, record),) = runs(tmp_path / ".campaign").values()
    assert record["verdict"] == "pass"
    assert record["oracles"][0]["skipped"] == "nothing was started, the clock is virtual"
    assert "no recorded verdict changed" in campaign("recheck", record["campaign"], cwd=tmp_path).stdout
    assert campaign("replay", record["key"], cwd=tmp_path).returncode == 0
