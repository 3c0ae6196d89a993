"""The error rates that the sequential test states, measured; ``python -m bench iterate`` has 10,000 campaigns each."""

from __future__ import annotations

import pytest
from bench.iterate import CAMPAIGNS_OF, GOAL, ROUNDS, driven, iterated, simulated

from campaign.analysis.sequential import sequential_test

#: Campaigns; three standard errors of a rate of 5% are then 2.1 points.
CAMPAIGNS = 1_000
SLACK = 0.021


@pytest.mark.parametrize(
    ("rate", "wrong"), [(0.85, "reached"), (0.80, "reached"), (0.95, "missed"), (0.9385, "missed")]
)
def test_the_stated_error_rates_hold(rate: float, wrong: str) -> None:
    found = simulated(rate, CAMPAIGNS)
    assert found.said[wrong] / CAMPAIGNS <= 0.05 + SLACK
    right = {"reached": "missed", "missed": "reached"}[wrong]
    assert found.said[right] / CAMPAIGNS >= 0.95 - SLACK


def test_at_the_target_itself_it_decides_too_and_takes_the_longest() -> None:
    at, below, above = (simulated(rate, CAMPAIGNS) for rate in (0.90, 0.85, 0.95))
    assert at.said["undecided"] / CAMPAIGNS <= 0.02 + SLACK
    assert at.trials > below.trials
    assert at.trials > above.trials


@pytest.mark.parametrize("name", CAMPAIGNS_OF)
def test_trials_that_are_added_where_they_tell_most_make_no_false_success(name: str) -> None:
    campaigns = 100
    found = driven(CAMPAIGNS_OF[name], campaigns)
    assert found.said["reached"] / campaigns <= 0.05 + 0.066


@pytest.mark.parametrize("name", CAMPAIGNS_OF)
def test_over_all_rounds_the_chance_of_a_false_success_is_at_most_what_is_stated(name: str) -> None:
    campaigns = 50
    found = iterated(CAMPAIGNS_OF[name], ROUNDS, campaigns)
    assert found.said["reached"] / campaigns <= sequential_test(GOAL).error_rate(ROUNDS + 1)
