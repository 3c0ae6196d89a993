"""How sure a rate is, without a statistics package."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson(passes: int, trials: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """The score interval of a rate, both ends in 0..1; None without a trial.

    Unlike the textbook interval it is right for few trials and for rates near 0 and 1.  Source: E. B. Wilson,
    «Probable Inference, the Law of Succession, and Statistical Inference», JASA 22 (1927), 209-212.
    """
    if trials == 0:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, square = passes / trials, z * z / trials
    centre = (rate + square / 2) / (1 + square)
    half = z / (1 + square) * sqrt(rate * (1 - rate) / trials + square / (4 * trials))
    low = 0.0 if passes == 0 else max(0.0, centre - half)
    high = 1.0 if passes == trials else min(1.0, centre + half)
    return low, high
