"""Minimizing for real: the ``minimize`` clause, ``campaign minimize``, ``repro.camp``; tools that fail for a reason."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for

from campaign.ledger.queries import LedgerReader

#: Fails in one way from 37 keys on, in another one below 5.
TOOL = """
tool t {
  command "/bin/sh" "-c" "echo {keys} >> {log}; test {keys} -ge 5 || exit 4; test {keys} -lt 37 || exit 3"
  param keys: int = 90 in 1..
  param duration: duration = 50ms in 1ms..1h
  param log: string = "LOG"
}
"""
CLAUSE = """
campaign "q" { parallel 2; minimize { order = [duration, keys] } }
group g {
  instance bad { seeds 7..8; run t }
  instance good { keys = 9; run t }
}
"""
PLAIN = 'campaign "q" { parallel 2 }\ngroup g { instance bad { run t }; instance good { keys = 9; run t } }'


@pytest.fixture
def spec(tmp_path: Path) -> Any:
    """Writes q.camp: the text with the tool."""

    def write(text: str) -> None:
        (tmp_path / "q.camp").write_text(text + TOOL.replace("LOG", str(tmp_path / "log")))

    return write


def runs(tmp_path: Path) -> list[dict[str, Any]]:
    """What people read of the runs of the plan, of all campaigns."""
    return [json.loads(path.read_text()) for path in sorted(tmp_path.glob(".campaign/runs/*/*/*/seed-*/run.json"))]


def minimized(tmp_path: Path) -> list[dict[str, Any]]:
    return [each["minimized"] for each in runs(tmp_path) if each.get("minimized")]


# --- the clause -------------------------------------------------------------------------------------------------------


def test_a_new_failure_is_minimized_once_and_a_colleague_sees_it_too(campaign: Any, spec: Any, tmp_path: Path) -> None:
    spec(CLAUSE)
    ended = campaign("exec", "q.camp")
    assert ended.returncode == 1, ended.stderr
    assert "was made smaller in" in ended.stderr
    (told,) = minimized(tmp_path)
    assert told["result"] == {"duration": "1ms", "keys": 37}
    assert told["smaller"]
    assert told["repeats"]["failed"] == told["repeats"]["runs"] >= 5
    verdicts = json.loads(campaign("show", "--format", "json").stdout)["verdicts"]
    assert (verdicts["fail"], verdicts["pass"], sum(verdicts.values())) == (2, 1, 3)
    _has_its_evidence(told, tmp_path)
    _is_seen_by_a_colleague(campaign, tmp_path)
    campaign("exec", "q.camp")  # by now it is known
    assert len(minimized(tmp_path)) == 1


def _has_its_evidence(told: dict[str, Any], tmp_path: Path) -> None:
    (folder,) = tmp_path.glob(".campaign/runs/*/g.bad/g.bad/seed-*/attempt-1/minimize")
    for step in told["steps"]:
        view = json.loads((folder / step["run"].removeprefix("minimize/") / "attempt-1" / "run.json").read_text())
        assert view["origin"] == step["run"]
        assert str(view["settings"][step["parameter"]]) == str(step["to"])
        assert (view["verdict"] == "fail") == step["still_fails"] or view["steps"][0]["exit"]["code"] == 4
    assert len(list(folder.glob("*/attempt-*/run.json"))) == told["attempts"]


def _is_seen_by_a_colleague(campaign: Any, tmp_path: Path) -> None:
    (repro,) = tmp_path.glob(".campaign/runs/*/*/*/*/*/repro.camp")
    elsewhere = tmp_path / "colleague"
    elsewhere.mkdir()
    (elsewhere / "repro.camp").write_text(repro.read_text())
    assert campaign("fmt", "--check", "colleague/repro.camp").returncode == 0
    assert campaign("exec", "colleague/repro.camp", "--workspace", str(elsewhere / ".campaign")).returncode == 1
    (theirs,) = runs(elsewhere)
    ours = next(each for each in runs(tmp_path) if each.get("minimized"))
    assert theirs["failure"]["fingerprint"] == ours["failure"]["fingerprint"]
    assert (theirs["key"], theirs["id"]) == (ours["key"], ours["id"])
    assert theirs["settings"] == {"duration": "1ms", "keys": 37}


def test_a_limit_is_never_broken_by_a_candidate(campaign: Any, spec: Any, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: r\nlimits:\n  keys: {min: 64}\n")
    spec('rules "r.yaml"\ncampaign "q" { minimize { order = [keys] } }\ninstance bad { run t }')
    assert campaign("exec", "q.camp").returncode == 1
    (told,) = minimized(tmp_path)
    assert told["result"] == {"keys": 64}
    assert not any("refused" in step for step in told["steps"])
    assert min(int(line) for line in (tmp_path / "log").read_text().split()) == 64


# --- the verb ---------------------------------------------------------------------------------------------------------


def test_on_demand_with_an_order_and_bounds(campaign: Any, spec: Any, tmp_path: Path) -> None:
    spec(PLAIN)
    campaign("exec", "q.camp")
    assert minimized(tmp_path) == []
    ended = campaign("minimize", "g.bad#0", "--order", "keys,log", "--attempts", "9", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    assert "log of g.bad#0 is left as it is" in ended.stderr
    told = json.loads(ended.stdout)["minimized"]
    assert (told["attempts"], told["stopped"]) == (9, "the allowed attempts were used up")
    assert 37 <= told["result"]["keys"] < 90
    assert told["needed"] > 9
    assert minimized(tmp_path) == [told]
    again = campaign("minimize", "g.bad#0", "--order", "keys")
    assert "smallest: keys = 37" in again.stdout
    short = campaign("minimize", "g.bad#0", "--order", "keys", "--attempts", "3", "--format", "json")
    assert short.returncode == 1
    assert json.loads(short.stdout)["minimized"]["repro"] is None
    larger = campaign("minimize", "g.bad#0", "--order", "keys", "--attempts", "9")
    assert (larger.returncode, "found a smaller one" in larger.stdout) == (0, True)
    (repro,) = tmp_path.glob(".campaign/runs/*/*/*/*/*/repro.camp")
    assert "keys = 37" in repro.read_text()
    assert "# The original failed with: " in repro.read_text()
    assert minimized(tmp_path)[0]["result"] == {"keys": 37}
    assert ": keys = 37" in campaign("show", "g.bad#0").stdout
    with LedgerReader(str(tmp_path / ".campaign" / "ledger.sqlite")) as ledger:
        rows = [list(ledger.asked_attempts(request.id)) for request in ledger.requests()]
    assert len(rows[0]) == 9
    assert len({(row.origin, row.attempt) for each in rows for row in each}) == sum(map(len, rows))


def test_what_cannot_be_minimized_is_said(campaign: Any, spec: Any) -> None:
    spec(PLAIN)
    campaign("exec", "q.camp")
    for arguments in (
        ("g.good#0",),
        ("g.bad#0", "--by", "magic"),
    ):
        ended = campaign("minimize", *arguments)
        assert ended.returncode == 3, arguments
        assert ended.stderr.count("CAMP591") == 1, arguments


def test_a_failure_that_does_not_come_back(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "q.camp").write_text(
        f'campaign "q" {{ }}\ntool t {{ command "test" "-e" "{tmp_path}/f"; param n: int = 9 }}\ninstance bad {{ run t }}'
    )
    assert campaign("exec", "q.camp").returncode == 1
    (tmp_path / "f").touch()
    ended = campaign("minimize", "bad#0", "--attempts", "4", "--order", "n")
    assert ended.returncode == 1, ended.stderr
    assert "0 of 4 repeats" in ended.stdout
    assert "the failure did not come back" in ended.stdout


# --- lists ------------------------------------------------------------------------------------------------------------


def test_the_lines_of_an_input_file(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "q.camp").write_text("""
campaign "q" { parallel 2 }
tool t {
  command "/bin/sh" "-c" "if grep -q BAD {input} && grep -q WORSE {input}; then exit 3; fi"
  param input: path
}
instance bad { input = "data.txt"; run t }
""")
    lines = [f"line {number}\n" for number in range(16)]
    lines[5], lines[12] = "BAD\n", "WORSE\n"
    (tmp_path / "data.txt").write_text("".join(lines))
    assert campaign("exec", "q.camp").returncode == 1
    ended = campaign("minimize", "bad#0", "--by", "ddmin", "--order", "input", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)["minimized"]
    assert (told["result"]["lines"], told["result"]["of"]) == (2, 16)
    assert Path(told["result"]["file"]).read_text() == "BAD\nWORSE\n"
    assert str(tmp_path) not in Path(told["repro"]).read_text()
    assert _fails_elsewhere(campaign, told["repro"], tmp_path)


def _fails_elsewhere(campaign: Any, repro: str, tmp_path: Path) -> bool:
    """A colleague gets the spec with what lies beside it, and nothing else."""
    there = tmp_path / "colleague"
    there.mkdir()
    shutil.copy(repro, there)
    shutil.copytree(Path(repro).parent / "repro", there / "repro")
    hidden = tmp_path / ".campaign"
    hidden.rename(tmp_path / "hidden")
    ended = campaign("exec", "colleague/repro.camp", "--workspace", str(there / ".campaign"))
    (tmp_path / "hidden").rename(hidden)
    return bool(ended.returncode == 1)


def test_the_lines_of_two_files_are_one_list(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "q.camp").write_text("""
campaign "q" { parallel 2; minimize { by = ddmin; order = [input, other, n]; attempts = 200 } }
tool t {
  command "/bin/sh" "-c" "if grep -q BAD {input} && grep -q WORSE {other}; then exit 3; fi"
  param input: path
  param other: path
  param n: int = 3
}
instance bad { input = "data.txt"; other = "more.txt"; run t }
""")
    (tmp_path / "data.txt").write_text("one\nBAD\ntwo\n")
    (tmp_path / "more.txt").write_text("WORSE\nthree\n")
    ended = campaign("exec", "q.camp")
    assert "n of bad#0 is left as it is: it names no file" in ended.stderr
    (told,) = minimized(tmp_path)
    assert (told["result"]["parameter"], told["result"]["lines"], told["result"]["of"]) == ("input, other", 2, 5)
    assert [Path(each).read_text() for each in told["result"]["file"]] == ["BAD\n", "WORSE\n"]
    both = told["steps"][0]
    assert (both["parameter"], both["from"], both["to"]) == ("input, other", [3, 2], [0, 0])
    assert _fails_elsewhere(campaign, told["repro"], tmp_path)


def test_faults_that_have_no_part_in_the_failure(campaign: Any, tmp_path: Path) -> None:
    (tmp_path / "q.camp").write_text("""
campaign "q" { parallel 2; minimize { by = ddmin } }
tool t { command "/bin/sleep" "0.4" }
instance bad {
  run t
  fault one: process.stop { at = 50ms; for = 20ms }
  fault two: process.stop { at = 150ms; for = 20ms }
  expect output contains "x"
}
""")
    assert campaign("exec", "q.camp").returncode == 1
    (told,) = minimized(tmp_path)
    assert told["stopped"].startswith("it fails the same way with nothing left")
    assert (told["repro"], told["smaller"]) == (None, False)


def test_the_operations_of_a_traced_writer(campaign: Any, tmp_path: Path) -> None:
    """Real SQLite without a journal, killed in mid-transaction: which of its transactions does it take?"""
    (tmp_path / "q.camp").write_text("""
use sqlite
campaign "q" { parallel 2; trace on; minimize { by = ddmin; attempts = 20 } }
instance off {
  seeds 1..3
  journal = "off"; sync = "off"; cache = 4KiB; keys = 300; rows = 20; threads = 2; duration = 5s
  run sqlite.writer
  fault process.kill { at = 800ms }
  oracle sqlite.integrity
  expect oracle.ok
}
""")
    assert campaign("exec", "q.camp").returncode == 1
    told = minimized(tmp_path)[0]
    assert told["result"]["operations"] <= told["result"]["of"]
    assert Path(told["result"]["trace"]).exists()
    assert str(tmp_path) not in Path(told["repro"]).read_text()
    assert _fails_elsewhere(campaign, told["repro"], tmp_path)


# --- crashes ----------------------------------------------------------------------------------------------------------


def test_a_minimization_that_was_killed_goes_on_without_counting_twice(
    campaign: Any, tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    (tmp_path / "q.camp").write_text("""
campaign "q" { parallel 2; minimize { order = [keys] } }
tool t { command "/bin/sh" "-c" "sleep 0.05; test {keys} -lt 37"; param keys: int = 1000 in 1.. }
instance bad { run t }
""")
    running = subprocess.Popen(
        [sys.executable, "-m", "campaign", "exec", "q.camp", "--no-progress"],
        cwd=tmp_path,
        env=clean_environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    candidates = ".campaign/runs/*/bad/bad/seed-0/attempt-1/minimize/*"
    wait_for(lambda: running.poll() is not None or len(list(tmp_path.glob(candidates))) >= 6)
    running.send_signal(signal.SIGKILL)
    running.wait()
    ended = campaign("exec", "--resume")
    assert ended.returncode == 1, ended.stderr
    (told,) = minimized(tmp_path)
    assert told["result"] == {"keys": 37}
    with LedgerReader(str(tmp_path / ".campaign" / "ledger.sqlite")) as ledger:
        (request,) = ledger.requests()
        rows = list(ledger.asked_attempts(request.id))
    counted = [row for row in rows if row.verdict in {"pass", "fail"}]
    assert len(counted) == told["attempts"]
    assert len({(row.origin, row.attempt) for row in rows}) == len(rows)
