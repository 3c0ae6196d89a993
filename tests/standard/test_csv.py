"""CSV: a row a step, and nothing that a spreadsheet would compute."""

import csv
import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.records import ProcessExit, StepView
from campaign_standard.csv import CsvReporter


@pytest.fixture
def rows(written: Any) -> Any:
    return lambda *runs: list(csv.DictReader(io.StringIO(written(CsvReporter(), *runs), newline="")))


def test_one_row_a_step_with_axes_and_metrics_as_columns(rows: Any, run: Any) -> None:
    steps = tuple(
        StepView(label=label, tool="w", argv=("w",), exit=ProcessExit(code=number), metrics={"ops": 12.5 * number})
        for number, label in enumerate(("load", "read"))
    )
    first, second = rows(run("off", "fail", steps=steps))
    assert (first["cell"], first["journal"], first["verdict"], first["kind"]) == ("off", "off", "fail", "oracle")
    assert [(row["step"], row["exit_code"], row["metrics.ops"]) for row in (first, second)] == [
        ("load", "0", "0.0"),
        ("read", "1", "12.5"),
    ]


def test_columns_that_only_later_runs_have_are_there_from_the_start(rows: Any, run: Any) -> None:
    first, second = rows(run("a", "pass", axes={"x": 1}), run("b", "pass", axes={"y": "850mV"}))
    assert (first["x"], first["y"], second["x"], second["y"]) == ("1", "", "", "850mV")


def test_an_axis_named_like_a_column_of_ours_keeps_both(rows: Any, run: Any) -> None:
    (row,) = rows(run("a", "pass", axes={"tool": "gcc"}))
    assert (row["tool"], row["axis.tool"]) == ("w", "gcc")


def test_a_run_without_steps_has_a_row(rows: Any, run: Any) -> None:
    (row,) = rows(run("a", "canceled", steps=()))
    assert (row["verdict"], row["step"]) == ("canceled", "")


@pytest.mark.parametrize("text", ["=1+1", "+cmd|'/c calc'!A0", "-2+3", "@SUM(A1)", "\t=1", " =1", "=HYPERLINK(1)"])
def test_formulas_are_neutralised(rows: Any, run: Any, text: str) -> None:
    (row,) = rows(run("a", "fail", reason=text))
    assert row["reason"] == f"'{text}"


@pytest.mark.parametrize("text", ["-5mV", "-5", "+3.5", "-40C", "fine", "a=b"])
def test_numbers_and_words_stay_as_they_are(rows: Any, run: Any, text: str) -> None:
    (row,) = rows(run("a", "pass", axes={"x": text}))
    assert row["x"] == text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"], include_characters="\n\t"))
)
def test_any_text_that_can_be_seen_comes_back_and_never_starts_a_formula(rows: Any, run: Any, text: str) -> None:
    (row,) = rows(run("a", "fail", reason=text))
    assert row["reason"] in (text, f"'{text}")
    assert row["reason"][:1] not in ("=", "@")


def test_what_would_move_a_cursor_or_reorder_is_written_out(rows: Any, run: Any) -> None:
    (row,) = rows(run("a", "fail", reason="a\x1b[2J\u202e\x9b"))
    assert row["reason"] == r"a\u{1b}[2J\u{202e}\u{9b}"
