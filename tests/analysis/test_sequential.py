"""The sequential test: its bounds, what it needs at the least, and how open a rate is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.analysis.sequential import Goal, Said, chance, sequential_test

TARGETS = st.floats(0.02, 1)


@given(TARGETS, st.floats(0.5, 0.999))
def test_it_tells_two_rates_apart_that_enclose_the_target(target: float, confidence: float) -> None:
    test = sequential_test(Goal(target=target, confidence=confidence))
    assert 0 < test.low < target <= test.high <= 1
    assert target - test.low <= 0.05 + 1e-12
    assert test.most >= test.shortest >= 1


@given(st.floats(0.05, 0.95), st.integers(1, 100_000))
def test_a_share_above_the_target_speaks_for_it_and_one_below_against_it(target: float, trials: int) -> None:
    test = sequential_test(Goal(target=target))
    above, below = math.ceil(target * trials + 1e-6), math.floor(target * trials - 1e-6)
    assert above > trials or test.evidence(above, trials - above) > -1e-6
    assert below < 0 or test.evidence(below, trials - below) < 1e-6


@pytest.mark.parametrize(
    ("passes", "fails", "said"),
    [
        *[(30, 0, Said.UNDECIDED), (31, 0, Said.REACHED), (0, 4, Said.MISSED), (0, 3, Said.UNDECIDED)],
        *[(903, 97, Said.UNDECIDED), (904, 96, Said.REACHED), (896, 104, Said.MISSED), (0, 0, Said.UNDECIDED)],
    ],
)
def test_what_is_said_of_ninety_percent(passes: int, fails: int, said: Said) -> None:
    test = sequential_test(Goal(target=0.9))
    assert test.say(passes, fails) is said
    assert (test.wanting(passes, fails) == 0) is (said is not Said.UNDECIDED)


def test_of_a_hundred_percent_one_failure_is_too_many() -> None:
    test = sequential_test(Goal(target=1.0))
    assert test.say(test.shortest, 0) is Said.REACHED
    assert test.say(10_000, 1) is Said.MISSED
    assert test.most == test.shortest


@given(st.integers(0, 300), st.integers(0, 300))
def test_so_many_more_of_the_same_share_decide(passes: int, fails: int) -> None:
    test = sequential_test(Goal(target=0.9))
    wanting, trials = test.wanting(passes, fails), passes + fails
    if trials and 0 < wanting < test.most:
        share = passes / trials
        assert test.say(share * (trials + wanting), (1 - share) * (trials + wanting)) is not Said.UNDECIDED


@pytest.mark.parametrize(
    "goal", [Goal(target=0), Goal(target=1.1), Goal(target=0.9, confidence=1), Goal(target=0.9, margin=0)]
)
def test_what_no_test_decides_is_refused(goal: Goal) -> None:
    with pytest.raises(ValueError, match="no test decides"):
        sequential_test(goal)


@settings(max_examples=30)
@given(st.integers(0, 400), st.integers(0, 400), st.floats(0.01, 0.99))
def test_the_chance_of_a_rate_is_that_of_its_beta_distribution(passes: int, fails: int, target: float) -> None:
    """Against the density, summed up."""
    steps = 2_000
    width = (1 - target) / steps
    log_beta = math.lgamma(passes + 1) + math.lgamma(fails + 1) - math.lgamma(passes + fails + 2)
    points = (target + (each + 0.5) * width for each in range(steps))
    summed = sum(math.exp(passes * math.log(x) + fails * math.log1p(-x) - log_beta) for x in points) * width
    assert chance(passes, fails, target) == pytest.approx(summed, abs=4e-3)


def test_nothing_is_open_of_a_rate_that_is_plain() -> None:
    assert chance(1000, 0, 0.9) > 1 - 1e-9
    assert chance(0, 100, 0.9) < 1e-9
    assert chance(3, 0, 1.0) == 0
