from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SPEC = """campaign "demo" {
  seed 7
}

tier quick { seeds 1..3 }

tool writer {
  command "true" "--dir={workdir}" "--journal={journal}" "--wait={wait:ms}" "--home={env.HOME}"
  param journal: string   = "wal"
  param wait:    duration = 1s
}

group crash {
  wait = 2s

  instance {journal} {
    about "survives"
    sweep journal = ["wal", "off"]
    sweep cores   = [1, 2]
    exclude journal == "off" and cores == 2
    needs slot = 1
    tags db, slow
    run write: writer { sweep wait = [10ms, 20ms] }
    expect cores >= 1
  }
}

instance alone {
  run writer
}
"""
SPEC = SPEC.replace("seed 7\n", "seed 7\n  slots slot = 2\n")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "demo.camp"
    path.write_text(SPEC)
    return path


Call = Callable[..., Any]


def test_list_as_json_is_one_object_a_line(in_process: Call, spec: Path) -> None:
    done = in_process("plan", spec, "--list", "--format", "json")
    assert done.exit_code == 0, done.stderr
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [run["key"] for run in runs] == [
        "crash.wal[cores=1]#0",
        "crash.wal[cores=2]#0",
        "crash.off[cores=1]#0",
        "alone#0",
    ]
    assert list(runs[0]) == [
        "key",
        "id",
        "instance",
        "cell",
        "axes",
        "seed",
        "settings",
        "steps",
        "tags",
        "needs",
    ]
    first = runs[0]
    assert first["axes"] == {"journal": "wal", "cores": 1}
    assert first["tags"] == ["db", "slow"]
    assert first["needs"] == {"slot": 1}
    assert [step["label"] for step in first["steps"]] == ["write[1]", "write[2]"]
    assert first["steps"][0]["argv"] == ["true", "--dir={workdir}", "--journal=wal", "--wait=10", "--home={env.HOME}"]
    assert runs[3]["steps"][0]["argv"][3] == "--wait=1000"


def test_list_as_text(in_process: Call, spec: Path) -> None:
    done = in_process("plan", spec, "--list", "--tier", "quick", "--limit", "2")
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["crash.wal[cores=1]#1", "crash.wal[cores=1]#2"]


def test_count(in_process: Call, spec: Path) -> None:
    done = in_process("plan", spec, "--count", "--format", "json", "--tier", "quick")
    assert json.loads(done.stdout) == {"instances": 2, "cells": 4, "runs": 12, "excluded": 1}
    assert "excluded" in in_process("plan", spec, "--count").stdout


def test_the_matrix(in_process: Call, spec: Path) -> None:
    table = in_process("plan", spec).stdout
    assert "demo: 4 runs of 4 cells, seed 7" in table
    assert "journal(2) x cores(2)" in table
    found = json.loads(in_process("plan", spec, "--format", "json").stdout)
    assert found["counts"]["cells"] == 4
    assert found["instances"][0]["axes"][0] == {"names": ["journal"], "size": 2, "values": ["wal", "off"]}


def test_groups_and_instances(in_process: Call, spec: Path) -> None:
    groups = json.loads(in_process("groups", spec, "--format", "json").stdout)
    assert [(row["group"], row["cells"]) for row in groups] == [("crash", 3), ("alone", 1)]
    assert "crash" in in_process("groups", spec).stdout
    instances = json.loads(in_process("instances", spec, "--format", "json").stdout)
    assert [row["instance"] for row in instances] == ["crash.{journal}", "alone"]
    assert "survives" in in_process("instances", spec).stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--filter", "tga=x"], "CAMP210"),
        (["--group", "cras"], "CAMP211"),
        (["--tier", "nope"], "CAMP170"),
        (["--set", "wait"], "CAMP213"),
        (["--diff", "-x:a"], "CAMP215"),
        (["--diff", "no-such-rev:demo.camp"], "CAMP130"),
    ],
)
def test_what_is_wrong_with_the_command_line(in_process: Call, spec: Path, arguments: list[str], code: str) -> None:
    done = in_process("plan", spec, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert code in done.stderr


def test_a_sample_out_of_too_many_excluded_cells_is_refused_at_once(in_process: Call, tmp_path: Path) -> None:
    axes = "sweep a = 1..1_000_000; sweep b = 1..1_000_000; exclude a != b; combine sample 200"
    tool = 'tool t { command "true" "{a}" "{b}"; param a: int = 1; param b: int = 1 }'
    (tmp_path / "huge.camp").write_text(f'campaign "c" {{ }}\n{tool}\ninstance i {{ {axes}; run t }}\n')
    done = in_process("plan", "--count", tmp_path / "huge.camp")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "error[CAMP204]" in done.stderr


def test_a_file_without_a_campaign_cannot_be_planned(in_process: Call, tmp_path: Path) -> None:
    (tmp_path / "part.camp").write_text('tool t { command "true" }\n')
    done = in_process("plan", tmp_path / "part.camp")
    assert done.exit_code == 2
    assert "CAMP212" in done.stderr


# --- explain -----------------------------------------------------------------------------------------------------


def test_explain_says_where_every_value_comes_from(in_process: Call, spec: Path) -> None:
    done = in_process("explain", spec, "crash.wal[cores=2]#0", "--format", "json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    places = {row["name"]: (row["value"], (row["place"] or "").rpartition("demo.camp")[2]) for row in found["values"]}
    assert places["journal"] == ("wal", ":19:5")
    assert places["cores"] == ("2", ":20:5")
    assert places["write.journal"][0] == "wal"
    assert found["run"]["steps"][1]["argv"][3] == "--wait=20"
    text = in_process("explain", spec, "crash.wal[cores=2]").stdout
    assert "demo.camp:19:5" in text
    assert "--wait=20" in text


def test_explain_by_id(in_process: Call, spec: Path) -> None:
    run = json.loads(in_process("plan", spec, "--list", "--format", "json").stdout.splitlines()[1])
    assert run["key"] in in_process("explain", spec, run["id"]).stdout


@pytest.mark.parametrize(
    ("key", "options", "reason"),
    [
        ("crash.off[cores=2]#0", [], "demo.camp:21:5"),
        ("crash.wal[cores=1]#3", [], "with --tier quick"),
        ("crash.wal[cores=1]#0", ["--filter", "tag!=db"], "--filter tag!=db"),
        ("crash.wal[cores=1]#0", ["--group", "alone"], "--group alone"),
        ("alone#0", ["--limit", "1"], "--limit 1"),
    ],
)
def test_explain_says_why_a_run_is_not_there(
    in_process: Call, spec: Path, key: str, options: list[str], reason: str
) -> None:
    done = in_process("explain", spec, key, *options)
    assert done.exit_code == 0
    assert "is not in the plan" in done.stdout
    assert reason in done.stdout
    found = json.loads(in_process("explain", spec, key, *options, "--format", "json").stdout)
    assert found["in_plan"] is False


def test_explain_of_what_does_not_exist(in_process: Call, spec: Path) -> None:
    done = in_process("explain", spec, "crash.wall[cores=1]#0")
    assert done.exit_code == 2
    assert "did you mean crash.wal[cores=1]#0?" in done.stderr
    assert in_process("explain", spec).exit_code == 2


def test_explain_prints_the_page_of_a_code(in_process: Call) -> None:
    assert in_process("explain", "camp200").stdout.startswith("# CAMP200 · ")
    assert json.loads(in_process("explain", "CAMP200", "--format", "json").stdout)["code"] == "CAMP200"
    assert in_process("explain", "CAMP999").exit_code == 2


# --- diff --------------------------------------------------------------------------------------------------------


def changes(done: Any) -> dict[str, Any]:
    assert done.exit_code == 0, done.stderr
    return {change["cell"]: change for change in map(json.loads, done.stdout.splitlines())}


def test_diff_names_cells_and_values(in_process: Call, spec: Path, tmp_path: Path) -> None:
    before = tmp_path / "before.camp"
    before.write_text(SPEC.replace("cores   = [1, 2]", "cores   = [1, 4]").replace("seed 7", "seed 8"))
    found = changes(in_process("plan", spec, "--diff", before, "--format", "json"))
    assert {cell: change["change"] for cell, change in found.items()} == {
        "crash.wal[cores=2]": "added",
        "crash.wal[cores=4]": "removed",
        "crash.off[cores=4]": "removed",
    }
    before.write_text(SPEC.replace("param wait:    duration = 1s", "param wait:    duration = 3s"))
    (change,) = changes(in_process("plan", spec, "--diff", before, "--format", "json")).values()
    assert (change["cell"], change["values"]) == ("alone", [["writer.wait", "3s", "1s"]])
    before.write_text(SPEC.replace('"--journal', '"--j'))
    found = changes(in_process("plan", spec, "--diff", before, "--format", "json"))
    assert len(found) == 4
    assert found["alone"]["values"][0][0] == "step writer"
    assert in_process("plan", spec, "--diff", spec).stdout == ""


def test_diff_with_a_git_revision(campaign: Call, spec: Path, tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    git("add", "demo.camp")
    git("commit", "-qm", "first")
    spec.write_text(SPEC.replace("[1, 2]", "[1, 3]"))
    done = campaign("plan", "demo.camp", "--diff", "HEAD:demo.camp")
    assert done.returncode == 0, done.stderr
    assert "+ crash.wal[cores=3]" in done.stdout.splitlines()
    assert "- crash.wal[cores=2]" in done.stdout.splitlines()


def test_diff_with_a_recorded_campaign(campaign: Call, tmp_path: Path) -> None:
    spec = tmp_path / "kept.camp"
    text = 'campaign "kept" { }\ntool t {\n  command "true" "{x}"\n  param x: int = 1\n}\n'
    spec.write_text(text + "instance a {\n  sweep x = 1..2\n  run t\n}\n")
    assert campaign("exec", "kept.camp").returncode == 0
    spec.write_text(text + "instance a {\n  sweep x = 2..3\n  run t\n}\n")
    done = campaign("plan", "kept.camp", "--diff", "kept")
    assert done.stdout.splitlines() == ["- a[x=1]", "+ a[x=3]"], done.stderr
    assert campaign("plan", "kept.camp", "--diff", "other").returncode == 2


# --- size --------------------------------------------------------------------------------------------------------

BIG = """campaign "big" { }
tool t {
  command "true" "{a}" "{b}" "{c}"
  param a: int = 1
  param b: int = 1
  param c: int = 1
}
instance big {
  sweep a = 1..SIZE
  sweep b = 1..SIZE
  sweep c = 1..SIZE
  run t
}
"""
#: Runs a command and writes the peak of its memory, in KiB, to standard error.
PEAK = "import os,resource,sys; p=os.spawnv(os.P_WAIT, sys.executable, [sys.executable, '-m', 'campaign', *sys.argv[1:]]); sys.stderr.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)); sys.exit(p)"


def peak(folder: Path, *arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
    )
    return int(done.stderr)


def test_a_list_streams_at_constant_memory(tmp_path: Path) -> None:
    for name, size in (("small", "10"), ("large", "60")):
        (tmp_path / f"{name}.camp").write_text(BIG.replace("SIZE", size))
    small, large = (peak(tmp_path, "plan", f"{name}.camp", "--list") for name in ("small", "large"))
    assert large <= 1.3 * small


def test_a_matrix_of_a_million_million_cells_is_counted(in_process: Call, tmp_path: Path) -> None:
    (tmp_path / "huge.camp").write_text(BIG.replace("SIZE", "10_000"))
    done = in_process("plan", "huge.camp", "--count", "--format", "json")
    assert json.loads(done.stdout) == {"instances": 1, "cells": 10**12, "runs": 10**12, "excluded": 0}
    (tmp_path / "huge.camp").write_text(BIG.replace("SIZE", "10_000").replace("run t", "run t\n  combine sample 3"))
    assert len(in_process("plan", "huge.camp", "--list").stdout.splitlines()) == 3


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "big.camp").write_text(BIG.replace("SIZE", "60"))
    command = f"{sys.executable} -m campaign plan big.camp --list | head -n 2"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""
