"""The interval of a rate: known values, and the laws every interval keeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.analysis.statistics import wilson

COUNTS = st.integers(min_value=1, max_value=10_000).flatmap(
    lambda trials: st.tuples(st.integers(min_value=0, max_value=trials), st.just(trials))
)


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
def test_known_values(passes: int, trials: int, low: float, high: float) -> None:
    assert wilson(passes, trials) == pytest.approx((low, high), abs=5e-5)


def test_there_is_no_rate_without_a_trial() -> None:
    assert wilson(0, 0) is None


@given(COUNTS)
def test_the_interval_holds_the_rate_and_stays_within_bounds(counts: tuple[int, int]) -> None:
    passes, trials = counts
    low, high = wilson(passes, trials) or (2.0, -1.0)
    assert 0 <= low <= passes / trials <= high <= 1


@given(COUNTS)
def test_failures_mirror_passes(counts: tuple[int, int]) -> None:
    passes, trials = counts
    low, high = wilson(passes, trials) or (2.0, -1.0)
    mirrored = wilson(trials - passes, trials) or (2.0, -1.0)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-12)
