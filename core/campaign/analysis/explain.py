"""Which axis values go with failures: a short decision list, found greedily, honest about chance; pure.

Each step looks at every value of every axis, of numeric axes also at all values from one on or up to one, and at pairs
of such conditions on two axes; alone also at all values of an axis but one.  It takes the one that parts failures from
passes best (the likelihood ratio, less what it takes to name the condition among so many), keeps it if Fisher's exact
test says so with the number of conditions taken into account (Bonferroni), and goes on with what it does not cover.
Every condition that there is counts, those also that were passed over for what the data say: pairs without a failure,
pairs on axes that do little by themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, combinations
from math import log
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from campaign.analysis.cells import scale_of
from campaign.analysis.statistics import fisher, independence
from campaign.records.analysis import AxisCondition, Explained, Explanation

#: Conditions of a list; how likely each may be by chance; conditions that are combined, of so many axes.
MOST, LEVEL, MOST_AXES, FEW_AXES = 5, 0.05, 6, 4
#: Values of an axis that are told apart; from so many cells on, fewer axes are combined.
MOST_VALUES, MANY_CELLS = 24, 10_000
#: Numbers of an axis that are put in order.
MOST_NUMBERS = 2_000


class Counted(Struct, frozen=True):
    """A cell: its axes' values as labels, and how many of its trials failed and passed."""

    labels: Mapping[str, str]
    failed: int
    passed: int


class _Axis(Struct, frozen=True):
    """The values of an axis in order; where there are too many numbers, neighbours share a place.

    ``spans`` are the conditions on it, each a range of places with how it is written; ``others`` are those that take
    all values but one, by the place of that one.  They stand alone: in pairs they would make four times as many.
    """

    name: str
    places: Mapping[str, int]
    count: int
    spans: tuple[tuple[int, int, AxisCondition], ...]
    others: tuple[tuple[int, AxisCondition], ...] = ()


class _Placed(NamedTuple):
    """A cell by the places of its values, -1 where it lacks an axis."""

    places: tuple[int, ...]
    failed: int
    trials: int


#: Axes by number, each with the places of the values that are taken.
_Taken: TypeAlias = tuple[tuple[int, Collection[int]], ...]
#: What a condition counts, failures and trials, what it covers, and how it is written.
_Candidate: TypeAlias = tuple[int, int, _Taken, tuple[AxisCondition, ...]]


class _Found(Struct, frozen=True):
    """The best condition so far: what it covers, and what it counts."""

    score: float
    taken: _Taken
    conditions: tuple[AxisCondition, ...]
    failed: int
    trials: int


def explain(cells: Sequence[Counted]) -> Explained:
    """The decision list of these cells."""
    cells = [cell for cell in cells if cell.failed or cell.passed]
    failed = sum(cell.failed for cell in cells)
    trials = failed + sum(cell.passed for cell in cells)
    axes, left_out = _axes(cells)
    why = _hopeless(failed, trials, axes)
    if why is not None:
        return Explained(left_failed=failed, left_trials=trials, why=why, left_out=left_out)
    search = _Search(axes, cells)
    explanations, tried, best = [], 0, None
    for _ in range(MOST):
        step = search.best(failed, trials)
        tried += search.conditions
        if step is None:
            break
        told = _told(step, failed, trials, search.conditions)
        best = best or told
        if told.p > LEVEL:
            break
        explanations.append(told)
        search.leave(step.taken)
        failed, trials = failed - step.failed, trials - step.trials
    why = None if explanations else _nothing(best, tried)
    return Explained(
        explanations=tuple(explanations),
        tried=tried,
        left_failed=failed,
        left_trials=trials,
        why=why,
        left_out=left_out,
    )


def _hopeless(failed: int, trials: int, axes: Sequence[_Axis]) -> str | None:
    """Why there is nothing to look for; None where there is."""
    if not trials:
        return "there is no valid trial"
    if not failed:
        return "nothing failed"
    if failed == trials:
        return "every trial failed, whatever the values of its axes"
    return None if axes else "no axis has more than one value"


def _told(step: _Found, failed: int, trials: int, tried: int) -> Explanation:
    """With how likely one of so many conditions is to go with as many failures by chance."""
    others, other_trials = failed - step.failed, trials - step.trials
    p = fisher(step.failed, step.trials - step.failed, others, other_trials - others, "more")
    return Explanation(
        conditions=step.conditions,
        failed=step.failed,
        trials=step.trials,
        other_failed=others,
        other_trials=other_trials,
        p=min(1.0, p * tried),
    )


def _nothing(best: Explanation | None, tried: int) -> str:
    """That nothing explains the failures, and how far the best candidate is from it."""
    if best is None:
        return "no value of an axis fails more often than the others"
    named = " and ".join(map(str, best.conditions))
    return (
        f"no value of an axis explains the failures: of {tried:,} conditions the best is {named}, where {best.failed:,}"
        f" of {best.trials:,} failed, and chance alone does as well with probability {best.p:.2g}"
    )


# --- the axes ---------------------------------------------------------------------------------------------------


def _axes(cells: Iterable[Counted]) -> tuple[list[_Axis], tuple[str, ...]]:
    """The axes that take more than one value, and the names of those with too many to look at."""
    values: dict[str, dict[str, None]] = {}
    for cell in cells:
        for name, label in cell.labels.items():
            values.setdefault(name, {})[label] = None
    axes: list[_Axis] = []
    left_out: list[str] = []
    for name, labels in values.items():
        if len(labels) < 2:
            continue
        if len(labels) > MOST_NUMBERS:
            left_out.append(name)
            continue
        scale = scale_of(name, labels)
        if scale.numeric:
            axes.append(_numeric(name, scale.values))
        elif len(scale.values) <= MOST_VALUES:
            axes.append(_nominal(name, scale.values))
        else:
            left_out.append(name)
    return axes, tuple(left_out)


def _nominal(name: str, values: Sequence[str]) -> _Axis:
    places = {value: place for place, value in enumerate(values)}
    spans = tuple((place, place + 1, AxisCondition(name, "==", value)) for value, place in places.items())
    others = tuple((place, AxisCondition(name, "!=", value)) for value, place in places.items())
    return _Axis(name, places, len(values), spans, others if len(values) > 2 else ())


def _numeric(name: str, values: Sequence[str]) -> _Axis:
    """Rising values; every condition is a range of places: one value, or all up to one, or all from one on.

    The first and the last value need no condition of all others: these are all from the second on, or up to the last
    but one.
    """
    count = min(len(values), MOST_VALUES)
    places = {value: index * count // len(values) for index, value in enumerate(values)}
    least: dict[int, str] = {}
    most: dict[int, str] = {}
    for value, place in places.items():
        least.setdefault(place, value)
        most[place] = value
    single = range(count if count == len(values) else 0)
    spans = [(place, place + 1, AxisCondition(name, "==", least[place])) for place in single]
    ends = range(1, count - 1) if single else range(count - 1)
    spans += [(0, place + 1, AxisCondition(name, "<=", most[place])) for place in ends]
    spans += [
        (place, count, AxisCondition(name, ">=", least[place])) for place in (ends if single else range(1, count))
    ]
    others = [(place, AxisCondition(name, "!=", least[place])) for place in ends] if single else []
    return _Axis(name, places, count, tuple(spans), tuple(others))


# --- the search -------------------------------------------------------------------------------------------------


class _Table:
    """Failures and trials by the places of one axis or two (then row by row)."""

    def __init__(self, rows: int, columns: int = 1) -> None:
        self.rows, self.columns = rows, columns
        self.failed, self.trials = [0] * (rows * columns), [0] * (rows * columns)

    def sums(self) -> tuple[list[list[int]], list[list[int]]]:
        """For both, the sum of all rows and columns before each place: any range is four of them."""
        return self._sums(self.failed), self._sums(self.trials)

    def _sums(self, counts: Sequence[int]) -> list[list[int]]:
        above = [0] * (self.columns + 1)
        sums = [above]
        for start in range(0, len(counts), self.columns):
            row = accumulate(counts[start : start + self.columns], initial=0)
            above = [one + other for one, other in zip(above, row, strict=True)]
            sums.append(above)
        return sums


class _Search:
    """Finds the condition that parts what is left best, and leaves out what it covers."""

    def __init__(self, axes: Sequence[_Axis], cells: Sequence[Counted]) -> None:
        self._axes = axes
        self._cells = [
            _Placed(tuple([axis.places.get(cell.labels.get(axis.name, ""), -1) for axis in axes]), cell.failed, trials)
            for cell in cells
            if (trials := cell.failed + cell.passed)
        ]
        self._single = [_Table(axis.count) for axis in axes]
        self._count_single(self._cells, 1)
        combined = FEW_AXES if len(cells) > MANY_CELLS else MOST_AXES
        ranked = sorted(range(len(axes)), key=lambda axis: -self._strength(axis))[:combined]
        self._pairs = {(a, b): _Table(axes[a].count, axes[b].count) for a, b in combinations(sorted(ranked), 2)}
        self._count_pairs(self._cells, 1)
        spans = [len(axis.spans) for axis in axes]
        self._ones_counted = sum(spans) + sum(len(axis.others) for axis in axes)
        self._twos_counted = sum(a * b for a, b in combinations(spans, 2))

    @property
    def conditions(self) -> int:
        """How many conditions there are, on one axis and on two, whether or not anything fails under them."""
        return self._ones_counted + self._twos_counted

    def _strength(self, axis: int) -> float:
        """How far the values of an axis are apart: the best that one value of it does."""
        table = self._single[axis]
        failed, trials = sum(table.failed), sum(table.trials)
        found = (_score(one, all_, failed, trials) for one, all_ in zip(table.failed, table.trials, strict=True))
        return max(found, default=0.0)

    def _count_single(self, cells: Iterable[_Placed], sign: int) -> None:
        """Count cells, or leave them out again."""
        for places, failed, trials in cells:
            for table, place in zip(self._single, places, strict=True):
                if place >= 0:
                    table.failed[place] += sign * failed
                    table.trials[place] += sign * trials

    def _count_pairs(self, cells: Iterable[_Placed], sign: int) -> None:
        for places, failed, trials in cells:
            for (a, b), table in self._pairs.items():
                if places[a] >= 0 and places[b] >= 0:
                    place = places[a] * table.columns + places[b]
                    table.failed[place] += sign * failed
                    table.trials[place] += sign * trials

    def leave(self, taken: _Taken) -> None:
        """Leave out the cells that a condition covers."""
        covered: list[_Placed] = []
        left: list[_Placed] = []
        for cell in self._cells:
            within = all(cell.places[axis] in places for axis, places in taken)
            (covered if within else left).append(cell)
        self._cells = left
        self._count_single(covered, -1)
        self._count_pairs(covered, -1)

    def best(self, failed: int, trials: int) -> _Found | None:
        """The best condition on what is left, ``failed`` of ``trials``; None where none fails more often."""
        best: _Found | None = None
        for candidates, counted in ((self._ones(), self._ones_counted), (self._twos(), self._twos_counted)):
            price = log(counted or 1)
            for failures, count, taken, conditions in candidates:
                apart = _score(failures, count, failed, trials) / 2
                if apart > 0 and (best is None or apart - price > best.score):
                    best = _Found(apart - price, taken, conditions, failures, count)
        return best

    def _ones(self) -> Iterator[_Candidate]:
        for index, (axis, table) in enumerate(zip(self._axes, self._single, strict=True)):
            failed, trials = list(accumulate(table.failed, initial=0)), list(accumulate(table.trials, initial=0))
            for low, high, condition in axis.spans:
                yield failed[high] - failed[low], trials[high] - trials[low], ((index, range(low, high)),), (condition,)
            for but, condition in axis.others:
                taken = {*range(axis.count)} - {but}
                yield failed[-1] - table.failed[but], trials[-1] - table.trials[but], ((index, taken),), (condition,)

    def _twos(self) -> Iterator[_Candidate]:
        for (a, b), table in self._pairs.items():
            failed, trials = table.sums()
            for low, high, first in self._axes[a].spans:
                above, below, all_above, all_below = failed[low], failed[high], trials[low], trials[high]
                for left, right, other in self._axes[b].spans:
                    failures = below[right] - above[right] - below[left] + above[left]
                    if failures:
                        count = all_below[right] - all_above[right] - all_below[left] + all_above[left]
                        yield failures, count, ((a, range(low, high)), (b, range(left, right))), (first, other)


def _score(failed: int, trials: int, all_failed: int, all_trials: int) -> float:
    """How far a part is from the rest, where it fails more often; else 0."""
    if failed * all_trials <= all_failed * trials:
        return 0.0
    others = all_failed - failed
    return independence(failed, trials - failed, others, all_trials - trials - others)
