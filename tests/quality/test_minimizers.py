"""How well the minimizers minimize, by runs and rounds on seeded failures; the whole size under ``make bench``."""

from __future__ import annotations

from math import log2

import pytest
from bench import minimize
from bench.minimize import Failure, Reduced, ddmin, halving, is_one_minimal, ours

from campaign.plugins.api import Tunable

LISTS = [minimize.lists(seed, longest=1000 if seed else 10_000) for seed in range(50)]
TRIPLES = [minimize.parameters(seed) for seed in range(80)]


@pytest.fixture(scope="module")
def classic() -> list[Reduced]:
    return [ddmin(failure) for failure in LISTS]


def test_a_list_takes_at_most_four_fifths_of_the_runs_of_classic_ddmin(classic) -> None:
    assert sum(ours(failure).runs for failure in LISTS) <= 0.8 * sum(each.runs for each in classic)


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_a_list_never_ends_larger_than_with_classic_ddmin(slots, classic) -> None:
    for seed, (failure, peer) in enumerate(zip(LISTS, classic, strict=True)):
        found = ours(failure, slots).smallest
        assert len(found) <= len(peer.smallest), seed
        assert failure.fails(found), seed
        assert is_one_minimal(failure, found), seed


def test_two_slots_take_at_most_seven_tenths_of_the_rounds_of_one() -> None:
    for failures in (LISTS[1:], TRIPLES):
        assert sum(ours(each, 2).rounds for each in failures) <= 0.7 * sum(ours(each).rounds for each in failures)


def test_ten_thousand_elements_with_causes_far_apart_are_found() -> None:
    causes = {17, 4_999, 5_000, 9_998}
    failure = Failure(tuple(range(10_000)), lambda kept: causes <= set(kept))
    assert set(ours(failure).smallest) == causes
    assert ours(failure).runs <= 0.8 * ddmin(failure).runs


def test_a_monotone_parameter_takes_at_most_the_logarithm_of_its_range_and_two() -> None:
    for seed in range(300):
        failure, size = minimize.one_threshold(seed)
        assert ours(failure).runs <= log2(size) + 2, seed


@pytest.mark.parametrize("slots", [1, 2])
def test_parameters_never_end_larger_than_with_greedy_halving(slots) -> None:
    for seed, failure in enumerate(TRIPLES):
        found = ours(failure, slots).smallest
        assert found <= halving(failure).smallest, seed
        assert failure.fails(found), seed


@pytest.mark.parametrize("slots", [1, 2])
def test_a_monotone_failure_ends_where_no_parameter_can_be_one_less(slots) -> None:
    for seed, failure in enumerate(TRIPLES):
        found = ours(failure, slots).smallest
        for at, parameter in enumerate(failure.start if failure.monotone else ()):
            less = (*found[:at], found[at] - 1, *found[at + 1 :])
            assert found[at] == parameter.low or not failure.fails(less), seed


def test_what_fails_only_three_times_in_ten_is_minimized_right_in_95_of_100_trials() -> None:
    results = [minimize.flaky(seed) for seed in range(100)]
    right = sum(each.smallest == minimize.thresholds(seed) for seed, each in enumerate(results))
    assert right >= 95
    for each in results:
        assert each.whole is not None
        assert each.whole.repeats.failed < each.whole.repeats.runs


def test_a_gap_that_bisection_steps_over_is_caught_by_the_last_check() -> None:
    """Of 0..1024 fail those above 700 and those of 200..350: 512 does not, 701 is found, and 350 is half of that."""
    failure = Failure((Tunable(name="a", value=1024, low=0),), lambda v: v[0] > 700 or 200 <= v[0] <= 350)
    assert ours(failure).smallest == (200,)
