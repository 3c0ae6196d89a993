"""Intervals, tests and corrections: known values, the laws they keep, and scipy's answers over wide ranges."""

from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.analysis.ranks import EXACT, mann_whitney
from campaign.analysis.statistics import (
    binomial_test,
    fisher,
    holm,
    independence,
    log_likelihood,
    newcombe,
    wilson,
)

COUNTS = st.integers(min_value=1, max_value=10_000).flatmap(
    lambda trials: st.tuples(st.integers(min_value=0, max_value=trials), st.just(trials))
)
CHANCES = st.lists(st.floats(min_value=0, max_value=1), max_size=20)
NUMBERS = st.lists(st.integers(min_value=0, max_value=30), min_size=1, max_size=12)
FEW = settings(max_examples=40)
SIDES = {"both": "two-sided", "less": "less", "more": "greater"}


def drawn(seed: int, times: int = 30) -> Iterator[Random]:
    """The same random cases every time."""
    draw = Random(seed)
    return (draw for _ in range(times))


def size(draw: Random, most: float = 4.0) -> int:
    """From 1 to 10,000, small ones as often as large ones."""
    return int(10 ** draw.uniform(0, most))


class TestWilson:
    @pytest.mark.parametrize(
        ("passes", "trials", "low", "high"),
        [
            # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
            (20, 20, 0.8389, 1.0),
        ],
    )
    def test_known_values(self, passes: int, trials: int, low: float, high: float) -> None:
        assert wilson(passes, trials) == pytest.approx((low, high), abs=5e-5)

    def test_there_is_no_rate_without_a_trial(self) -> None:
        assert wilson(0, 0) is None

    @given(COUNTS)
    def test_it_holds_the_rate_and_stays_within_bounds(self, counts: tuple[int, int]) -> None:
        passes, trials = counts
        low, high = wilson(passes, trials) or (2.0, -1.0)
        assert 0 <= low <= passes / trials <= high <= 1

    @given(COUNTS)
    def test_failures_mirror_passes(self, counts: tuple[int, int]) -> None:
        passes, trials = counts
        low, high = wilson(passes, trials) or (2.0, -1.0)
        mirrored = wilson(trials - passes, trials) or (2.0, -1.0)
        assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-12)


class TestOfADifference:
    @pytest.mark.parametrize(
        ("counts", "low", "high"),
        [
            # R. G. Newcombe, Statistics in Medicine 17 (1998), table II, method 10
            ((56, 70, 48, 80), 0.0524, 0.3339),
            ((9, 10, 3, 10), 0.1705, 0.8090),
            ((6, 7, 2, 7), 0.0582, 0.8062),
            ((5, 56, 0, 29), -0.0381, 0.1926),
            ((0, 10, 0, 20), -0.1611, 0.2775),
            ((0, 10, 0, 10), -0.2775, 0.2775),
            ((10, 10, 0, 20), 0.6791, 1.0),
            ((10, 10, 0, 10), 0.6075, 1.0),
        ],
    )
    def test_known_values(self, counts: tuple[int, int, int, int], low: float, high: float) -> None:
        assert newcombe(*counts) == pytest.approx((low, high), abs=5e-5)

    def test_there_is_none_without_trials_of_both(self) -> None:
        assert newcombe(0, 0, 1, 2) is newcombe(1, 2, 0, 0) is None

    @FEW
    @given(COUNTS, COUNTS)
    def test_the_other_way_round_it_is_mirrored(self, one: tuple[int, int], other: tuple[int, int]) -> None:
        low, high = newcombe(*one, *other) or (2.0, -2.0)
        assert -1 <= low <= one[0] / one[1] - other[0] / other[1] <= high <= 1
        assert newcombe(*other, *one) == pytest.approx((-high, -low), abs=1e-12)


class TestEmptyAndOneSided:
    def test_of_nothing_nothing_is_known(self) -> None:
        assert mann_whitney([], [1.0]) is mann_whitney([1.0], []) is None
        assert fisher(0, 0, 3, 4) == binomial_test(0, 0, 0.5) == 1.0
        assert independence(0, 0, 3, 4) == 0.0
        assert holm([]) == []

    @pytest.mark.parametrize("side", ["two-sided", ""])
    def test_a_side_that_there_is_not_is_refused(self, side: str) -> None:
        with pytest.raises(ValueError, match="not"):
            fisher(1, 2, 3, 4, side)

    @FEW
    @given(COUNTS, COUNTS)
    def test_both_sides_hold_everything(self, one: tuple[int, int], other: tuple[int, int]) -> None:
        table = (one[0], one[1] - one[0], other[0], other[1] - other[0])
        less, more = fisher(*table, "less"), fisher(*table, "more")
        assert less + more >= 1 - 1e-9
        assert fisher(*table) <= min(1.0, 2 * min(less, more)) * 1.5 + 1e-9


class TestLikelihoods:
    def test_what_cannot_be_has_none(self) -> None:
        assert log_likelihood(1, 0, 0.0) == log_likelihood(0, 1, 1.0) == float("-inf")
        assert log_likelihood(0, 5, 0.0) == log_likelihood(5, 0, 1.0) == log_likelihood(0, 0, 0.3) == 0.0

    @given(COUNTS, st.floats(min_value=0.01, max_value=0.99))
    def test_the_rate_that_was_seen_is_the_likeliest(self, counts: tuple[int, int], rate: float) -> None:
        passes, trials = counts
        seen = log_likelihood(passes, trials - passes, passes / trials)
        assert log_likelihood(passes, trials - passes, rate) <= seen + 1e-9 * trials


class TestMany:
    def test_holm_as_in_a_textbook(self) -> None:
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    @FEW
    @given(CHANCES)
    def test_a_correction_raises_keeps_the_order_and_stays_below_one(self, chances: list[float]) -> None:
        raised = holm(chances)
        assert all(before <= after <= 1 for before, after in zip(chances, raised, strict=True))
        ranked = [raised[index] for index in sorted(range(len(chances)), key=chances.__getitem__)]
        assert all(one <= next_ for one, next_ in pairwise(ranked))


class TestRanks:
    @given(NUMBERS, NUMBERS)
    def test_u_and_effect_count_pairs(self, first: list[float], other: list[float]) -> None:
        found = mann_whitney(first, other)
        assert found is not None
        won = sum((a > b) + (a == b) / 2 for a in first for b in other)
        assert (found.u, (found.effect + 1) / 2) == (won, pytest.approx(won / len(first) / len(other)))
        assert 0 <= found.p <= 1
        mirrored = mann_whitney(other, first)
        assert mirrored is not None
        assert (mirrored.p, mirrored.effect) == (pytest.approx(found.p), pytest.approx(-found.effect))

    def test_equal_numbers_differ_in_nothing(self) -> None:
        found = mann_whitney([1.0] * 40, [1.0] * 50)
        assert found is not None
        assert (found.p, found.effect) == (1.0, 0.0)


class TestAgainstScipy:
    """Relative differences: what is left of 16 digits after logarithms of large factorials."""

    @pytest.fixture
    def stats(self) -> object:
        return pytest.importorskip("scipy.stats")

    def test_intervals_of_a_rate(self, stats) -> None:  # type: ignore[no-untyped-def]
        for draw in drawn(1):
            trials, confidence = size(draw), draw.choice((0.8, 0.95, 0.999))
            passes = draw.randint(0, trials)
            want = stats.binomtest(passes, trials).proportion_ci(confidence, "wilson")
            assert wilson(passes, trials, confidence) == pytest.approx((want.low, want.high), rel=1e-9, abs=1e-14)

    def test_the_binomial_test(self, stats) -> None:  # type: ignore[no-untyped-def]
        for draw in drawn(2):
            trials, rate = size(draw), draw.random()
            passes = draw.choice((draw.randint(0, trials), min(trials, max(0, round(draw.gauss(trials * rate, 3))))))
            for side, theirs in SIDES.items():
                want = stats.binomtest(passes, trials, rate, alternative=theirs).pvalue
                assert binomial_test(passes, trials, rate, side) == pytest.approx(want, rel=1e-8, abs=1e-300)

    def test_fishers_exact_test(self, stats) -> None:  # type: ignore[no-untyped-def]
        for draw in drawn(3):
            table = [size(draw, 2.7) - 1 for _ in range(4)]
            for side, theirs in SIDES.items():
                want = stats.fisher_exact([table[:2], table[2:]], alternative=theirs).pvalue
                assert fisher(*table, side) == pytest.approx(want, rel=1e-8, abs=1e-300)

    def test_the_likelihood_ratio(self, stats) -> None:  # type: ignore[no-untyped-def]
        for draw in drawn(4):
            table = [size(draw) for _ in range(4)]
            want = stats.chi2_contingency([table[:2], table[2:]], correction=False, lambda_="log-likelihood")
            assert independence(*table) == pytest.approx(want.statistic, rel=1e-8, abs=1e-7)

    def test_mann_whitney_exactly(self, stats) -> None:  # type: ignore[no-untyped-def]
        for draw in drawn(5):
            first = [draw.gauss(0, 1) for _ in range(draw.randint(1, 25))]
            other = [draw.gauss(0.6, 1) for _ in range(draw.randint(1, EXACT // 25))]
            want, found = stats.mannwhitneyu(first, other, method="exact"), mann_whitney(first, other)
            assert found is not None
            assert (found.u, found.p) == (pytest.approx(want.statistic), pytest.approx(want.pvalue, rel=1e-10))

    def test_mann_whitney_with_ties_and_in_large_samples(self, stats) -> None:  # type: ignore[no-untyped-def]
        for draw in drawn(6):
            values, shift = draw.choice((3, 20, 10**9)), draw.choice((0, 1))
            first = [float(draw.randint(0, values)) for _ in range(draw.randint(40, 400))]
            other = [float(draw.randint(0, values) + shift) for _ in range(draw.randint(40, 400))]
            want = stats.mannwhitneyu(first, other, method="asymptotic", use_continuity=True)
            found = mann_whitney(first, other)
            assert found is not None
            assert (found.u, found.p) == (pytest.approx(want.statistic), pytest.approx(want.pvalue, rel=1e-10))
