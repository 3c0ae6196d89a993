"""The diagnostics of ``specs/tools``, really run where they are installed, and the traps that their manifests tell of."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SPECS = Path(__file__).resolve().parents[2] / "specs"
TOOLS = ("stress-ng", "memtester", "fio", "sysbench")


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [each for each in programs if shutil.which(each) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def result(folder: Path, key: str) -> dict[str, Any]:
    found = [json.loads(path.read_text()) for path in folder.glob("runs/*/**/attempt-1/run.json")]
    (run,) = [each for each in found if each["key"] == key]
    return dict(run)


@needs(*TOOLS)
def test_everything_runs_and_measures(campaign: Any, tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    done = campaign("exec", SPECS / "diagnostics.camp", "--tier", "quick", "--workspace", workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    measured = {
        "cpu.fft#0": {"ops", "rate"},
        "cpu.speed#0": {"rate"},
        "memory.patterns#0": {"tested"},
        "memory.walk-1d#0": {"ops", "rate"},
        "disk.verify#0": {"write_iops", "read_iops"},
    }
    for key, names in measured.items():
        metrics = result(workspace, key)["steps"][0]["metrics"]
        assert {name for name, value in metrics.items() if float(value) > 0} == names, key


def exec_spec(campaign: Any, folder: Path, text: str, *options: str, **more: Any) -> Any:
    (folder / "t.camp").write_text(text.replace("TOOLS", str(SPECS / "tools")))
    return campaign("exec", "t.camp", *options, **more)


@needs("fio")
def test_a_flipped_bit_fails_the_verification(campaign: Any, tmp_path: Path) -> None:
    text = """
        include "TOOLS/fio.camp"
        campaign "c" { size = 1MiB }
        tool flip { command "dd" "if=/dev/urandom" "of={file}" "bs=100" "count=1" "seek=5000" "conv=notrunc"; param file: string = "data" }
        instance intact { run fio-write; run fio-verify }
        instance flipped { run fio-write; run flip { file = "data" }; run fio-verify }
    """
    done = exec_spec(campaign, tmp_path, text)
    assert done.returncode == 1, done.stdout + done.stderr
    assert result(tmp_path / ".campaign", "intact#0")["verdict"] == "pass"
    flipped = result(tmp_path / ".campaign", "flipped#0")
    assert flipped["verdict"] == "fail"
    assert flipped["steps"][-1]["exit"]["code"] == 1


@needs("memtester", "setpriv", "prlimit")
@pytest.mark.skipif(os.geteuid() != 0, reason="not root: an ordinary user's limits cannot be changed back and forth")
def test_memory_that_may_not_be_locked_is_told_by_what_was_tested(campaign: Any, tmp_path: Path) -> None:
    text = """
        include "TOOLS/memtester.camp"
        campaign "c" { size = 1MiB }
        tool unlocked { command "setpriv" "--reuid=65534" "--clear-groups" "prlimit" "--memlock=65536:65536" "memtester" "1024K" "1"
                        metric tested: int = /got +\\d+MB \\((\\d+) bytes\\)/ }
        instance locked { run memtester; expect metrics.tested == size / 1B }
        instance unlocked { run unlocked; expect exit.ok; expect metrics.tested == 1_048_576 }
    """
    done = exec_spec(campaign, tmp_path, text)
    assert done.returncode == 1, done.stdout + done.stderr
    assert result(tmp_path / ".campaign", "locked#0")["verdict"] == "pass"
    unlocked = result(tmp_path / ".campaign", "unlocked#0")
    assert unlocked["steps"][0]["exit"]["code"] == 0
    assert unlocked["verdict"] == "fail"
    assert int(unlocked["steps"][0]["metrics"]["tested"]) <= 65536


@needs("stress-ng")
def test_a_load_that_is_stopped_early_is_told_by_its_time(campaign: Any, tmp_path: Path) -> None:
    text = """
        include "TOOLS/stress-ng.camp"
        campaign "c" { duration = 60s }
        instance stopped {
          run stress-cpu { method = "int64" }
          fault process.signal { at = 500ms; signal = "SIGTERM" }
          expect exit.code == 0 or exit.signal == 15
          expect elapsed >= duration : "it ran as long as it should"
        }
    """
    done = exec_spec(campaign, tmp_path, text)
    assert done.returncode == 1, done.stdout + done.stderr
    stopped = result(tmp_path / ".campaign", "stopped#0")
    assert "it ran as long as it should" in stopped["reason"]


@pytest.mark.parametrize("program", TOOLS)
def test_a_machine_without_it_is_told_before_anything_runs(campaign: Any, tmp_path: Path, program: str) -> None:
    (tmp_path / "bin").mkdir()
    tool = {"stress-ng": "stress-cpu", "memtester": "memtester", "fio": "fio-write", "sysbench": "sysbench-cpu"}[
        program
    ]
    text = f'include "TOOLS/{program}.camp"\ncampaign "c" {{ }}\ninstance a {{ run {tool} }}\n'
    done = exec_spec(campaign, tmp_path, text, env={"PATH": str(tmp_path / "bin")})
    assert done.returncode == 3, done.stdout + done.stderr
    assert program in done.stderr
    assert not list(tmp_path.glob(".campaign/runs/*"))


@needs("stress-ng")
@pytest.mark.parametrize(("kind", "tool"), [("cpu", "stress-cpu"), ("matrix", "stress-matrix"), ("vm", "stress-vm")])
def test_the_methods_are_those_of_the_program(campaign: Any, tmp_path: Path, kind: str, tool: str) -> None:
    said = subprocess.run(["stress-ng", f"--{kind}-method", "none"], capture_output=True, text=True, check=False)
    known = (said.stderr + said.stdout).partition("must be one of:")[2].split()
    text = (SPECS / "tools" / "stress-ng.camp").read_text().partition(f"tool {tool} ")[2].partition("param workers")[0]
    listed = list(text.partition('= "all" in [')[2].partition("]")[0].replace('"', " ").replace(",", " ").split())
    assert listed
    assert set(listed) <= set(known), sorted(set(listed) - set(known))
