"""``campaign rerun``: a recorded campaign anew, from its snapshot alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from campaign.engine.prepare import over
from campaign.plan.plan import Options

SPEC = """
campaign "again" { seed 7; text = "one" }
tier quick { seeds 1..2 }
tool echo { command "echo" "{text}" "{seed}" "{size}"; param text: string = "x"; param size: int = 1 in 1..9 }
group g { instance i.{size} { sweep size = [1, 2]; run echo } }
"""


@pytest.fixture
def begun(campaign: Any, tmp_path: Path) -> Any:
    (tmp_path / "again.camp").write_text(SPEC)
    done = campaign("exec", "again.camp", "--tier", "quick", "--set", "text=two")
    assert done.returncode == 0, done.stderr
    return campaign


def listed(campaign: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(campaign("list", "--format", "json").stdout)
    return found


def runs(campaign: Any, name: str) -> list[str]:
    lines = campaign("show", name, "--runs", "--format", "json").stdout.splitlines()
    return sorted(json.loads(line)["key"] for line in lines)


def test_the_same_again_whatever_became_of_the_files(begun: Any, tmp_path: Path) -> None:
    (tmp_path / "again.camp").write_text("campaign")
    done = begun("rerun", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "CAMP509" in done.stderr
    second, first = listed(begun)
    assert second["campaign"] != first["campaign"]
    same = ("name", "spec", "tier", "seed", "total", "verdicts", "state")
    assert [second[name] for name in same] == [first[name] for name in same]
    assert (
        runs(begun, second["campaign"])
        == runs(begun, first["campaign"])
        == [f"g.i.{n}#{s}" for n in (1, 2) for s in (1, 2)]
    )
    assert "two 1 1" in begun("logs", f"{second['campaign']}/g.i.1#1").stdout


def test_a_selection_goes_before_the_recorded_one(begun: Any) -> None:
    name = listed(begun)[0]["campaign"]
    assert begun("rerun", "again", "--seeds", "5", "--set", "text=three", "--group", "g.i.2").returncode == 0
    assert runs(begun, listed(begun)[0]["campaign"]) == ["g.i.2#5"]
    assert "three 5 2" in begun("logs", "g.i.2#5").stdout
    assert runs(begun, name) != ["g.i.2#5"]


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["nothing"], "CAMP580", 2),
        (["again", "--set", "size=99"], "error[", 2),
        (["again", "--set", "nonsense=1"], "error[", 2),
        (["again", "--tier", "nonsense"], "error[", 2),
    ],
)
def test_what_is_wrong_is_said_and_nothing_runs(begun: Any, arguments: list[str], code: str, status: int) -> None:
    done = begun("rerun", *arguments)
    assert (done.returncode, code in done.stderr) == (status, True), done.stderr
    assert len(listed(begun)) == 1


def test_a_snapshot_that_is_gone_is_a_setup_error(in_process: Any, recorded: Any) -> None:
    recorded([("a", 1, ["pass"])])
    done = in_process("rerun")
    assert (done.exit_code, "CAMP231" in done.stderr) == (3, True)


def test_options_one_by_one() -> None:
    before = Options(tier="quick", seeds=(1, 2), sets=("a=1",), limit=3)
    assert over(before, Options()) == before
    now = Options(seeds=(9,), sets=("b=2",), limit=0)
    assert over(before, now) == Options(tier="quick", seeds=(9,), sets=("a=1", "b=2"), limit=0)


BOUND = """
rules "z.yaml"
campaign "bound" { }
tool echo { command "echo" "{size}"; param size: int = 1 }
instance i { sweep size = [1, 2]; run echo }
"""


def test_a_limit_that_was_tightened_since_refuses_it_whole(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "bound.camp").write_text(BOUND)
    (tmp_path / "z.yaml").write_text("name: z\nlimits: {size: {max: 3}}\n")
    assert campaign("exec", "bound.camp").returncode == 0
    (tmp_path / "z.yaml").write_text("name: z\nlimits: {size: {max: 1}}\n")
    done = campaign("rerun")
    assert (done.returncode, "CAMP320" in done.stderr) == (4, True), done.stderr
    (tmp_path / "z.yaml").unlink()
    done = campaign("rerun")
    assert (done.returncode, "CAMP311" in done.stderr) == (4, True), done.stderr
    assert len(listed(campaign)) == 1
    (tmp_path / "z.yaml").write_text("name: z\nlimits: {size: {max: 9}}\n")  # both bind: then, and now
    assert campaign("rerun", "--set", "size=5").returncode == 4
    assert campaign("rerun").returncode == 0
