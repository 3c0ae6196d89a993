"""How sure a rate is, whether two differ, what holds of many at once: without a statistics package.

What is measured rather than counted is in ``ranks``, when to stop in ``sequential``.  Every function is checked
against scipy in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, fsum, lgamma, log, log1p, sqrt
from statistics import NormalDist

#: Two outcomes count as equally likely where they differ by no more than rounding does.
_AS_LIKELY = log1p(1e-7)
#: What a sum is no longer changed by.
_NOTHING = 1e-18


# --- intervals --------------------------------------------------------------------------------------------------


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


def newcombe(
    passes: int, trials: int, other_passes: int, other_trials: int, confidence: float = 0.95
) -> tuple[float, float] | None:
    """The interval of a difference of two rates, the first less the other one, in -1..1; None without trials of both.

    Made of the score intervals of both.  Source: R. G. Newcombe, «Interval Estimation for the Difference between
    Independent Proportions: Comparison of Eleven Methods», Statistics in Medicine 17 (1998), 873-890, method 10.
    """
    first, other = wilson(passes, trials, confidence), wilson(other_passes, other_trials, confidence)
    if first is None or other is None:
        return None
    rate, other_rate = passes / trials, other_passes / other_trials
    below = sqrt((rate - first[0]) ** 2 + (other[1] - other_rate) ** 2)
    above = sqrt((first[1] - rate) ** 2 + (other_rate - other[0]) ** 2)
    difference = rate - other_rate
    return max(-1.0, difference - below), min(1.0, difference + above)


# --- tests ------------------------------------------------------------------------------------------------------


def binomial_test(passes: int, trials: int, rate: float, side: str = "both") -> float:
    """How likely counts at least as far from ``rate`` are where that is the true one; the exact test.

    ``side`` is ``both`` (every count that is no likelier), ``less`` or ``more`` (passes than expected).  For pairs
    that differ (fixed against broken), with the rate 0.5, it is McNemar's exact test.  Source: R. A. Fisher, «The
    Design of Experiments» (1935), chapter 2; both sides as R and scipy define them.
    """

    def chance(count: int) -> float:
        return _log_choose(trials, count) + log_likelihood(count, trials - count, rate)

    most_likely = min(trials, int((trials + 1) * rate))
    return _exact(chance, passes, (0, most_likely, trials), side)


def fisher(passes: int, fails: int, other_passes: int, other_fails: int, side: str = "both") -> float:
    """How likely two groups are to differ at least so much where their rates are the same; Fisher's exact test.

    ``side`` is ``both`` (every table that is no likelier), ``less`` (the first passes less often than the other) or
    ``more``.  1 where a group is empty.  Source: R. A. Fisher, «On the Interpretation of χ² from Contingency Tables,
    and the Calculation of P», Journal of the Royal Statistical Society 85 (1922), 87-94; both sides as R and scipy
    define them.
    """
    trials, all_passes = passes + fails, passes + other_passes
    others = other_passes + other_fails
    whole = _log_choose(trials + others, all_passes)

    def chance(count: int) -> float:
        return _log_choose(trials, count) + _log_choose(others, all_passes - count) - whole

    least, most = max(0, all_passes - others), min(trials, all_passes)
    most_likely = (trials + 1) * (all_passes + 1) // (trials + others + 2)
    return _exact(chance, passes, (least, min(max(most_likely, least), most), most), side)


def _exact(chance: Callable[[int], float], seen: int, counts: tuple[int, int, int], side: str) -> float:
    """The tails of a distribution of counts with one peak; ``chance`` is a logarithm, ``counts`` least, peak, most."""
    least, peak, most = counts
    if side == "less":
        return _tail(chance, seen, least, -1) if seen <= peak else 1 - _tail(chance, seen + 1, most, 1)
    if side == "more":
        return _tail(chance, seen, most, 1) if seen >= peak else 1 - _tail(chance, seen - 1, least, -1)
    if side != "both":
        raise ValueError(f"a test has the sides both, less and more, not {side}")
    limit = chance(seen) + _AS_LIKELY
    if chance(peak) <= limit:
        return 1.0
    below, above = _last(chance, least, peak, limit), _last(chance, most, peak, limit)
    tails = [] if below is None else [_tail(chance, below, least, -1)]
    return min(1.0, fsum(tails if above is None else [*tails, _tail(chance, above, most, 1)]))


def _last(chance: Callable[[int], float], end: int, peak: int, limit: float) -> int | None:
    """The count nearest to the peak, on the side of ``end``, that is no likelier than ``limit``; None for none."""
    if chance(end) > limit:
        return None
    while abs(peak - end) > 1:
        middle = (end + peak) // 2
        if chance(middle) <= limit:
            end = middle
        else:
            peak = middle
    return end


def _tail(chance: Callable[[int], float], start: int, end: int, step: int) -> float:
    """The sum of chances from ``start`` to ``end``, which leads away from the peak."""
    summed: list[float] = []
    for count in range(start, end + step, step):
        summed.append(exp(chance(count)))
        if summed[-1] <= _NOTHING * summed[0]:
            break
    return min(1.0, fsum(summed))


def independence(passes: int, fails: int, other_passes: int, other_fails: int) -> float:
    """How far two groups are from the same rate: the statistic G of the likelihood ratio, 0 where they are equal.

    About chi-squared with one degree of freedom.  Source: S. S. Wilks, «The Large-Sample
    Distribution of the Likelihood Ratio for Testing Composite Hypotheses», Annals of Mathematical Statistics 9 (1938).
    """
    trials, others = passes + fails, other_passes + other_fails
    if not trials or not others:
        return 0.0
    rate = (passes + other_passes) / (trials + others)
    apart = log_likelihood(passes, fails, passes / trials)
    apart += log_likelihood(other_passes, other_fails, other_passes / others)
    return max(0.0, 2 * (apart - log_likelihood(passes + other_passes, fails + other_fails, rate)))


# --- likelihoods ------------------------------------------------------------------------------------------------


def log_likelihood(passes: int, fails: int, rate: float) -> float:
    """The logarithm of how likely so many passes and fails are, in a given order, at ``rate``; -inf: they cannot be.

    Source: the definition of Bernoulli trials.
    """
    if (passes and rate <= 0) or (fails and rate >= 1):
        return float("-inf")
    return (passes * log(rate) if passes else 0.0) + (fails * log1p(-rate) if fails else 0.0)


# --- many at once -----------------------------------------------------------------------------------------------


def holm(chances: Sequence[float]) -> list[float]:
    """The p-values of several tests, raised so that any false alarm among them all is as rare as one's would be.

    Holds however the tests depend on one another.  Source: S. Holm, «A Simple Sequentially Rejective Multiple Test
    Procedure», Scandinavian Journal of Statistics 6 (1979), 65-70.
    """
    raised, least, total = [0.0] * len(chances), 0.0, len(chances)
    for place, index in enumerate(sorted(range(total), key=chances.__getitem__)):
        least = max(least, min(1.0, chances[index] * (total - place)))
        raised[index] = least
    return raised


# --- special functions ------------------------------------------------------------------------------------------


def _log_choose(total: int, chosen: int) -> float:
    """The logarithm of a binomial coefficient."""
    return lgamma(total + 1) - lgamma(chosen + 1) - lgamma(total - chosen + 1)
