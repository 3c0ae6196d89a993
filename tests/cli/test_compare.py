"""``campaign compare``, ``show --history`` and ``list --search``: looking back over several campaigns."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Runs = list[tuple[str, int, list[str]]]
FIRST: Runs = [
    ("crash.wal", 1, ["pass"]),
    ("crash.off", 1, ["fail: row 7 is missing"]),
    ("crash.del", 1, ["pass"]),
    ("crash.old", 1, ["pass"]),
]
SECOND: Runs = [
    ("crash.wal", 1, ["fail: 100 % torn"]),
    ("crash.off", 1, ["pass"]),
    ("crash.del", 1, ["fail: torn", "pass"]),
    ("crash.new", 1, ["pass"]),
]


@pytest.fixture
def both(recorded: Callable[..., Any]) -> tuple[str, str]:
    """Two campaigns of one name: their ids."""
    return recorded(FIRST).id, recorded(SECOND, number=1, seed=43, total=4).id


def told(in_process: Callable[..., Any], *arguments: str, status: int = 0) -> Any:
    done = in_process(*arguments, "--format", "json")
    assert done.exit_code == status, done.stderr
    return json.loads(done.stdout)


def test_each_cell_is_told(in_process: Callable[..., Any], both: tuple[str, str]) -> None:
    found = told(in_process, "compare", *both, status=1)
    assert found["schema"] == "campaign.comparison/1"
    assert {each["cell"]: each["change"] for each in found["cells"]} == {
        "crash.wal": "regressed",
        "crash.off": "fixed",
        "crash.del": "flaky",
        "crash.old": "not run",
        "crash.new": "new",
    }
    assert {"kind": "seed", "name": "seed", "a": "42", "b": "43"} in found["differences"]


def test_people_read_the_differences_first_and_what_did_not_run(
    in_process: Callable[..., Any], both: tuple[str, str]
) -> None:
    text = in_process("compare", *both).stdout
    assert text.index("seed") < text.index("NOT RUN in B: 1 cell of A: crash.old") < text.index("regressed")
    assert "5 cells: 1 regressed, 1 not run, 1 flaky, 1 fixed, 1 new" in text


@pytest.mark.parametrize(
    ("fail_on", "status"), [([], 1), (["never"], 0), (["not-run"], 1), (["new"], 0), (["new", "flaky"], 1)]
)
def test_what_ends_with_status_1(
    in_process: Callable[..., Any], both: tuple[str, str], fail_on: list[str], status: int
) -> None:
    done = in_process("compare", *both, *(word for each in fail_on for word in ("--fail-on", each)))
    assert done.exit_code == status


def test_the_other_way_round_it_is_fixed(in_process: Callable[..., Any], both: tuple[str, str]) -> None:
    assert in_process("compare", both[1], both[0], "--fail-on", "not-run").exit_code == 1
    found = told(in_process, "compare", both[1], both[0], status=1)
    assert {each["cell"]: each["change"] for each in found["cells"]}["crash.wal"] == "fixed"


def test_alone_it_is_compared_with_the_one_before(in_process: Callable[..., Any], both: tuple[str, str]) -> None:
    for words in ([], ["crash"], [both[1]]):
        found = told(in_process, "compare", *words, status=1)
        assert (found["a"]["campaign"], found["b"]["campaign"]) == both


def test_nothing_to_compare_with(in_process: Callable[..., Any], both: tuple[str, str]) -> None:
    for words in ([both[0]], [*both, "--variants", "journal=off,wal"], ["crash", "--variants", "journal"]):
        done = in_process("compare", *words)
        assert (done.exit_code, "CAMP596" in done.stderr) == (2, True)
    assert "CAMP580" in in_process("compare", both[0], "nobody").stderr


def test_variants_of_one_campaign(in_process: Callable[..., Any], both: tuple[str, str]) -> None:
    found = told(in_process, "compare", both[0], "--variants", "journal=off,wal")
    ((change, a, b),) = [(each["change"], each["a"], each["b"]) for each in found["cells"]]
    assert (change, a["failed"], b["passed"]) == ("fixed", 1, 1)


def test_a_variant_that_there_is_not(in_process: Callable[..., Any], both: tuple[str, str]) -> None:
    for words in ("journal=off,none", "jornal=off,wal"):
        done = in_process("compare", both[0], "--variants", words)
        assert (done.exit_code, "CAMP596" in done.stderr, "no run has" in done.stderr) == (2, True, True)


def test_the_history_of_a_cell(in_process: Callable[..., Any], both: tuple[str, str]) -> None:
    found = told(in_process, "show", "--history", "crash.off")
    assert [(each["campaign"], each["win_rate"], len(each["fingerprints"])) for each in found["history"]] == [
        (both[0], 0.0, 1),
        (both[1], 1.0, 0),
    ]
    lines = in_process("show", "--history", "crash.off").stdout.splitlines()
    before, after = (next(line for line in lines if line.startswith(each)) for each in both)
    assert before.index("●") < after.index("●")


def test_the_history_of_no_cell(in_process: Callable[..., Any], both: tuple[str, str]) -> None:
    done = in_process("show", "--history", "crash.of")
    assert (done.exit_code, "CAMP581" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("ROW missing", [("fail", "crash.off#1@1")]),
        ("100 %", [("fail", "crash.wal#1@1")]),
        ("0_%", []),
        ("FLASH card", [("note", None)]),
        ("GRÜN", [("note", None)]),
        ("", []),
    ],
)
def test_words_are_found(in_process: Callable[..., Any], both: tuple[str, str], words: str, what: list[Any]) -> None:
    assert in_process("note", both[0], "on the old flash card, the grün one").exit_code == 0
    found = told(in_process, "list", "--search", words)
    assert [(each["what"], each["run"]) for each in found] == what


def test_only_marked_ones(in_process: Callable[..., Any], both: tuple[str, str]) -> None:
    assert told(in_process, "list", "--marked") == []
    assert in_process("mark", both[0], "the first one").exit_code == 0
    assert [each["campaign"] for each in told(in_process, "list", "--marked")] == [both[0]]
