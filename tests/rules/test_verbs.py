"""``campaign rules`` and ``campaign quarantine`` from the outside."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Campaign = Callable[..., "subprocess.CompletedProcess[str]"]
SETS = ("base", "redis", "storage", "epyc-9004", "xeon-6")


def test_the_sets_that_come_along_keep_their_word(campaign: Campaign, root: Path) -> None:
    files = [root / "rules" / f"{name}.yaml" for name in SETS]
    assert sorted(path.stem for path in (root / "rules").glob("*.yaml")) == sorted(SETS)
    done = campaign("rules", "test", *files, "--format", "json")
    assert done.returncode == 0, done.stderr
    for row in json.loads(done.stdout):
        assert row["failed"] == 0
        assert row["untouched"] == []
    assert campaign("rules", "check", *files).returncode == 0


BAD = (
    "name: z\nlimits: {v: {max: 1V}, w: {max: 3}}\nmatch: {min_cores: 4}\ntriage:\n  - {id: t, when: exit.code == 1}\n"
)
EXAMPLES = {
    "pass: [{v: 2V}]": "must pass",
    "refuse: [{v: 1V}]": "no limit refuses",
    "match: [{cores: 2}]": "min_cores",
    "no-match: [{cores: 8}]": "must not match",
    "triaged: [{exit.code: 0}]": "must know",
    "triaged: [{as: u, exit.code: 1}]": "u must know",
    "not-triaged: [{exit.code: 1}]": "no rule must know",
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_that_does_not_hold_fails(campaign: Campaign, tmp_path: Path, example: str) -> None:
    (tmp_path / "z.yaml").write_text(f"{BAD}examples:\n  {example}\n")
    done = campaign("rules", "test", "z.yaml")
    assert done.returncode == 1
    assert "CAMP330" in done.stderr
    assert "z.yaml:7:" in done.stderr
    assert EXAMPLES[example] in done.stderr
    assert "limits.w" in done.stdout


SEARCHED = r"""name: z
triage:
  - {id: leak, when: 'output matches /^leak \d+ bytes$/'}
  - {id: gap, when: 'output matches /^$/'}
  - {id: lost, when: 'output contains "lost page"'}
examples:
  triaged:
    - {as: leak, output: "leak 17 bytes"}
    - {as: leak, output: "before\r\nleak 17 bytes\r\nbehind"}
    - {as: gap, output: "a\n\nb\n"}
    - {as: lost, output: "a\na lost page\n"}
  not-triaged:
    - {as: leak, output: "leak of 17 bytes"}
    - {as: leak, output: "a leak 17 bytes"}
    - {as: leak, output: "\ud800"}
    - {as: gap, output: "a\nb\n"}
    - {as: gap, output: ""}
    - {as: lost, output: "lost\npage"}
"""


def test_the_output_of_an_example_is_searched_as_that_of_a_run(campaign: Campaign, tmp_path: Path) -> None:
    (tmp_path / "z.yaml").write_text(SEARCHED)
    done = campaign("rules", "test", "z.yaml", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads(done.stdout)
    assert (row["failed"], row["untouched"]) == (0, [])


def test_check_and_explain(campaign: Campaign, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: base\nlimits:\n  v: {max: 2V, why: sheet}\n")
    (tmp_path / "z.yaml").write_text("name: z\nextends: [base]\nlimits:\n  v: {min: 1V}\nmatch: {cores_min: 4}\n")
    done = campaign("rules", "check", "z.yaml", "--format", "json")
    assert done.returncode == 2
    (problem,) = json.loads(done.stdout)["diagnostics"]
    assert problem["code"] == "CAMP305"
    (tmp_path / "z.yaml").write_text("name: z\nextends: [base]\nlimits:\n  v: {min: 1V}\n")
    assert campaign("rules", "check", "z.yaml").returncode == 0
    done = campaign("rules", "explain", "z.yaml", "--format", "json")
    rows = [(each["value"], each["rule_set"], each["place"], each["why"]) for each in json.loads(done.stdout)["rules"]]
    assert rows == [("min 1V", "z", "z.yaml:4:12", None), ("max 2V", "base", "base.yaml:3:12", "sheet")]
    assert "base.yaml:3:12" in campaign("rules", "explain", "z.yaml").stdout
    missing = campaign("rules", "explain", "nothing.yaml")
    assert (missing.returncode, "CAMP311" in missing.stderr) == (2, True)


def test_a_new_rule_set_is_fine(campaign: Campaign, tmp_path: Path) -> None:
    assert campaign("new", "rules", "mine").returncode == 0
    assert campaign("rules", "test", "mine.yaml").returncode == 0
    (tmp_path / "mine.yaml").chmod(0o640)
    done = campaign("rules", "tighten", "mine.yaml", "duration", "--max", "30m")
    assert done.returncode == 0, done.stderr
    assert "30m" in (tmp_path / "mine.yaml").read_text()
    assert (tmp_path / "mine.yaml").stat().st_mode & 0o777 == 0o640
    assert campaign("rules", "tighten", "mine.yaml", "duration", "--max", "3h").returncode == 2
    assert campaign("rules", "tighten", "mine.yaml", "keys", "--max", "9").returncode == 0  # of a plugin
    assert (
        campaign("quarantine", "0" * 16, "--rules", "no.yaml", "--issue", "A", "--until", "2027-01-01").returncode == 2
    )


LIMITED = "name: z\nlimits:\n  v: {max: 1V}\n  m: {in: [a, b]}\n"
KNOWN = ["quarantine", "0" * 16, "--rules", "z.yaml", "--issue", "A-1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rules", "tighten", "z.yaml", "m", "--max", "3"], "CAMP312"),
        (["rules", "tighten", "z.yaml", "v", "--max", "3"], "CAMP331"),
        (["rules", "tighten", "z.yaml", "v", "--max", "foo"], "--max"),
        (["rules", "tighten", "z.yaml", "v", "--min", "0x1"], "--min"),
        (["rules", "tighten", "z.yaml", "seed", "--max", "3"], "CAMP306"),
        (["rules", "tighten", "z.yaml", "volatge", "--max", "1V"], "CAMP331"),
        ([*KNOWN, "--until", "tomorrow"], "--until"),
        (["quarantine", "nonsense", *KNOWN[2:], "--until", "2099-01-01"], "FINGERPRINT"),
    ],
)
def test_what_cannot_be_written_is_blamed_on_the_command_line(
    in_process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("z.yaml").write_text(LIMITED)
    done = in_process(*arguments)
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert "z.yaml:" not in done.stderr
    assert Path("z.yaml").read_text() == LIMITED


def test_a_quarantine_says_what_it_replaces_and_that_it_is_over(
    in_process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("z.yaml").write_text(LIMITED)
    first = in_process(*KNOWN, "--until", "2099-01-01")
    assert first.exit_code == 0, first.stderr
    assert "instead" not in first.stderr
    assert "is over" not in first.stderr
    again = in_process(*KNOWN, "--until", "2020-01-01")
    assert again.exit_code == 0
    assert "instead of until 2099-01-01 (A-1)" in again.stderr
    assert "2020-01-01 is over" in again.stderr
