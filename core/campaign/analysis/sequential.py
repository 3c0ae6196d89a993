"""Whether a win rate reaches its target: a sequential test that stops as soon as it is sure enough, either way; pure.

Wald's sequential probability ratio test of two rates, one below the target and one above.  The lower one is the target
less a margin (0.05 unless said); the upper one is chosen such that the two are equally likely where the share of passes
is the target itself, so that every trial above the target speaks for it and every one below against it:

    evidence = weight * (passes - target * trials),  reached at >= ln(1/a), missed at <= -ln(1/a),  a = 1 - confidence

Error rates, at any number of looks: «reached» is said with a probability of at most ``a`` where the true rate is the
lower one or less, «missed» with at most ``a`` where it is the upper one or more.  Between the two, the zone of
indifference, either may be said.  Whatever is not decided after ``most`` trials is «undecided» and counts as not
reached, so that the cut never makes a false «reached»; ``most`` is four times the number of trials that the test takes
on the average where the rate is the target, its slowest.

Sources: A. Wald, «Sequential Tests of Statistical Hypotheses», Ann. Math. Statist. 16 (1945), 117-186; that both bounds
hold at any look without Wald's approximation is J. Ville's inequality (1939) for the likelihood ratio.
"""

from __future__ import annotations

from enum import StrEnum
from math import ceil, exp, inf, lgamma, log

from msgspec import Struct

#: How far below its target, in the scale of rates (0..1), a win rate is certainly not good enough.
MARGIN = 0.05
_HALVINGS = 60
_TIMES_AVERAGE = 4
_ROUNDING = 1e-9


class Said(StrEnum):
    """What the test says of the trials so far."""

    REACHED = "reached"
    MISSED = "missed"
    UNDECIDED = "undecided"


class Goal(Struct, frozen=True, kw_only=True):
    """A win rate to be reached, how sure one wants to be, and the margin below; all of them rates, 0..1."""

    target: float
    confidence: float = 0.95
    margin: float = MARGIN


class SequentialTest(Struct, frozen=True, kw_only=True):
    """The test of a goal.

    ``low`` and ``high`` are the rates it tells apart, ``bound`` the evidence that decides; a pass adds ``pass_weight``
    to the evidence, a failure takes ``fail_weight`` (infinite where the target is 1).
    """

    goal: Goal
    low: float
    high: float
    bound: float
    pass_weight: float
    fail_weight: float

    def evidence(self, passes: float, fails: float) -> float:
        """The logarithm of how much likelier the trials are at ``high`` than at ``low``."""
        return passes * self.pass_weight - (fails * self.fail_weight if fails else 0.0)

    def say(self, passes: float, fails: float) -> Said:
        """What these trials show."""
        found = self.evidence(passes, fails)
        if found >= self.bound:
            return Said.REACHED
        return Said.MISSED if found <= -self.bound else Said.UNDECIDED

    def error_rate(self, tests: int) -> float:
        """The chance that any of so many tests of its own says «reached» where the rate is ``low`` or less: at most."""
        return min(1.0, tests * (1 - self.goal.confidence))

    @property
    def shortest(self) -> int:
        """The fewest trials that can show that the target is reached: all of them pass."""
        return ceil(self.bound / self.pass_weight)

    @property
    def most(self) -> int:
        """After so many trials what is undecided stays so."""
        target, step = self.goal.target, self.pass_weight + self.fail_weight
        if step == inf:
            return self.shortest
        return max(self.shortest, ceil(_TIMES_AVERAGE * self.bound**2 / (step**2 * target * (1 - target))))

    def wanting(self, passes: float, fails: float) -> int:
        """How many more trials would decide, were their share of passes that of these; 0 where it is decided."""
        if self.say(passes, fails) is not Said.UNDECIDED:
            return 0
        trials = passes + fails
        each = abs(self.evidence(passes, fails)) / trials if trials else self.pass_weight
        if each * self.most <= self.bound:
            return self.most
        return max(1, ceil(self.bound / each - trials - _ROUNDING))


def sequential_test(goal: Goal) -> SequentialTest:
    """The test of a goal; raises ValueError where there can be none."""
    if not (0 < goal.target <= 1 and 0.5 <= goal.confidence < 1 and 0 < goal.margin < 1):
        raise ValueError(f"no test decides {goal}")
    low = goal.target - min(goal.margin, goal.target / 2)
    high = _opposite(low, goal.target)
    return SequentialTest(
        goal=goal,
        low=low,
        high=high,
        bound=-log(1 - goal.confidence),
        pass_weight=log(high / low),
        fail_weight=log((1 - low) / (1 - high)) if high < 1 else inf,
    )


def _opposite(low: float, target: float) -> float:
    """The rate above the target that is as likely as ``low`` where the share of passes is the target, by bisection."""
    if target >= 1:
        return 1.0
    bottom, top = target, 1.0
    for _ in range(_HALVINGS):
        middle = (bottom + top) / 2
        if middle in (bottom, top):
            break
        neutral = target * log(middle / low) - (1 - target) * log((1 - low) / (1 - middle))
        bottom, top = (middle, top) if neutral > 0 else (bottom, middle)
    return bottom


def chance(passes: int, fails: int, target: float) -> float:
    """The probability that a rate is the target or more, after these trials, where every rate was as likely before.

    The upper tail of Beta(passes + 1, fails + 1), as the lower tail of a binomial (Abramowitz and Stegun 26.5.24).
    """
    if target >= 1:
        return 0.0
    trials, rise, fall = passes + fails + 1, log(target), log(1 - target)
    whole = lgamma(trials + 1)
    terms = (whole - lgamma(k + 1) - lgamma(trials - k + 1) + k * rise + (trials - k) * fall for k in range(passes + 1))
    return min(1.0, sum(map(exp, terms)))
