"""Two campaigns, or two variants in one, cell by cell: what became better, worse, or was not run; pure.

Cells are paired by their names and runs by their keys, so each seed is held against itself.  Rates are over valid
trials; every chance value is corrected for how many were looked at (Holm).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from campaign.analysis.cells import label_of
from campaign.analysis.distributions import DistributionTally, Series
from campaign.analysis.ranks import mann_whitney
from campaign.analysis.statistics import binomial_test, fisher, holm, newcombe, wilson
from campaign.ledger.rows import Outcome

#: A chance value below this, corrected, is called significant.
LEVEL = 0.05
#: Numbers that a comparison of medians needs on each side.
_FEWEST = 3
_REMEMBERED = 65_536
_VALID = frozenset({"pass", "fail"})

#: The name of the cell that a run belongs to, as far as both sides share it; None: it is not compared.
Identity = Callable[[Outcome], str | None]


class Change(StrEnum):
    """What became of a cell, in the order in which they are told."""

    REGRESSED = "regressed"
    WORSE = "worse"
    NEW_FAILING = "new, failing"
    NOT_RUN = "not run"
    STILL_FAILING = "still failing"
    FLAKY = "flaky"
    FIXED = "fixed"
    BETTER = "better"
    NEW = "new"
    PASSING = "passing"


class Count(Struct):
    """The runs of a cell on one side, each by the attempt that decides it; ``flaky`` ones passed on a retry."""

    passed: int = 0
    failed: int = 0
    errors: int = 0
    others: int = 0
    flaky: int = 0

    @property
    def trials(self) -> int:
        """The valid ones: an error is no failure of what is tested."""
        return self.passed + self.failed

    def add(self, run: Outcome) -> None:
        """Count a run."""
        match run.verdict:
            case "pass":
                self.passed += 1
                self.flaky += run.flaky
            case "fail":
                self.failed += 1
            case "error":
                self.errors += 1
            case _:
                self.others += 1


class Rate(Struct, frozen=True):
    """A win rate, 0..1, with its Wilson interval (95 %); None without a valid trial."""

    passed: int
    trials: int
    rate: float | None
    interval: tuple[float, float] | None


class Compared(Struct, frozen=True, kw_only=True):
    """One cell on both sides; ``a`` or ``b`` is None where it has no run there.

    ``difference`` is the rate of B less that of A with its interval (Newcombe); ``chance`` Fisher's exact test of it,
    two-sided, corrected.  ``fixed`` and ``regressed`` count the runs, by key, that came out otherwise.
    """

    cell: str
    instance: str
    change: Change
    a: Count | None
    b: Count | None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    chance: float | None = None
    fixed: int = 0
    regressed: int = 0


class Overall(Struct, frozen=True, kw_only=True):
    """The cells that have valid trials on both sides, together.

    ``pairs`` are runs with the same key that are valid on both, ``fixed`` and ``regressed`` those that came out
    otherwise; ``chance`` is McNemar's exact test of these, two-sided; None where nothing came out otherwise.
    """

    cells: int
    a: Rate
    b: Rate
    difference: float | None
    interval: tuple[float, float] | None
    pairs: int
    fixed: int
    regressed: int
    chance: float | None

    @property
    def worse(self) -> bool:
        """Whether more runs regressed than were fixed, by more than chance explains."""
        return self.chance is not None and self.chance < LEVEL and self.regressed > self.fixed


class Shift(Struct, frozen=True, kw_only=True):
    """A metric (``duration``: of the attempts) in one instance, of the runs that passed, in ``unit``.

    ``chance`` is Mann and Whitney's test, corrected; ``effect`` Cliff's delta, -1..1: above 0, B's are greater.
    """

    instance: str
    metric: str
    unit: str
    counts: tuple[int, int]
    medians: tuple[float, float]
    chance: float
    effect: float


class Comparison(Struct, frozen=True, kw_only=True):
    """What two sides have in common and what not."""

    overall: Overall
    cells: tuple[Compared, ...]
    shifts: tuple[Shift, ...]
    shifts_left_out: int = 0

    @property
    def changes(self) -> Counter[Change]:
        """How many cells came to what."""
        return Counter(each.change for each in self.cells)


class _Cell(Struct):
    """The runs of a cell; ``before`` are the valid ones of A by their seeds, and whether they passed."""

    instance: str
    before: dict[int, bool] = {}
    a: Count | None = None
    b: Count | None = None
    pairs: int = 0
    fixed: int = 0
    regressed: int = 0

    @property
    def paired(self) -> bool:
        """Whether it has valid trials on both sides."""
        return self.a is not None and self.b is not None and bool(self.a.trials and self.b.trials)


class _Pairs:
    """The runs of both sides by cell and seed."""

    def __init__(self) -> None:
        self.cells: dict[str, _Cell] = {}
        self.numbers = (DistributionTally(0), DistributionTally(0))

    def first(self, run: Outcome, cell: str) -> None:
        """Take a run of A."""
        found = self._cell(run, cell)
        found.a = found.a if found.a is not None else Count()
        found.a.add(run)
        if run.verdict in _VALID:
            found.before[run.seed] = run.verdict == "pass"
        self._measure(0, run)

    def second(self, run: Outcome, cell: str) -> None:
        """Take a run of B."""
        found = self._cell(run, cell)
        found.b = found.b if found.b is not None else Count()
        found.b.add(run)
        before, now = found.before.get(run.seed), run.verdict == "pass"
        if before is not None and run.verdict in _VALID:
            found.pairs += 1
            found.fixed += now and not before
            found.regressed += before and not now
        self._measure(1, run)

    def _cell(self, run: Outcome, cell: str) -> _Cell:
        found = self.cells.get(cell)
        if found is None:
            found = self.cells[cell] = _Cell(run.instance)
        return found

    def _measure(self, side: int, run: Outcome) -> None:
        if run.verdict == "pass":
            self.numbers[side].add(run)


def compare(a: Iterable[Outcome], b: Iterable[Outcome], identities: tuple[Identity, Identity]) -> Comparison:
    """Two sides; ``identities`` name the cells of each.  Memory grows with cells and runs, by some bytes for each."""
    pairs = _Pairs()
    for run in a:
        if (cell := identities[0](run)) is not None:
            pairs.first(run, cell)
    for run in b:
        if (cell := identities[1](run)) is not None:
            pairs.second(run, cell)
    left_out = max(len(side.left_out) for side in pairs.numbers)
    cells = list(_compared(pairs.cells))
    return Comparison(
        overall=_overall(pairs.cells.values()),
        cells=tuple(cells),
        shifts=_shifts(pairs.numbers),
        shifts_left_out=left_out,
    )


def by_name(run: Outcome) -> str | None:
    """A cell is called by its own name."""
    return run.cell


def variant(axis: str, value: str) -> Identity:
    """Cells with that value of an axis, called by everything else, so that variants have the same names."""

    def name(run: Outcome) -> str | None:
        if axis not in run.axes or label_of(run.axes[axis]) != value:
            return None
        others = (f"{other}={label_of(each)}" for other, each in run.axes.items() if other != axis)
        return f"{run.instance}[{','.join(others)}]"

    return name


def rate_of(count: Count) -> Rate:
    """The win rate of some runs."""
    trials = count.trials
    return Rate(count.passed, trials, count.passed / trials if trials else None, wilson(count.passed, trials))


# --- cells ------------------------------------------------------------------------------------------------------


def _compared(cells: Mapping[str, _Cell]) -> Iterator[Compared]:
    """Every cell with what became of it, in the order of their first runs."""
    tested = {name: _chance(each.a, each.b) for name, each in cells.items() if each.a and each.b and each.paired}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    for name, each in cells.items():
        chance = corrected.get(name)
        yield Compared(
            cell=name,
            instance=each.instance,
            change=_change(each.a or Count(), each.b or Count(), chance),
            a=each.a,
            b=each.b,
            difference=_difference(each.a, each.b),
            interval=_interval(each.a, each.b),
            chance=chance,
            fixed=each.fixed,
            regressed=each.regressed,
        )


#: Of very many cells most have the counts of another one.
_fisher, _newcombe = lru_cache(_REMEMBERED)(fisher), lru_cache(_REMEMBERED)(newcombe)


def _chance(a: Count, b: Count) -> float:
    return _fisher(a.passed, a.failed, b.passed, b.failed)


def _change(a: Count, b: Count, chance: float | None) -> Change:
    if not b.trials:
        return Change.NOT_RUN
    if not a.trials:
        return Change.NEW_FAILING if b.failed else Change.NEW
    if not a.failed and b.failed:
        return Change.REGRESSED
    if a.failed and b.failed:
        return _drift(a, b) if chance is not None and chance < LEVEL else Change.STILL_FAILING
    if a.flaky or b.flaky:
        return Change.FLAKY
    return Change.FIXED if a.failed else Change.PASSING


def _drift(a: Count, b: Count) -> Change:
    return Change.WORSE if b.passed * a.trials < a.passed * b.trials else Change.BETTER


def _difference(a: Count | None, b: Count | None) -> float | None:
    if a is None or b is None or not a.trials or not b.trials:
        return None
    return b.passed / b.trials - a.passed / a.trials


def _interval(a: Count | None, b: Count | None) -> tuple[float, float] | None:
    return _newcombe(b.passed, b.trials, a.passed, a.trials) if a is not None and b is not None else None


# --- all of them ------------------------------------------------------------------------------------------------


def _overall(cells: Iterable[_Cell]) -> Overall:
    common = [(each, each.a, each.b) for each in cells if each.a and each.b and each.paired]
    a, b = _sum(each for _, each, _ in common), _sum(each for _, _, each in common)
    fixed, regressed = sum(each.fixed for each, *_ in common), sum(each.regressed for each, *_ in common)
    return Overall(
        cells=len(common),
        a=rate_of(a),
        b=rate_of(b),
        difference=_difference(a, b),
        interval=_interval(a, b),
        pairs=sum(each.pairs for each, *_ in common),
        fixed=fixed,
        regressed=regressed,
        chance=binomial_test(fixed, fixed + regressed, 0.5) if fixed + regressed else None,
    )


def _sum(counts: Iterable[Count]) -> Count:
    total = Count()
    for each in counts:
        total.passed += each.passed
        total.failed += each.failed
    return total


# --- numbers ----------------------------------------------------------------------------------------------------


def _shifts(numbers: tuple[DistributionTally, DistributionTally]) -> tuple[Shift, ...]:
    """What was measured on both sides often enough, those that moved the most first."""
    a, b = (side.series for side in numbers)
    found = [_shift(name, a[name], b[name]) for name in a if name in b and min(a[name].count, b[name].count) >= _FEWEST]
    corrected = holm([each.chance for each in found])
    shifts = [replace(each, chance=chance) for each, chance in zip(found, corrected, strict=True)]
    return tuple(sorted(shifts, key=lambda each: (each.chance, -abs(each.effect))))


def _shift(name: tuple[str, str, str], a: Series, b: Series) -> Shift:
    metric, instance, unit = name
    first, second = ([number for number, _ in side.kept] for side in (a, b))
    ranked = mann_whitney(second, first)
    assert ranked is not None  # both have enough numbers
    return Shift(
        instance=instance,
        metric=metric,
        unit=unit,
        counts=(a.count, b.count),
        medians=(median(first), median(second)),
        chance=ranked.p,
        effect=ranked.effect,
    )
