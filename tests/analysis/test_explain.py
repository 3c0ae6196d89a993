"""Which axis values go with failures: what is planted is found, and what is not there is not."""

import string
from collections.abc import Sequence
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.analysis.explain import MOST, MOST_NUMBERS, Counted, explain
from campaign.records.analysis import Explained

JOURNALS, SYNCS = ("wal", "delete", "off"), ("off", "normal", "full")


def said(found: Explained) -> list[str]:
    return [" and ".join(map(str, each.conditions)) for each in found.explanations]


def grid(fails: dict[str, str], runs: int = 8) -> list[Counted]:
    """A campaign in which every run of the cells with these values fails, and no other."""
    cells = ({"journal": journal, "sync": sync} for journal, sync in product(JOURNALS, SYNCS))
    return [Counted(each, runs, 0) if fails.items() <= each.items() else Counted(each, 0, runs) for each in cells]


@pytest.mark.parametrize(
    ("fails", "want"),
    [({"journal": "off"}, "journal == off"), ({"journal": "off", "sync": "full"}, "journal == off and sync == full")],
)
def test_what_was_planted_is_found_and_nothing_else(fails: dict[str, str], want: str) -> None:
    found = explain(grid(fails))
    assert (said(found), found.left_failed, found.why) == ([want], 0, None)
    only = found.explanations[0]
    assert (only.failed, only.other_failed) == (only.trials, 0)
    assert only.p < 0.001


def test_numbers_have_thresholds() -> None:
    cells = [
        Counted({"voltage": f"{v}mV", "heat": h}, 5 * (v < 780), 5 * (v >= 780))
        for v in range(700, 900, 10)
        for h in "ab"
    ]
    assert said(explain(cells)) == ["voltage <= 770mV"]
    many = [Counted({"n": str(n)}, 3 * (n >= 500), 3 * (n < 500)) for n in range(1000)]
    assert said(explain(many)) == ["n >= 500"]


def test_two_causes_are_two_lines_read_in_order() -> None:
    cells = [
        Counted({"a": str(a), "b": b}, 10 if b == "x" else 9 if a == 3 else 0, 0 if b == "x" else 1 if a == 3 else 10)
        for a in range(6)
        for b in "xyz"
    ]
    found = explain(cells)
    assert said(found) == ["b == x", "a == 3"]
    assert found.explanations[1].trials == 20  # of what the first line leaves


def by_subject(passed: dict[str, int], runs: int) -> list[Counted]:
    return [Counted({"subject": name}, runs - count, count) for name, count in passed.items()]


@pytest.mark.parametrize(
    ("cells", "want", "counts"),
    [
        pytest.param(
            by_subject({"s1": 15, **{f"s{n}": 0 for n in range(2, 9)}}, 15), "subject != s1", (105, 105), id="eight"
        ),
        pytest.param(by_subject({"careful": 7, "hasty": 1, "idle": 1}, 7), "subject != careful", (12, 14), id="three"),
        pytest.param(
            [Counted({"n": str(n)}, 9 * (n != 4), 9 * (n == 4)) for n in range(8)], "n != 4", (63, 63), id="numbers"
        ),
        pytest.param(
            [Counted({"n": str(n)}, 9 * (n != 7), 9 * (n == 7)) for n in range(8)], "n <= 6", (63, 63), id="last-number"
        ),
    ],
)
def test_all_values_but_one_are_one_line(cells: list[Counted], want: str, counts: tuple[int, int]) -> None:
    found = explain(cells)
    assert (said(found), found.left_failed) == ([want], 0)
    assert (found.explanations[0].failed, found.explanations[0].trials) == counts


def test_a_cell_without_the_axis_has_no_other_value_of_it() -> None:
    found = explain([*by_subject({"s1": 15, "s2": 0, "s3": 0}, 15), Counted({}, 0, 15)])
    assert (said(found), found.left_trials) == (["subject != s1"], 30)


def drawn(draw: Random, shape: Sequence[Sequence[str]], cells: int, runs: int, rate: float) -> list[Counted]:
    """A campaign in which nothing but chance makes runs fail: all cells of these axes, or so many drawn ones."""
    every = [[draw.choice(each) for each in shape] for _ in range(cells)] if cells else product(*shape)
    failures = ((each, sum(draw.random() < rate for _ in range(runs))) for each in every)
    names = string.ascii_lowercase[: len(shape)]
    return [Counted(dict(zip(names, each, strict=True)), failed, runs - failed) for each, failed in failures]


@pytest.mark.parametrize(
    ("shape", "cells", "runs", "rate"),
    [
        pytest.param(["012345", "0123", "xyz"], 0, 3, 0.3, id="some-fail"),
        pytest.param(["abcdefghijkl", "abcdefghijkl"], 0, 5, 0.03, id="few-pairs-fail"),
        pytest.param(["abcdefgh"], 0, 15, 0.875, id="most-fail"),
        pytest.param(["abc"], 0, 7, 0.6, id="three-values"),
        pytest.param(["xy"] * 20, 100, 2, 0.1, id="few-axes-are-paired"),
    ],
)
def test_chance_is_no_explanation(shape: Sequence[str], cells: int, runs: int, rate: float) -> None:
    """At a level of 5 %, four of 80 campaigns without any pattern may seem to have one; what is left out counts."""
    draw = Random(7)
    found = [explain(drawn(draw, shape, cells, runs, rate)) for _ in range(80)]
    assert sum(bool(each.explanations) for each in found) <= 4
    assert all(each.explanations or "no value of an axis" in str(each.why) for each in found)


def test_every_condition_counts_whether_or_not_anything_fails_under_it() -> None:
    one_fails = [Counted({"a": a, "b": b}, int(a == b == "x"), 3) for a in "xyz" for b in "xyz"]
    assert explain(one_fails).tried == (3 + 3) + (3 + 3) + 3 * 3  # values, all others, pairs of values
    axes = "abcdefghij"  # more than are paired
    many = [Counted({**dict.fromkeys(axes, "x"), axis: "y"}, int(axis == "c"), 1) for axis in axes]
    assert explain(many).tried == 2 * 10 + 4 * 45


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([], "no valid trial"),
        ([Counted({"a": "1"}, 0, 0)], "no valid trial"),
        ([Counted({"a": "1"}, 0, 5), Counted({"a": "2"}, 0, 5)], "nothing failed"),
        ([Counted({"a": "1"}, 5, 0), Counted({"a": "2"}, 5, 0)], "every trial failed"),
        ([Counted({"a": "1"}, 5, 5)], "no axis has more than one value"),
        ([Counted({}, 5, 5), Counted({}, 5, 0)], "no axis has more than one value"),
        ([Counted({"a": "1"}, 1, 0), Counted({"a": "2"}, 0, 1)], "chance alone does as well"),
        ([Counted({"a": "1"}, 5, 5), Counted({"a": "2"}, 5, 5)], "no value of an axis fails more often"),
    ],
)
def test_it_says_why_there_is_none(cells: list[Counted], why: str) -> None:
    found = explain(cells)
    assert not found.explanations
    assert why in str(found.why)


def test_an_axis_with_too_many_values_is_named_and_left_out() -> None:
    cells = [Counted({"id": f"x{n}", "n": str(n), "a": str(n % 2)}, n % 2, 1 - n % 2) for n in range(MOST_NUMBERS + 1)]
    found = explain(cells)
    assert (said(found), found.left_out) == (["a == 1"], ("id", "n"))


LABELS = st.dictionaries(
    st.sampled_from(["a", "b", "voltage", "instance"]), st.sampled_from(["1", "2mV", "3mV", "x", ""])
)
CELLS = st.lists(st.builds(Counted, LABELS, st.integers(0, 20), st.integers(0, 20)), max_size=30)


@settings(max_examples=60)
@given(CELLS)
def test_the_list_parts_all_trials_into_disjoint_counts(cells: list[Counted]) -> None:
    found = explain(cells)
    failed, trials = sum(cell.failed for cell in cells), sum(cell.failed + cell.passed for cell in cells)
    assert len(found.explanations) <= MOST
    assert bool(found.explanations) is (found.why is None)
    for each in found.explanations:
        assert (each.failed + each.other_failed, each.trials + each.other_trials) == (failed, trials)
        assert 0 < each.failed <= each.trials
        assert each.failed * trials > failed * each.trials
        failed, trials = each.other_failed, each.other_trials
    assert (found.left_failed, found.left_trials) == (failed, trials)
