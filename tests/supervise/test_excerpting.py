"""Excerpts: read from the evidence of what did not end well, kept in the exit record, never at a run's expense."""

from __future__ import annotations

import msgspec
import pytest

from campaign.judge.classify import decide
from campaign.records import Exit, ExpectOrder, Order, PatternOrder

from .conftest import Desk, python, shell, step

RAISE = "def inner(): raise ValueError({0!r})\nprint('x' * {1}, flush=True)\ninner()"


def failing(desk: Desk, text: str, filler: int = 0) -> tuple[Order, Exit]:
    order = desk.order(python(RAISE.format(text, filler)))
    return order, desk.carry_out(order)


def test_the_stack_of_a_tool_that_crashed_is_in_its_exit_record(desk: Desk) -> None:
    _, record = failing(desk, "row 7 missing")
    assert record.excerpt is not None
    assert (record.excerpt.form, record.excerpt.headline) == ("python", "ValueError")
    assert record.excerpt.path == "output.log"


def test_the_same_crash_has_the_same_fingerprint_whatever_it_prints(desk: Desk) -> None:
    one, other = (decide(*failing(desk, *what)).failure for what in (("row 7",), ("another word", 3_000_000)))
    assert one is not None
    assert other is not None
    assert one.fingerprint == other.fingerprint
    assert one.grounds is not None
    assert one.grounds.lines[0] == "ValueError"


@pytest.mark.parametrize("script", ["echo 'fatal: it is lost'", "echo 'fatal: it is lost'; exit 3"])
def test_only_what_did_not_end_well_is_read(desk: Desk, script: str) -> None:
    record = desk.run(shell(script))
    assert (record.excerpt is None) is record.steps[0].ok


def test_where_something_is_expected_of_the_output_it_is_read(desk: Desk) -> None:
    expected = ExpectOrder("not (output contains x)", msgspec.Raw(b"null"))
    order = desk.order(
        shell("echo 'fatal: it is lost'"), patterns=(PatternOrder("1", "contains", "x"),), expectations=(expected,)
    )
    record = desk.carry_out(order)
    assert record.excerpt is not None
    assert record.excerpt.frames == ("fatal: it is lost",)


@pytest.mark.parametrize(
    "trick",
    ["rm ../output.log", "rm ../output.log; mkfifo ../output.log", "rm ../output.log; ln -s /dev/zero ../output.log"],
)
def test_a_tool_that_puts_something_in_place_of_its_output_gains_nothing(desk: Desk, trick: str) -> None:
    record = desk.run(shell(f"echo fatal error; until [ -e ../output.log ]; do sleep 0.01; done; {trick}; exit 1"))
    assert record.excerpt is None
    assert record.steps[0].exit.code == 1


def test_a_step_that_could_not_be_started_has_none(desk: Desk) -> None:
    assert desk.run(step("/no/such")).excerpt is None
