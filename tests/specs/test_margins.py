"""``specs/margins.camp``: the boundary between pass and fail is the simulated board's own, and the rails are put back."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SPECS = Path(__file__).resolve().parents[2] / "specs"
RAILS = {"vcore": "1000\n", "clock": "2000\n"}


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A copy, with rails of its own."""
    shutil.copytree(SPECS / "rails", tmp_path / "specs/rails")
    shutil.copytree(SPECS / "tools", tmp_path / "specs/tools")
    shutil.copy(SPECS / "margins.camp", tmp_path / "specs")
    return tmp_path / "specs"


def board() -> ModuleType:
    spec = importlib.util.spec_from_file_location("board", SPECS / "rails/board.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def margins(specs: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "campaign", "exec", str(specs / "margins.camp"), *arguments]
    return subprocess.run(
        [*command, "--workspace", str(specs.parent / ".campaign")],
        cwd=specs.parent,
        env={**os.environ, "XDG_RUNTIME_DIR": str(specs.parent), **environ},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def runs(specs: Path) -> list[dict[str, Any]]:
    found = (specs.parent / ".campaign/runs").glob("*/*/*/seed-*/run.json")
    return [json.loads(path.read_bytes()) for path in found]


def in_place(specs: Path) -> bool:
    return {name: (specs / "rails" / name).read_text() for name in RAILS} == RAILS


def test_the_boundary_is_the_models(specs: Path) -> None:
    done = margins(specs, "--tier", "simulated")
    assert done.returncode == 1, done.stderr
    found, works = runs(specs), board().works
    assert len(found) == 15
    for run in found:
        voltage, frequency = (int(run["axes"]["voltage"][:-2]), int(run["axes"]["frequency"][:-3]) * 1000)
        assert run["verdict"] == ("pass" if works(voltage, frequency, run["seed"]) else "fail"), run["key"]
        assert [hold["error"] for hold in run["holds"]] == [None, None]
    assert {run["verdict"] for run in found} == {"pass", "fail"}
    assert in_place(specs)


def test_noise_makes_the_boundary_soft_and_the_seed_makes_it_firm() -> None:
    module = board()
    for frequency, boundary in ((1000, 600), (2000, 750), (3000, 900)):
        least = [module.least_mv(frequency, seed) for seed in range(200)]
        assert all(abs(each - boundary) <= module.NOISE_MV for each in least)
        assert max(least) - min(least) > module.NOISE_MV
        assert least == [module.least_mv(frequency, seed) for seed in range(200)]
        near = {module.works(boundary, frequency, seed) for seed in range(200)}
        assert near == {True, False}


def test_without_its_tools_nothing_runs_and_the_spec_says_why(specs: Path, tmp_path: Path) -> None:
    done = margins(specs, PATH=str(tmp_path))
    assert done.returncode == 3, done.stderr
    assert "stress-ng was not found in PATH" in done.stderr
    assert "memtester was not found in PATH" in done.stderr
    assert runs(specs) == []


@pytest.mark.skipif(not (shutil.which("stress-ng") and shutil.which("memtester")), reason="no stress-ng or memtester")
def test_the_load_is_carried_out_under_the_holds(specs: Path) -> None:
    done = margins(specs, "--filter", "tool=memtester", "--limit", "4")
    assert done.returncode == 1, done.stderr
    assert [each["tool"] for each in runs(specs)[0]["steps"]] == ["memtester", "board"]
    assert sorted(run["verdict"] for run in runs(specs)) == ["fail", "fail", "pass", "pass"]
    assert in_place(specs)
