"""``campaign exec`` from the outside: verdicts, statuses, options, files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

Campaign = Callable[..., "subprocess.CompletedProcess[str]"]
TOOL = """
tool t {
  command "/bin/sh" "-c" "{script}"
  param script: string = "true"
}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., Path]:
    def write(body: str, clauses: str = "parallel 2", name: str = "a.camp") -> Path:
        path = tmp_path / name
        path.write_text(f'campaign "demo" {{ {clauses} }}\n{TOOL}\n{body}\n')
        return path

    return write


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def folder(tmp_path: Path) -> Path:
    (found,) = (tmp_path / ".campaign" / "runs").iterdir()
    return found


def test_a_passing_campaign(campaign: Campaign, spec: Callable[..., Path], tmp_path: Path) -> None:
    like_a_file = "group plan { instance json { run t } }"  # its folder must not be where plan.json is
    done = campaign("exec", spec(f"instance i {{ seeds 1..2; run t }}\n{like_a_file}"))
    assert done.returncode == 0, done.stderr
    assert "3 runs" in done.stdout
    assert str(folder(tmp_path)) in done.stdout
    names = {"plan.json", "summary.json", "host.json", "events.ldjson"}
    assert names <= {path.name for path in folder(tmp_path).iterdir()}
    assert json.loads((folder(tmp_path) / "summary.json").read_text())["verdicts"]["pass"] == 3
    assert (tmp_path / ".campaign").stat().st_mode & 0o777 == 0o700


def test_a_failure_is_named_as_it_comes_and_at_the_end(campaign: Campaign, spec: Callable[..., Path]) -> None:
    done = campaign("exec", spec('instance i { script = "exit 3"; run t }'))
    assert done.returncode == 1
    assert "fail i#0 (attempt 1): exit 3 of step t" in done.stderr
    assert "exit 3 of step t" in done.stdout


def test_json_on_standard_output_and_nothing_else(campaign: Campaign, spec: Callable[..., Path]) -> None:
    done = campaign("exec", spec("instance i { run t }"), "--format", "json")
    assert summary(done)["exit_status"] == 0


def test_the_run_root_and_the_workspace_go_where_they_are_told(
    campaign: Campaign, spec: Callable[..., Path], tmp_path: Path
) -> None:
    path = spec("instance i { run t }")
    done = campaign("exec", path, "--workspace", tmp_path / "ws", "--run-root", tmp_path / "out", "--format", "json")
    name = summary(done)["campaign"]
    assert (tmp_path / "out" / name / "i" / "i" / "seed-0" / "run.json").exists()
    assert (tmp_path / "ws" / "ledger.sqlite").exists()
    assert not (tmp_path / ".campaign").exists()


def test_selection(campaign: Campaign, spec: Callable[..., Path]) -> None:
    path = spec("group g { instance a { seeds 1..5; run t }\n instance b { run t } }")
    assert summary(campaign("exec", path, "--group", "g.a", "--format", "json"))["total"] == 5
    assert summary(campaign("exec", path, "--limit", "3", "--format", "json"))["total"] == 3
    assert summary(campaign("exec", path, "--limit", "0", "--format", "json"))["total"] == 0
    assert campaign("exec", path, "--filter", "nonsense=1").returncode == 2
    done = campaign("exec", path, "--filter", "instance=g.c")
    assert (done.returncode, "instance is one of g.a, g.b" in done.stderr) == (2, True)


def test_a_retry_that_passes_is_flaky(campaign: Campaign, spec: Callable[..., Path], tmp_path: Path) -> None:
    script = "test $CAMPAIGN_ATTEMPT -ge 3"
    path = spec(f'instance i {{ script = "{script}"; retry {{ attempts = 3; backoff = 10ms..20ms }}; run t }}')
    done = campaign("exec", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert summary(done)["flaky"] == 1
    runs = folder(tmp_path) / "i" / "i" / "seed-0"
    verdicts = {n: json.loads((runs / f"attempt-{n}" / "run.json").read_text())["verdict"] for n in (1, 2, 3)}
    assert verdicts == {1: "fail", 2: "fail", 3: "pass"}
    assert json.loads((runs / "run.json").read_text())["attempt"] == 3


def test_retries_only_on_the_kinds_that_are_named(
    campaign: Campaign, spec: Callable[..., Path], tmp_path: Path
) -> None:
    path = spec('instance i { script = "exit 1"; retry { attempts = 3; on = [timeout] }; run t }')
    assert campaign("exec", path).returncode == 1
    assert len(list(folder(tmp_path).glob("i/i/seed-0/attempt-*"))) == 1


def test_stop_on_fail(campaign: Campaign, spec: Callable[..., Path]) -> None:
    body = 'instance i { seeds 1..200; script = "exit 1"; run t }'
    done = campaign("exec", spec(body, "parallel 1; stop-on fail"), "--format", "json")
    assert done.returncode == 1
    assert summary(done)["verdicts"]["fail"] == 1
    assert summary(done)["state"] == "finished"
    assert "199 runs were not carried out: stopped at the first failure" in summary(done)["next_steps"]


def test_named_slots_are_never_held_twice(campaign: Campaign, spec: Callable[..., Path], tmp_path: Path) -> None:
    script = f"mkdir {tmp_path}/gpu-$CAMPAIGN_SLOT_GPU && sleep 0.05 && rmdir {tmp_path}/gpu-$CAMPAIGN_SLOT_GPU"
    body = f'instance a {{ seeds 1..6; script = "{script}"; needs gpu = 1; run t }}\ninstance b {{ seeds 1..6; run t }}'
    done = campaign("exec", spec(body, "parallel 4; slots gpu = 2"), "--format", "json")
    assert summary(done)["verdicts"]["pass"] == 12, done.stderr
    runs = [json.loads(path.read_text()) for path in folder(tmp_path).glob("a/a/seed-*/run.json")]
    assert {tuple(run["resources"]["granted"]["gpu"]) for run in runs} == {(0,), (1,)}


def test_a_slot_rests_between_runs(campaign: Campaign, spec: Callable[..., Path], tmp_path: Path) -> None:
    done = campaign(
        "exec", spec("instance a { seeds 1..3; cooldown 400ms; needs bath = 1; run t }", "parallel 3; slots bath = 1")
    )
    assert done.returncode == 0, done.stderr
    runs = [json.loads(path.read_text()) for path in folder(tmp_path).glob("a/a/seed-*/run.json")]
    times = sorted(
        (datetime.fromisoformat(run["started_at"]), datetime.fromisoformat(run["finished_at"])) for run in runs
    )
    rests = [(after[0] - before[1]).total_seconds() for before, after in pairwise(times)]
    assert len(rests) == 2
    assert min(rests) >= 0.39


def test_a_preferred_slot_falls_back_and_says_why(
    campaign: Campaign, spec: Callable[..., Path], tmp_path: Path
) -> None:
    body = 'instance a { script = "test -z $CAMPAIGN_SLOT_GPU"; prefer gpu = 1; run t }'
    assert campaign("exec", spec(body), env={"CUDA_VISIBLE_DEVICES": ""}).returncode == 0
    run = json.loads((folder(tmp_path) / "a/a/seed-0/run.json").read_text())
    assert run["resources"] == {"requested": {"gpu": 1}, "granted": {}, "fallback_reason": "no_gpu_detected"}


@pytest.mark.parametrize(
    ("body", "env", "code", "status"),
    [
        ("instance i { needs gpu = 3; run t }", {}, "CAMP220", 3),
        ("instance i { needs gpu = 1; run t }", {"CAMPAIGN_SLOTS": "gpu=0"}, "CAMP220", 3),
        ("instance i { needs disk = 1; run t }", {"CAMPAIGN_SLOTS": "gpu=1"}, "CAMP220", 3),
        ("instance i { run t }", {"CAMPAIGN_SLOTS": "gpu"}, "CAMP510", 2),
        ('tool gone { command "/no/such/tool" }\ninstance i { run gone }', {}, "CAMP511", 3),
        ('tool gone { command "no-such-tool-anywhere" }\ninstance i { run gone }', {}, "CAMP511", 3),
        ("instance i { run nonsense }", {}, None, 2),
    ],
)
def test_what_cannot_run_is_refused_before_anything_runs(
    campaign: Campaign,
    spec: Callable[..., Path],
    tmp_path: Path,
    body: str,
    env: dict[str, str],
    code: str | None,
    status: int,
) -> None:
    done = campaign("exec", spec(body, "parallel 1; slots gpu = 2"), env=env)
    assert done.returncode == status, done.stderr
    assert f"error[{code or 'CAMP'}" in done.stderr
    assert not (tmp_path / ".campaign" / "ledger.sqlite").exists()


def test_a_variable_that_is_not_set_hides_no_absent_program(campaign: Campaign, tmp_path: Path) -> None:
    tools = 'tool t { command "/no/such/tool" "{env.NOT_SET_1}" }\ntool u { command "{env.NOT_SET_2}/bin" }\n'
    (tmp_path / "s.camp").write_text(f'campaign "x" {{ }}\n{tools}instance a {{ run t }}\ninstance b {{ run u }}\n')
    done = campaign("exec", tmp_path / "s.camp")
    assert done.returncode == 3
    assert re.findall(r"error\[(\w+)\]", done.stderr) == ["CAMP180", "CAMP180", "CAMP511"]
    assert "/no/such/tool does not exist" in done.stderr


LACKING = """
use nosuch
campaign "x" { }
tool away { command "bin/stress" "--n={n}"; param n: int = 1 }
tool gone { command "no-such-tool-anywhere" }
tool here { command "true" }
instance a { run away; oracle nosuch.check; expect oracle.ok }
instance b { run here; hold rails.sysfs { path = "/no/such/rail"; value = "1" }; fault nosuch.crash { at = 1s } }
instance c { run gone; run second: gone; oracle nosuch.other { required = false; n = 2 } }
"""


def test_what_else_is_missing_is_told_with_a_plugin_that_is(campaign: Campaign, tmp_path: Path) -> None:
    (tmp_path / "s.camp").write_text(LACKING)
    for verb in ("exec", "submit"):
        done = campaign(verb, tmp_path / "s.camp")
        assert done.returncode == 3
        assert re.findall(r"error\[(\w+)\]", done.stderr) == ["CAMP400", "CAMP511", "CAMP511"]
        assert "plugin nosuch is not installed" in done.stderr
        assert "the tool away cannot be started" in done.stderr
        assert "the tool gone cannot be started" in done.stderr
    (tmp_path / "s.camp").write_text(LACKING + "instance d { run nothing }")
    done = campaign("exec", tmp_path / "s.camp")
    assert (done.returncode, "CAMP511" in done.stderr) == (2, False)
    assert not (tmp_path / ".campaign" / "ledger.sqlite").exists()


def test_reports_of_the_spec_and_of_the_command_line(
    campaign: Campaign, spec: Callable[..., Path], tmp_path: Path
) -> None:
    body = 'instance i { run t }\nreport junit { file = "mine.xml" }'
    assert campaign("exec", spec(body), "--report", "csv").returncode == 0
    assert {"mine.xml", "runs.csv"} <= {path.name for path in folder(tmp_path).iterdir()}
    assert campaign("exec", spec(body), "--report", "nonsense").returncode == 2


def test_a_run_root_that_cannot_be_written(campaign: Campaign, spec: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = campaign("exec", spec("instance i { run t }"), "--run-root", tmp_path / "file" / "below")
    assert done.returncode == 3
    assert "error[CAMP512]" in done.stderr


def test_a_workspace_that_others_may_write_in_is_refused(
    campaign: Campaign, spec: Callable[..., Path], tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    done = campaign("exec", spec("instance i { run t }"), "--workspace", shared)
    assert done.returncode == 3
    assert "error[CAMP506]" in done.stderr


def test_a_ledger_that_has_vanished_is_not_replaced(
    campaign: Campaign, spec: Callable[..., Path], tmp_path: Path
) -> None:
    path = spec("instance i { run t }")
    assert campaign("exec", path).returncode == 0
    (tmp_path / ".campaign" / "ledger.sqlite").unlink()
    done = campaign("exec", path)
    assert done.returncode == 3
    assert "vanished" in done.stderr
    assert not (tmp_path / ".campaign" / "ledger.sqlite").exists()


def test_a_million_runs_start_at_once_and_can_be_interrupted(
    spec: Callable[..., Path], tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    path = spec(f'instance i {{ seeds 1..1_000_000; script = "echo >> {tmp_path}/log; sleep 0.1"; run t }}')
    process = subprocess.Popen(
        [sys.executable, "-m", "campaign", "exec", str(path), "--format", "json"],
        cwd=tmp_path,
        env={**clean_environ, "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "log").exists():
        assert process.poll() is None, process.communicate()
    process.send_signal(2)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["total"] == 1_000_000
    assert len(os.listdir(tmp_path / ".campaign" / "attempts")) < 100


def test_resume_takes_no_selection(campaign: Campaign, spec: Callable[..., Path]) -> None:
    assert campaign("exec", spec("instance i { run t }"), "--resume", "--seeds", "1").returncode == 2
    assert campaign("exec").returncode == 2


def test_nothing_is_imported_from_the_folder_that_the_user_stands_in(
    campaign: Campaign, spec: Callable[..., Path], tmp_path: Path
) -> None:
    here = tmp_path / "work"
    here.mkdir()
    for name in ("msgspec", "sqlite3"):
        (here / f"{name}.py").write_text("raise SystemExit('shadowed')")
    path = spec("instance i { run t }")
    script = Path(sys.executable).with_name("campaign")
    done = subprocess.run([script, "exec", str(path)], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_instances_stand_in_the_order_of_the_spec_and_tools_are_named(
    campaign: Campaign, spec: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("#!/bin/sh\ntouch executed-$#\n")
    (tmp_path / "mine").chmod(0o755)
    tools = 'tool own { command "./mine" "x" }\ntool named { command "{program}"; param program: string = "true" }\n'
    late = 'instance z { priority 1; script = "sleep 0.3"; run t }'
    path = spec(f"{tools}{late}\ninstance c {{ run own }}\ninstance a {{ priority 9; run named }}", "parallel 3")
    done = summary(campaign("exec", path, "--format", "json"))
    assert [each["instance"] for each in done["instances"]] == ["z", "c", "a"]
    environment = done["environment"]
    assert {"campaign", "python", "system", "tools"} <= environment.keys()
    paths = {each["tool"]: each["path"] for each in environment["tools"]}
    real = {name: os.path.realpath(shutil.which(name) or "") for name in ("sh", "true")}
    assert paths == {"t": real["sh"], "own": str(tmp_path / "mine"), "named": real["true"]}
    assert all(each["digest"] and each["size_bytes"] for each in environment["tools"])
    assert list(tmp_path.rglob("executed-*")) == list(tmp_path.glob(".campaign/runs/*/c/c/seed-0/attempt-1/work/*"))
    again = json.loads(campaign("show", "--format", "json").stdout)
    assert (again["environment"], again["instances"]) == (environment, done["instances"])


def test_a_recorded_run_names_its_host(campaign: Campaign, spec: Callable[..., Path], tmp_path: Path) -> None:
    campaign("exec", spec("instance i { run t }"))
    told = json.loads(campaign("show", "i#0", "--format", "json").stdout)
    assert told == json.loads((folder(tmp_path) / "i/i/seed-0/run.json").read_text())
    assert told["host"]["id"] == json.loads((folder(tmp_path) / "host.json").read_text())["id"]
    (folder(tmp_path) / "host.json").unlink()
    assert "id" not in json.loads(campaign("show", "i#0", "--format", "json").stdout)["host"]


def test_a_campaign_of_more_runs_than_anyone_waits_for_says_how_many(
    campaign: Campaign, spec: Callable[..., Path]
) -> None:
    path = spec('instance i { sweep a = 1..2000; sweep b = 1..1000; script = "echo {a} {b}"; run t }')
    done = campaign("submit", path)
    assert "2_000_000 runs" in done.stderr
    assert "runs:" not in campaign("submit", path, "--limit", "9").stderr
