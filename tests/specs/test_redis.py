"""``specs/redis-chaos.camp`` on real Redis: a good watchdog brings it back in time, a weak one does not, and it shows where."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SPECS = Path(__file__).resolve().parents[2] / "specs"
needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="not installed: redis-server, redis-tools")


@pytest.fixture
def executed(campaign, tmp_path) -> Callable[..., tuple[Any, dict[str, dict[str, Any]]]]:
    """Run the spec in ``specs`` to its end: how it ended, and the record of every run by its key."""

    def execute(*options: str, specs: Path = SPECS, **more: Any) -> tuple[Any, dict[str, dict[str, Any]]]:
        ended = campaign(
            "exec", specs / "redis-chaos.camp", "--workspace", tmp_path / "w", *options, timeout=280, **more
        )
        assert "Traceback" not in ended.stderr
        found = [json.loads(path.read_bytes()) for path in (tmp_path / "w").glob("runs/*/*/*/seed-*/run.json")]
        return ended, {run["key"]: run for run in found}

    return execute


def _metrics(run: dict[str, Any]) -> dict[str, Any]:
    return {name: value for step in run["steps"] for name, value in step.get("metrics", {}).items()}


@needs_redis
def test_the_weak_watchdog_fails_where_it_is_weak_and_only_there(executed, campaign, tmp_path) -> None:
    ended, runs = executed("--tier", "quick")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert {key: run["verdict"] for key, run in runs.items()} == {
        "process.by-log.strong.kill#1": "pass",
        "process.by-log.strong.hang#1": "pass",
        "process.by-log.strong.none#1": "pass",
        "process.by-log.weak.kill#1": "pass",
        "process.by-log.weak.hang#1": "fail",
        "process.by-log.weak.none#1": "pass",
    }
    failed = runs["process.by-log.weak.hang#1"]
    assert failed["failure"]["kind"] == "sla"
    assert failed["reason"] == "fault hang never recovered: its sla is 2 s"
    assert _metrics(failed)["commands"] == 0
    assert "hang-unnoticed" in campaign("analyze", "--workspace", tmp_path / "w").stdout
    for key, run in runs.items():
        assert all(oracle["ok"] for oracle in run["oracles"]), key
        assert (_metrics(run)["commands"] > 0) == ("none" not in key and run is not failed)
        for fault in run.get("faults", ()):
            assert fault["injected_at_s"] <= fault["detected_at_s"]
            assert fault["within_sla"] == (run is not failed)


def test_without_redis_nothing_runs_and_it_says_how_to_get_it(executed, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    ended, runs = executed("--tier", "quick", env={"PATH": str(tmp_path / "empty")})
    assert ended.returncode == 3, ended.stderr
    assert "redis-server was not found: apt-get install redis-server" in ended.stderr
    assert runs == {}
