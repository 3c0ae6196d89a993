import json
from pathlib import Path

import pytest

GOOD = """campaign "c" { }
tool t { command "/bin/true" }
instance i { run t }
"""
BAD = """campaign "c" { }
tool t { command "/bin/true"; param n: int = "x" }
instance i { run nothing }
"""


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    (tmp_path / "good.camp").write_text(GOOD)
    (tmp_path / "bad.camp").write_text(BAD)
    return tmp_path


def test_a_good_spec_is_0(specs: Path, in_process) -> None:
    done = in_process("check", "good.camp")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "1 file checked, all well\n")


def test_every_mistake_of_every_file_is_told(specs: Path, in_process) -> None:
    done = in_process("check", "bad.camp", "good.camp", "bad.camp")
    assert done.exit_code == 2
    assert done.stdout.count("bad.camp:2:") == 1
    assert done.stdout.count("bad.camp:3:") == 1
    assert done.stderr.strip().endswith("2 errors in 2 files")


def test_a_missing_file_does_not_hide_the_others(specs: Path, in_process) -> None:
    done = in_process("check", "missing.camp", "bad.camp", ".")
    assert done.exit_code == 2
    assert "missing.camp" in done.stdout
    assert "bad.camp:3:" in done.stdout


def test_json_is_one_object(specs: Path, in_process) -> None:
    done = in_process("check", "--format", "json", "bad.camp")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["schema"], found["files"]) == (2, "campaign.diagnostics/1", 1)
    assert {diagnostic["line"] for diagnostic in found["diagnostics"]} == {2, 3}


@pytest.mark.parametrize(("spec", "count"), [("good.camp", 0), ("bad.camp", 2)])
def test_sarif_and_github_give_one_entry_for_each(specs: Path, in_process, spec: str, count: int) -> None:
    log = json.loads(in_process("check", "--format", "sarif", spec).stdout)
    assert len(log["runs"][0]["results"]) == count
    assert in_process("check", "--format", "github", spec).stdout.count("::error file=bad.camp,") == count


def test_standard_input(specs: Path, in_process) -> None:
    assert in_process("check", "-", input=GOOD).exit_code == 0
    done = in_process("check", "-", input=BAD)
    assert done.exit_code == 2
    assert "<stdin>:3:" in done.stdout
    assert "instance i { run nothing }" in done.stdout


def test_an_included_file_s_mistake_is_told_once(specs: Path, in_process) -> None:
    (specs / "part.camp").write_text("instance p { run nothing }\n")
    for name in ("a", "b"):
        (specs / f"{name}.camp").write_text(f'include "part.camp"\ncampaign "{name}" {{ }}\n')
    done = in_process("check", "a.camp", "b.camp")
    assert done.stdout.count("part.camp:1:") == 1


def test_a_fragment_without_a_campaign_may_be_checked_alone(specs: Path, in_process) -> None:
    (specs / "part.camp").write_text('tool t { command "/bin/true" }\ngroup g { instance i { run t } }\n')
    assert in_process("check", "part.camp").exit_code == 0


def test_a_number_with_an_exponent_is_told_that_there_are_none(specs: Path, in_process) -> None:
    (specs / "bad.camp").write_text(GOOD.replace("run t", "run t; timeout 1e3s"))
    done = in_process("check", "bad.camp")
    assert "error[CAMP007]" in done.stdout
    assert "a number has no exponent" in done.stdout
