"""Strategies: every fault is laid out inside the span, from the draw alone."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from campaign.plugins.api import Dimension, Placement, Quantity, Schedule, Spread, UnableError, Unplaced
from campaign.plugins.parameters import defaults
from campaign_standard._chance import Chance
from campaign_standard.schedule import campaign_schedules

STRATEGIES: dict[str, Schedule] = {each.name: each for each in campaign_schedules()}
ONCE = ("even", "jittered", "random", "storm", "compact")


def seconds(value: float | str) -> Quantity:
    return Quantity(Fraction(value), Dimension.DURATION, "s")


def laid_out(
    name: str, count: int, over: Quantity, random: int = 0, seed: int = 0, **changes: object
) -> list[Placement]:
    strategy = STRATEGIES[name]
    faults = tuple(Unplaced(label=f"f{number}", fault="m.m", duration=seconds(1)) for number in range(count))
    given = {**defaults(strategy), **changes}
    return list(strategy.lay_out(Spread(faults=faults, over=over, random=random, seed=seed, settings=given)))


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@settings(deadline=None, max_examples=20)
@given(st.integers(1, 12), st.integers(60, 100_000), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_every_fault_comes_within_the_span(name: str, count: int, over_s: int, random: int, seed: int) -> None:
    found = laid_out(name, count, seconds(over_s), random, seed)
    counts = Counter(each.fault for each in found)
    assert set(counts) == set(range(count)), "each at least once"
    assert name not in ONCE or set(counts.values()) == {1}
    assert all(0 <= each.at.value < max(over_s, 3600 if name == "session" else 0) for each in found)
    assert all((each.at.value * 1000).denominator == 1 for each in found), "whole milliseconds"
    assert found == laid_out(name, count, seconds(over_s), random, seed), "from what it is given alone"


def test_even_is_even_and_in_the_order_of_the_spec() -> None:
    assert [(each.fault, each.at.value) for each in laid_out("even", 3, seconds(8))] == [(0, 2), (1, 4), (2, 6)]
    assert [each.fault for each in laid_out("even", 2, seconds(8), times=2)] == [0, 1, 0, 1]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(10, 10_000), st.integers(0, 2**64 - 1))
def test_jitter_keeps_the_order(count: int, over_s: int, random: int) -> None:
    found = laid_out("jittered", count, seconds(over_s), random, jitter=Fraction(1, 2))
    instants = [each.at.value for each in found]
    assert instants == sorted(instants)
    step = Fraction(over_s, count + 1)
    even = [step * number for number in range(1, count + 1)]
    assert all(abs(at - place) <= step / 2 + Fraction(1, 500) for at, place in zip(instants, even, strict=True))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 20), st.integers(1, 5), st.integers(30, 3000), st.integers(0, 2**64 - 1))
def test_a_storm_overlaps_and_is_bounded(count: int, most: int, over_s: int, random: int) -> None:
    assume(over_s // -(-count // most) > 2)
    found = sorted(laid_out("storm", count, seconds(over_s), random, most=most), key=lambda each: each.at.value)
    begins = [each.at.value for each in found]
    in_force = [sum(begin <= at < begin + 1 for begin in begins) for at in begins]
    assert max(in_force) <= most
    assert max(in_force) == min(most, count), "those of one burst are in force together"


def test_a_storm_says_where_it_has_no_room() -> None:
    with pytest.raises(UnableError, match="no room for 4 of its bursts"):
        laid_out("storm", 10, seconds(7))


def test_arrivals_are_as_many_as_their_mean_says() -> None:
    counts = [len(laid_out("poisson", 2, seconds(1000), random, mean=seconds(10))) for random in range(100)]
    assert 95 <= sum(counts) / len(counts) <= 105
    assert len(set(counts)) > 10
    counts = [len(laid_out("poisson", 1, seconds("1.5"), random, mean=seconds("0.001"))) for random in range(20)]
    assert 1450 <= sum(counts) / len(counts) <= 1550
    with pytest.raises(UnableError, match="mean is too short"):
        laid_out("poisson", 1, seconds(1000), mean=seconds("0.001"))


def test_waiting_times_are_exponential() -> None:
    chance = Chance(2**64 - 1)
    found = sorted(chance.exponential(1_000_000) for _ in range(20_000))
    assert 0.97e6 < sum(found) / len(found) < 1.03e6
    assert 0.66e6 < found[10_000] < 0.72e6, "the median is ln 2 of the mean"
    assert 2.2e6 < found[18_000] < 2.4e6, "nine of ten are below ln 10"


def test_bounded_numbers_are_even() -> None:
    chance = Chance(5)
    counts = Counter(chance.below(5) for _ in range(10_000))
    assert set(counts) == set(range(5))
    assert all(1_800 < count < 2_200 for count in counts.values())
    assert chance.below(0) == 0
