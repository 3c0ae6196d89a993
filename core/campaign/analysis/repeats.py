"""How often a candidate is run before it counts as failing or not, where the failure does not come back every time.

The original is repeated first.  Fails it every time, one run decides about a candidate.  Else its failure rate is
estimated, cautiously, and each candidate is run until a sequential probability ratio test decides between that rate and
a tenth of it: A. Wald, «Sequential Tests of Statistical Hypotheses», Annals of Mathematical Statistics 16 (1945).  A
candidate that fails as often as the original is missed in one of 1,000 cases, one that fails a tenth as often is taken
in one of 20, and one that never fails in none.
"""

from __future__ import annotations

from functools import cache
from math import ceil, log

from msgspec import Struct

from campaign.analysis.statistics import wilson

#: So often the original is repeated first; where all fail, the failure counts as reliable.
FIRST = 5
#: Else it goes on until so many have failed, for an estimate within a third, or until so many were run.
FAILURES, MOST = 10, 40
#: Of the interval for the rate its lower end is taken: too low costs runs, too high the right result.
CONFIDENCE = 0.9
MISSED, TAKEN, TENTH = 0.001, 0.05, 0.1


class Repeats(Struct, frozen=True):
    """How the original came back: in ``failed`` of ``runs`` repeats.

    ``rate`` is what is supposed of its failure rate, 1 of a reliable one.  A candidate counts as failing after
    ``fails_after`` failures on end, as not failing after ``passes_after`` runs without one; mixed ones take longer.
    """

    failed: int
    runs: int

    @property
    def enough(self) -> bool:
        """Whether the original need not be run again to know its rate."""
        if self.runs < FIRST:
            return False
        return self.reliable or self.failed >= FAILURES or self.runs >= MOST

    @property
    def reliable(self) -> bool:
        """Whether it failed every time."""
        return self.failed == self.runs

    @property
    def rate(self) -> float:
        """The failure rate that is supposed."""
        return 1.0 if self.reliable else _cautious(self.failed, self.runs)

    @property
    def fails_after(self) -> int:
        """Failures on end after which a candidate counts as failing."""
        return 1 if self.reliable else ceil(log((1 - MISSED) / TAKEN) / _weight(self.rate, fails=True))

    @property
    def passes_after(self) -> int:
        """Runs without a failure after which a candidate counts as not failing."""
        return 1 if self.reliable else ceil(log(MISSED / (1 - TAKEN)) / _weight(self.rate, fails=False))

    def decided(self, failed: int, runs: int) -> bool | None:
        """Whether a candidate that failed in so many runs counts as failing; None: run it again."""
        if self.reliable:
            return failed > 0 if runs else None
        evidence = failed * _weight(self.rate, fails=True) + (runs - failed) * _weight(self.rate, fails=False)
        if evidence >= log((1 - MISSED) / TAKEN):
            return True
        return False if evidence <= log(MISSED / (1 - TAKEN)) else None


@cache
def _cautious(failed: int, runs: int) -> float:
    interval = wilson(failed, runs, CONFIDENCE)
    return 1.0 if interval is None else interval[0]


@cache
def _weight(rate: float, *, fails: bool) -> float:
    """The logarithm of the likelihood ratio that one run adds."""
    other = rate * TENTH
    return log(rate / other) if fails else log((1 - rate) / (1 - other))
