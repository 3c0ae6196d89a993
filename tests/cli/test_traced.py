"""``trace on`` and what becomes of the traces: in the record, in an archive, and replayed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

SQLITE = """
use sqlite
campaign "crash" { seed 42; parallel 3; trace on }
instance off {
  seeds 1..3
  journal = "off"; sync = "off"; rows = 1_000; threads = 1; duration = 60s
  run sqlite.writer
  fault process.kill { at = 2s }
  oracle sqlite.integrity
  expect oracle.ok
}
"""
DECLARED = """
campaign "own" { trace on }
tool t {
  command "/bin/sh" "-c" "printf abc > $0; echo first; exit {code}"
  param code: int = 3
  trace "ops" enable "{trace}"
  replay "/bin/sh" "-c" "echo again; cat $0; exit {code}" "{trace}"
}
instance a { run t; expect exit.ok }
"""


def view(tmp_path: Path, *below: str) -> Any:
    root = next((tmp_path / ".campaign" / "runs").iterdir())
    (path,) = root.glob("/".join(("*", "*", "seed-*", *below, "run.json")))
    return json.loads(path.read_text())


def test_a_crash_is_replayed_from_its_trace_with_the_same_failure(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "crash.camp").write_text(SQLITE)
    assert campaign("exec", "crash.camp").returncode == 1
    runs = [json.loads(line) for line in campaign("show", "--runs", "--format", "json").stdout.splitlines()]
    key = next(each["key"] for each in runs if each["verdict"] == "fail")
    again = campaign("replay", key, "--times", "2", "--format", "json")
    assert again.returncode == 1, again.stderr
    told = json.loads(again.stdout)
    assert [(each["from_trace"], each["outcome"]) for each in told["runs"]] == [(True, "same")] * 2
    first, second = told["runs"]
    assert first["message"] == second["message"], "a replay is the same every time"
    attempt = Path(first["directory"]).parent
    copied = Path(first["directory"], "trace", "ops.bin").read_bytes()
    assert copied == (attempt / "trace" / "ops.bin").read_bytes()
    replayed = json.loads(Path(first["directory"], "run.json").read_text())
    assert replayed["steps"][0]["argv"][-1] == f"--replay={first['directory']}/trace/ops.bin"
    assert replayed["faults"][0]["notes"] == "the trace ends here"


def test_a_declared_tools_trace_is_recorded_kept_in_an_archive_and_replayed(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "own.camp").write_text(DECLARED)
    assert campaign("exec", "own.camp").returncode == 1
    record = view(tmp_path)
    assert {name: record["trace"][name] for name in ("path", "bytes", "truncated")} == {
        "path": "trace/ops",
        "bytes": 3,
        "truncated": False,
    }
    assert record["steps"][0]["trace"] == record["trace"]
    assert "trace/ops" in campaign("show", "own/a#0").stdout
    again = json.loads(campaign("replay", "a#0", "--format", "json").stdout)
    assert [(each["from_trace"], each["outcome"]) for each in again["runs"]] == [(True, "same")]
    assert Path(again["runs"][0]["directory"], "output.log").read_text() == "again\nabc"
    script = Path(again["runs"][0]["directory"]).parent / "replay.sh"
    alone = subprocess.run(["/bin/sh", script, tmp_path / "alone"], capture_output=True, text=True, check=False)
    assert (alone.returncode, alone.stdout) == (1, "again\nabc"), alone.stderr
    assert campaign("export", record["campaign"], "--output", "own.tar").returncode == 0
    shutil.rmtree(tmp_path / ".campaign")
    taken = campaign("import", "own.tar")
    assert taken.returncode == 0, taken.stderr
    assert view(tmp_path)["trace"]["path"] == "trace/ops"
    root = next((tmp_path / ".campaign" / "runs").iterdir())
    assert (root / "a" / "a" / "seed-0" / "attempt-1" / "trace" / "ops").read_text() == "abc"


def test_a_run_whose_trace_is_no_file_any_more_is_executed_again(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "own.camp").write_text(DECLARED)
    campaign("exec", "own.camp")
    (trace,) = (tmp_path / ".campaign" / "runs").glob("*/a/a/seed-0/attempt-1/trace/ops")
    trace.unlink()
    trace.symlink_to("/dev/zero")
    again = campaign("replay", "a#0", "--format", "json")
    assert json.loads(again.stdout)["runs"][0]["from_trace"] is False
    assert "t is executed again, not replayed from its trace" in again.stderr


def test_what_is_beyond_the_cap_is_cut_and_not_replayed(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "own.camp").write_text(DECLARED)
    assert campaign("exec", "own.camp", env={"CAMPAIGN_TRACE_SIZE": "2B"}).returncode == 1
    assert view(tmp_path)["trace"] == {"path": "trace/ops", "bytes": 2, "truncated": True, "replay": []}
    again = campaign("replay", "a#0", "--format", "json")
    assert json.loads(again.stdout)["runs"][0]["from_trace"] is False
    assert "its end is missing" in again.stderr
    assert campaign("exec", "own.camp", env={"CAMPAIGN_TRACE_SIZE": "much"}).returncode == 2
