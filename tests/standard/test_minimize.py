"""The minimizers' own edges: units, floors, lists without a part in the failure.  How well they do: tests/quality."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice, pairwise

import pytest

from campaign.plugins.api import Tunable, parse_quantity
from campaign_standard._bisection import scale_of
from campaign_standard.minimize import DeltaDebugging, Parameters


def minimized(minimizer, start, fails, slots=1):
    """The smallest of what was tried and fails, and all that was tried."""
    tried, found = [], start
    candidates = minimizer.candidates(start, {}, slots)
    try:
        batch = next(candidates)
        while True:
            assert 1 <= len(batch) <= max(slots, 1)
            tried += batch
            answers = [fails(each) for each in batch]
            found = next((each for each, failing in zip(batch, answers, strict=True) if failing), found)
            batch = candidates.send(answers)
    except StopIteration:
        return found, tried


def tunable(value, low=None, allowed=()):
    read = lambda each: parse_quantity(each) if isinstance(each, str) else each  # noqa: E731
    return Tunable(name="x", value=read(value), low=read(low), allowed=tuple(map(read, allowed)))


@pytest.mark.parametrize(
    ("parameter", "first", "second"),
    [
        (tunable("3s", "1s"), "1s", "2s"),
        (tunable("3s", "1ms"), "1ms", "2ms"),
        (tunable("1.5s", "0.2s"), "0.2s", "0.3s"),
        (tunable("1h30m", "1m"), "1m", "2m"),
        (tunable("2s"), "1s", "2s"),
        (tunable("850mV", "0.8V"), "0.8V", "801mV"),
        (tunable(10, 4), "4", "5"),
        (tunable(10), "1", "2"),
        (tunable(Fraction(1, 2)), "1/10", "1/5"),
        (tunable("4s", "1s", ["1s", "3s", "4s", "9s"]), "1s", "3s"),
    ],
)
def test_a_parameter_is_made_smaller_in_the_finer_of_its_units(parameter, first, second) -> None:
    scale = scale_of(parameter)
    assert [str(scale.value(point)) for point in (0, 1)] == [first, second]
    assert scale.value(scale.top) == parameter.value


def test_a_lowest_value_off_the_grid_is_still_the_lowest() -> None:
    scale = scale_of(tunable("10s", "2500ms"))
    assert str(scale.value(0)) == "2500ms"
    assert {str(scale.value(point)) for point in (1, 2)} == {"2501ms", "2502ms"}


def test_a_parameter_at_its_lowest_value_or_below_is_left_alone() -> None:
    for parameter in (tunable(1, 1), tunable(0), tunable("1s", "1s"), tunable(-3, 1), tunable(5, 5, [5, 9])):
        assert minimized(Parameters(), (parameter,), lambda _: True)[1] == []


def test_a_parameter_that_has_no_part_costs_one_run() -> None:
    start = (tunable("24h", "1s"), tunable(256, 1), tunable(10_000, 1))
    found, tried = minimized(Parameters(), start, lambda values: values[2] >= 777)
    assert [str(each) for each in found] == ["1s", "1", "777"]
    assert [str(each[0]) for each in tried[:2]] == ["1s", "1s"]
    assert tried[1][1] == 1


def test_values_that_are_allowed_are_the_only_ones_tried() -> None:
    found, tried = minimized(Parameters(), (tunable(8, None, [1, 2, 4, 8, 16]),), lambda values: values[0] >= 3)
    assert found == (4,)
    assert {each for (each,) in tried} <= {1, 2, 4}


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_a_list_that_has_no_part_ends_with_nothing(slots) -> None:
    found, tried = minimized(DeltaDebugging(), tuple("abcdef"), lambda _: True, slots)
    assert found == ()
    assert tried == [()]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7])
def test_a_list_all_of_which_is_needed_stays_whole(length) -> None:
    start = tuple("abcdefg"[:length])
    found, tried = minimized(DeltaDebugging(), start, lambda kept: kept == start)
    assert found == start
    assert len(tried) == len(set(tried))


def test_elements_that_are_alike_are_told_apart() -> None:
    found, _ = minimized(DeltaDebugging(), ("put", "put", "get", "put"), lambda kept: kept.count("put") >= 2)
    assert found == ("put", "put")


def test_the_same_answers_give_the_same_candidates() -> None:
    def tried():
        return minimized(DeltaDebugging(), tuple(range(50)), lambda kept: {7, 31} <= set(kept), 2)[1]

    assert tried() == tried()
    assert list(islice(tried(), 1)) == [()]


@pytest.mark.parametrize(
    "parameter",
    [
        tunable("50%", 0),
        tunable(Fraction(1, 2), "1%"),
        tunable("0.5%", "0.02%"),
        tunable("1h30m", "90s"),
        tunable("1GHz", "800MHz"),
        tunable(Fraction(7, 4), Fraction(1, 3)),
        tunable("20C", "0C"),
        tunable(7, Fraction(1, 2)),
    ],
)
def test_the_values_of_a_scale_rise_from_the_lowest_to_the_start(parameter) -> None:
    scale = scale_of(parameter)
    values = [scale.value(point) for point in (0, 1, scale.top // 2, scale.top - 1, scale.top)]
    assert values[0] == parameter.low
    assert values[-1] == parameter.value
    assert all(low <= high for low, high in pairwise(values))
    assert scale.half(scale.top) < scale.top
    found, tried = minimized(Parameters(), (parameter,), lambda each: each[0] >= values[2])
    assert found == (values[2],)
    assert all(parameter.low <= each < parameter.value for (each,) in tried)
