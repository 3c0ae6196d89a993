"""Iterations for real: tools that a ``before`` command mends, hooks, questions, and what may be wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from campaign.ledger.queries import LedgerReader
from campaign.records.schemas import RECORDS, json_schema

#: Passes where a file of its mode's name lies beside the spec; ``b`` is there from the start.
SPEC = """
tool t {{
  command ["/bin/sh", "-c", "test -e {folder}/{{mode}}", "{{n}}"]
  param mode: string
  param n: int = 1
}}
campaign "it" {{ parallel 2; {clause} }}
group g {{
  instance {{mode}} {{ sweep mode = ["a", "b"]; sweep n = 1..2; run t }}
}}
"""
CLAUSE = "iterate {{ target = 70%; confidence = 60%; rounds = 2{more} }}"
#: Two of four passes show that 70% are missed, four that they are reached.
WIDE = ("--margin", "30%")
MEND = '; before = [["touch", "a"]]'


@pytest.fixture
def spec(tmp_path: Path) -> Any:
    def write(more: str = "", clause: str = CLAUSE) -> None:
        (tmp_path / "b").touch()
        text = SPEC.format(folder=tmp_path, clause=clause.format(more=more))
        (tmp_path / "it.camp").write_text(text)

    return write


def kinds(tmp_path: Path) -> list[tuple[str, str]]:
    with LedgerReader(str(tmp_path / ".campaign" / "ledger.sqlite")) as ledger:
        return [(each.kind, each.state) for each in ledger.steps(ledger.iterations()[0].id)]


WHOLE = [(kind, "done") for kind in ("full", "analyze", "before", "retry", "full")]


def test_what_before_mends_is_retried_and_confirmed(campaign: Any, spec: Any, tmp_path: Path) -> None:
    spec(MEND)
    ended = campaign("iterate", "it.camp", *WIDE, "--format", "json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert kinds(tmp_path) == WHOLE
    assert (told["schema"], told["state"], told["reached"]) == ("campaign.iteration/1", "done", True)
    assert (told["tests"], round(told["error_rate"], 9), round(told["low"], 9)) == (2, 0.8, 0.4)
    jsonschema.validate(told, json_schema(RECORDS["iteration"]))
    retry, full = told["steps"][3:5]
    assert (retry["passes"], retry["fixed"]) == (2, ["g.a[n=1]", "g.a[n=2]"])
    assert (full["fixed_cells"], full["unchanged_cells"], full["regressed_cells"]) == (2, 2, 0)

    written = next(tmp_path.glob(".campaign/iterations/*/round-1/retry-*.camp"))
    assert written.read_text().startswith(f"# Step 4 of the iteration {told['iteration']}, round 1: failing cells of ")
    planned = campaign("plan", written, "--list")
    assert "g.a[n=1]#0" in planned.stdout
    assert "g.b" not in planned.stdout

    listed = json.loads(campaign("list", "--format", "json").stdout)
    assert {each["iteration"] for each in listed} == {told["iteration"]}
    assert told["iteration"] in campaign("show").stdout


def test_it_stops_to_ask_and_goes_on_when_the_same_is_said_again(campaign: Any, spec: Any, tmp_path: Path) -> None:
    spec()
    (tmp_path / "hook.sh").write_text('#!/bin/sh\ncat > "given-$CAMPAIGN_ROUND"\n')
    (tmp_path / "hook.sh").chmod(0o755)
    asked = ("iterate", "it.camp", *WIDE, "--ask", "--hook", "./hook.sh")
    paused = campaign(*asked)
    assert paused.returncode == 1
    assert "campaign iterate --resume iterate-it-" in paused.stderr
    assert json.loads((tmp_path / "given-1").read_text())["schema"] == "campaign.analysis/1"
    assert kinds(tmp_path)[-1] == ("ask", "open")
    (tmp_path / "a").touch()
    ended = campaign(*asked)
    assert ended.returncode == 0, ended.stderr
    assert "reached: a win rate of 100.0% over 4 trials" in ended.stdout
    assert "a true rate of 40% or less" in ended.stdout
    assert "at most 0.4 by one test; 2 full campaigns were tested: at most 0.8 in all" in ended.stdout


def test_a_command_that_fails_ends_its_round_with_its_log(campaign: Any, spec: Any, tmp_path: Path) -> None:
    spec('; before = [["sh", "-c", "echo it does not compile; echo at all; exit 2"], ["touch", "never"]]')
    ended = campaign("iterate", "it.camp", *WIDE)
    assert ended.returncode == 1
    assert "sh left with status 2" in ended.stderr
    assert "before.log ends with\n" in ended.stderr
    assert "\nit does not compile\nat all\n" in ended.stderr
    again = campaign("iterate", "--resume")
    assert again.returncode == 1
    assert "round 2 ended: sh left with status 2" in again.stderr
    assert "\ncampaign: it does not compile\ncampaign: at all\n" in again.stderr
    assert "not reached: round 2 ended with its before command; 2 rounds and no more" in again.stdout
    assert kinds(tmp_path) == [("full", "done"), *[("analyze", "done"), ("before", "failed")] * 2]
    assert not (tmp_path / "never").exists()
    assert campaign("iterate", "--resume").returncode == 2


@pytest.mark.parametrize(
    ("clause", "arguments", "status", "code"),
    [
        ("", (), 2, "CAMP597"),
        (CLAUSE, ("--target", "101%"), 2, "at most 100%"),
        (CLAUSE, ("--rounds", "0"), 2, "--rounds"),
        (CLAUSE, ("--confidence", "20%"), 2, "--confidence"),
        (CLAUSE, ("--margin", "70%"), 2, "nothing to tell apart"),
        (CLAUSE, ("--hook", ""), 2, "it is empty"),
        (CLAUSE, ("--resume", "--rounds", "3"), 2, "goes on as it began"),
        (CLAUSE, ("--resume",), 2, "CAMP598"),
        (CLAUSE.replace("{more}", '; before = ["no-such-program"]'), (), 3, "CAMP599"),
        ("iterate {{ target = 90%; rounds = 0 }}", (), 2, "CAMP112"),
        ("iterate {{ target = 90%; confidence = 100% }}", (), 2, "CAMP112"),
    ],
)
def test_bad_wishes_are_refused_before_anything_runs(
    in_process: Any, spec: Any, clause: str, arguments: tuple[str, ...], status: int, code: str
) -> None:
    spec(clause=clause)
    ended = in_process("iterate", "it.camp", *arguments)
    assert ended.exit_code == status, ended.output
    assert code in ended.stderr


def test_a_campaign_that_still_runs_is_no_beginning(in_process: Any, recorded: Any) -> None:
    row = recorded([("a", 0, ["running"])], state="running", finished_at=None, exit_status=None)
    ended = in_process("iterate", row.id, "--target", "90%")
    assert ended.exit_code == 2, ended.output
    assert "CAMP523" in ended.stderr


def test_it_begins_with_a_campaign_and_says_where_the_spec_has_lost_what_is_to_be_retried(
    campaign: Any, spec: Any, tmp_path: Path
) -> None:
    spec()
    assert campaign("exec", "it.camp").returncode == 1
    assert campaign("iterate", "it", *WIDE, "--ask").returncode == 1
    text = (tmp_path / "it.camp").read_text()
    (tmp_path / "it.camp").write_text(text.replace("instance {mode}", "instance other.{mode}"))
    gone = campaign("iterate", "--resume")
    assert gone.returncode == 2
    assert "CAMP594" in gone.stderr
    assert "g.a[n=1]" in gone.stderr
    (tmp_path / "it.camp").write_text(text)
    (tmp_path / "a").touch()
    ended = campaign("iterate", "--resume")
    assert ended.returncode == 0, ended.stderr
    assert [kind for kind, _ in kinds(tmp_path)] == ["full", "analyze", "ask", "retry", "full"]


PATHS = """
tool t {
  command ["/bin/grep", "good", "{file}", "{other}"]
  param file: path = "none.txt"
  param other: path = "none.txt"
}
campaign "it" { iterate { target = 70%; confidence = 60%; rounds = 2 } }
instance x { sweep file = ["data/a.txt", "data/b.txt"]; run t }
"""


def test_paths_of_axes_and_of_the_command_line_are_found_by_the_retry_from_anywhere(
    campaign: Any, tmp_path: Path
) -> None:
    for name in (".campaign", "specs/data", "here", "there"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "specs" / "p.camp").write_text(PATHS)
    for name, text in (("specs/data/a.txt", "good"), ("specs/data/b.txt", "bad"), ("here/o.txt", "bad")):
        (tmp_path / name).write_text(text)
    (tmp_path / "here" / "hook").write_text("#!/bin/sh\ntouch hooked\n")
    (tmp_path / "here" / "hook").chmod(0o755)
    asked = ("../specs/p.camp", *WIDE, "--ask", "--hook", "./hook", "--set", 'other="o.txt"')
    paused = campaign("iterate", *asked, cwd=tmp_path / "here")
    assert "waits for you" in paused.stderr, paused.stderr
    assert (tmp_path / "specs" / "hooked").exists()
    (tmp_path / "specs" / "data" / "b.txt").write_text("good")
    ended = campaign("iterate", "--resume", "--format", "json", cwd=tmp_path / "there")
    assert ended.returncode == 0, ended.stderr
    steps = json.loads(ended.stdout)["steps"]
    assert [each["passes"] for each in steps if each["passes"] is not None] == [1, 1, 2]
    assert steps[4]["fixed"] == ['x[file="data/b.txt"]']
