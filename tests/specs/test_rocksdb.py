"""``specs/rocksdb.camp`` on real RocksDB: what is promised holds, what is not promised is lost, each damage is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

SPEC = Path(__file__).resolve().parents[2] / "specs" / "rocksdb.camp"
needs_tools = pytest.mark.skipif(
    not (shutil.which("ldb") and shutil.which("sst_dump")), reason="not installed: rocksdb-tools (ldb, sst_dump)"
)


def executed(campaign: Any, folder: Path, *options: str, **more: Any) -> tuple[Any, dict[str, dict[str, Any]]]:
    """Run it to its end, four at a time: how it ended, and the record of every run by its key."""
    ended = campaign("exec", SPEC, "--parallel", "4", "--workspace", folder / "w", *options, timeout=280, **more)
    assert "Traceback" not in ended.stderr
    found = [json.loads(path.read_bytes()) for path in (folder / "w").glob("runs/*/*/*/seed-*/run.json")]
    return ended, {run["key"]: run for run in found}


@needs_tools
def test_what_rocksdb_promises_holds_and_the_oracle_is_awake(campaign: Any, tmp_path: Path) -> None:
    ended, runs = executed(campaign, tmp_path, "--tier", "quick")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert {run["verdict"] for run in runs.values()} == {"pass"}
    assert {run["instance"].partition(".")[0] for run in runs.values()} == {"stress", "crash", "status", "damage"}
    lost = {each["label"]: each["ok"] for each in runs["status.durability.no-log#0"]["oracles"]}
    assert lost == {"rocksdb.consistency": True, "everything": False}
    steps = {step["label"]: step["exit"] for step in runs["status.composite.last#0"]["steps"]}
    assert (steps["write"]["signal"], steps["everything"]["code"], steps["verify"]["code"]) == (9, 1, 0)


@needs_tools
def test_who_expects_more_than_is_promised_fails_and_each_time_of_the_same(campaign: Any, tmp_path: Path) -> None:
    ended, runs = executed(campaign, tmp_path, "--tier", "careless", "--seeds", "1,2")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert [run["verdict"] for run in runs.values()] == ["fail"] * 2
    assert len({run["failure"]["fingerprint"] for run in runs.values()}) == 1
    for run in runs.values():
        assert " is lost: it holds " in run["failure"]["message"]
        assert run["trace"]["bytes"] > 0


def test_without_rocksdbs_tools_nothing_runs_and_it_says_how_to_get_them(campaign: Any, tmp_path: Path) -> None:
    ended, runs = executed(campaign, tmp_path, "--tier", "quick", env={"ROCKSDB_PATH": str(tmp_path)})
    assert ended.returncode == 3, ended.stderr
    assert f"ldb was not found in ROCKSDB_PATH={tmp_path}" in ended.stderr
    assert "apt-get install rocksdb-tools" in ended.stderr
    assert runs == {}


def test_what_is_tagged_db_must_have_the_oracle(campaign: Any, tmp_path: Path) -> None:
    spec = tmp_path / "t.camp"
    spec.write_text(
        f'use rocksdb\nrules "{SPEC.parent.parent}/rules/storage.yaml"\ncampaign "c" {{ }}\n'
        "instance i { tags db; run rocksdb.stress }\n"
    )
    ended = campaign("check", spec)
    assert ended.returncode != 0
    assert "is tagged db and lacks the oracle rocksdb.consistency" in ended.stdout + ended.stderr


def test_doctor_says_what_the_oracle_lacks(campaign: Any, tmp_path: Path) -> None:
    ended = campaign("doctor", "--format", "json", env={"ROCKSDB_PATH": str(tmp_path)})
    (finding,) = [each for each in json.loads(ended.stdout) if each["what"] == "plugin rocksdb"]
    assert finding["state"] == "note"
    assert "apt-get install rocksdb-tools" in finding["found"]
