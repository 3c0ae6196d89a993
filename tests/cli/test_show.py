"""``list``, ``show`` and ``failures``: what people and programs read of the past."""

import json
import shlex
import shutil
from typing import Any

import jsonschema
import pytest

from campaign.records import RunView, Summary
from campaign.records.schemas import json_schema

HOSTILE = "row \x1b[2J\u202e7 missing"
RUNS = [
    ("crash.off", 1, ["fail: row 7 missing"]),
    ("crash.off", 2, ["fail: row 7 missing"]),
    ("crash.wal", 1, ["fail: it flickers", "pass"]),
    ("crash.del", 1, [f"error: {HOSTILE}"]),
]


@pytest.fixture
def said(in_process: Any, recorded: Any) -> Any:
    recorded(RUNS)

    def call(*arguments: str) -> str:
        result = in_process(*arguments)
        assert result.exit_code == 0, result.stderr
        return str(result.stdout)

    return call


def test_list_has_a_line_a_campaign(said: Any) -> None:
    header, _, line = said("list").splitlines()
    assert header.split() == ["campaign", "state", "tier", "done", "pass", "fail", "error", "started"]
    assert line.split()[:5] == ["crash-20261120T100000Z-ab12", "finished", "4/4", "1", "2"]
    assert "ago)" in line or "just now)" in line


def test_list_as_json_has_utc_times(said: Any) -> None:
    (listed,) = json.loads(said("list", "--format", "json"))
    assert listed["verdicts"] == {"fail": 2, "pass": 1, "error": 1}
    assert listed["started_at"] == "2026-11-20T10:00:00Z"


def test_show_a_campaign_sums_it_up(said: Any) -> None:
    text = said("show")
    assert "crash: 4 runs in 1 s: 1 pass, 2 fail, 1 error, 1 of them flaky; win rate 33.3%" in text
    assert "Unique failures: 3" in text
    assert ".campaign/runs/crash-20261120T100000Z-ab12/crash.off/seed-1/attempt-1" in text
    assert "→ look at crash.off#1@1: campaign show 'crash-20261120T100000Z-ab12/crash.off#1@1'" in text


def test_a_cell_without_its_seed_is_told_with_its_run(in_process: Any, recorded: Any) -> None:
    recorded(RUNS)
    assert "did you mean its run crash.wal#1?" in in_process("show", "crash.wal").stderr


def test_a_run_says_why_where_its_reason_is_but_a_word(in_process: Any, recorded: Any) -> None:
    recorded([("crash.off", 1, ["orphaned: it left no exit record"]), ("crash.off", 2, ["fail: row 7 missing"])])
    assert "it left no exit record" in in_process("show", "crash.off#1").stdout
    assert in_process("show", "crash.off#2").stdout.count("row 7 missing") == 1


def test_what_was_removed_by_hand_is_said_to_be_gone(in_process: Any, recorded: Any) -> None:
    row = recorded([("crash.off", 1, ["fail: row 7 missing"]), ("crash.off", 2, ["pass"])])
    shutil.rmtree(f"{row.run_root}/crash.off/seed-1")
    shown = in_process("show", "crash.off#1").stdout
    assert shown.endswith(f"its evidence is gone: {row.run_root}/crash.off/seed-1/attempt-1\n")
    assert "gone" not in in_process("show").stdout + in_process("show", "crash.off#2").stdout
    shutil.rmtree(row.run_root)
    assert f"{row.run_root} (gone)\n" in in_process("show").stdout


def test_the_next_step_can_be_pasted(in_process: Any, recorded: Any) -> None:
    recorded([('q.1[big="a|b"]', 0, ["fail: x"])])
    step = in_process("show").stdout.splitlines()[-1]
    verb, *words = shlex.split(step.rpartition(": campaign ")[2])
    assert 'q.1[big="a|b"]#0@1' in in_process(verb, *words).stdout


def test_show_a_campaign_as_json_is_its_summary(said: Any) -> None:
    jsonschema.validate(json.loads(said("show", "crash", "--format", "json")), json_schema(Summary))


def test_show_runs_lists_them(said: Any) -> None:
    lines = said("show", "--runs").splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["crash.off#1", "crash.off#2", "crash.wal#1", "crash.del#1"]
    assert "pass (flaky)" in lines[2]
    keys = [json.loads(line)["key"] for line in said("show", "--runs", "--format", "json").splitlines()]
    assert keys == ["crash.off#1", "crash.off#2", "crash.wal#1", "crash.del#1"]


@pytest.mark.parametrize(
    "words", [("crash", "crash.wal#1"), ("crash.wal#1",), ("crash/crash.wal#1",)], ids=["two", "key", "one"]
)
def test_show_a_run_tells_its_story(said: Any, words: tuple[str, ...]) -> None:
    text = said("show", *words)
    assert "crash.wal#1@2" in text
    assert "exit 0" in text
    assert "it flickers" in text
    assert "output.log" in text
    assert "/home/me" not in text


def test_show_a_run_as_json_is_its_record(said: Any) -> None:
    view = json.loads(said("show", "crash.wal#1@1", "--format", "json"))
    jsonschema.validate(view, json_schema(RunView))
    assert (view["verdict"], view["steps"][0]["env"]) == ("fail", {"HOME": "***"})


def test_failures_are_told_by_fingerprint(said: Any) -> None:
    lines = said("failures").splitlines()
    assert [line.split()[1:5] for line in lines[2:4]] == [
        ["new", "fail", "oracle", "2"],
        ["flaky", "fail", "oracle", "1"],
    ]
    assert [each["class"] for each in json.loads(said("failures", "crash", "--format", "json"))] == [
        "new",
        "flaky",
        "new",
    ]


@pytest.mark.parametrize("verb", [("show",), ("show", "--runs"), ("show", "crash.del#1"), ("failures",)], ids=" ".join)
def test_no_text_plays_tricks_on_the_reader(said: Any, verb: tuple[str, ...]) -> None:
    text = said(*verb)
    assert "row \\u{1b}[2J\\u{202e}7 missing" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [(("show", "nothing"), "CAMP580", 2), (("show", "nothing#1"), "CAMP581", 2), (("failures", "x"), "CAMP580", 2)],
)
def test_what_was_not_recorded_is_a_diagnostic(
    in_process: Any, recorded: Any, words: tuple[str, ...], code: str, status: int
) -> None:
    recorded(RUNS)
    result = in_process(*words)
    assert (result.exit_code, code in result.stderr, result.stdout) == (status, True, "")


@pytest.mark.parametrize("verb", ["list", "show", "failures"])
def test_a_workspace_without_a_ledger_is_a_setup_error(in_process: Any, verb: str) -> None:
    result = in_process(verb)
    assert (result.exit_code, "CAMP500" in result.stderr) == (3, True)


@pytest.mark.parametrize(
    "words",
    [
        ("show",),
        ("show", "--runs"),
        ("show", "crash.del#1"),
        ("failures",),
        ("list",),
    ],
    ids=" ".join,
)
def test_json_escapes_what_a_terminal_would_act_on(said: Any, words: tuple[str, ...]) -> None:
    text = said(*words, "--format", "json")
    assert not [char for char in text if ord(char) < 0x20 and char != "\n"]
    assert words == ("list",) or "\\u001b[2J" in text


@pytest.mark.parametrize("name", ["md", "csv", "junit"])
def test_reports_hold_nothing_that_a_terminal_would_act_on(said: Any, name: str) -> None:
    text = said("report", "--as", name, "-o", "-")
    assert "7 missing" in text
    assert not [char for char in text if ord(char) < 0x20 and char not in "\r\n"]
