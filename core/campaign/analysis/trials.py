"""The trials of a campaign, counted in one pass: by cell, and by failure, with what rules know of them.

Memory grows with the cells and the unique failures, to a bound; what is beyond it is counted, and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from campaign.analysis.cells import label_of
from campaign.analysis.faulted import FaultCounts, count_faults, faults_in, slas_in, watched_in
from campaign.analysis.knowledge import Experts
from campaign.analysis.statistics import wilson
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import Trial
from campaign.records.analysis import CellRate, WinRate

#: Cells and failures that are told apart; letters of a message; keys and fingerprints that a cell names.
MOST_CELLS, MOST_FAILURES, LONGEST, MOST_KEYS, MOST_PRINTS = 200_000, 100_000, 300, 50, 5
CONFIDENCE = 0.95
_PLACES = {"pass": 0, "fail": 1, "error": 2, "canceled": 3, "skipped": 4}
_NONE: Mapping[str, int] = {}
_FAIL, _ERROR, _OPEN = 1, 2, 5

Counts = list[int]
Labels = tuple[str, ...]
_Name = TypeVar("_Name")


class Kind(NamedTuple):
    """What many cells share: their instance, group, axes and faults; which are watched, whether any has an ``sla``."""

    instance: str
    group: str
    axes: Labels
    faults: Labels
    watched: frozenset[str] = frozenset()
    bounded: bool = False


class Cell:
    """What the trials of one cell came to; there can be very many, so each takes little room."""

    __slots__ = ("_labels", "broken", "cell", "counts", "failing", "fingerprints", "kind", "lacks")

    def __init__(self, cell: str, kind: Kind, labels: Labels, lacks: frozenset[str]) -> None:
        self.cell, self.kind, self._labels, self.lacks = cell, kind, labels, lacks
        self.counts: Counts = [0] * 6
        self.failing: Labels = ()
        self.broken: Labels = ()
        self.fingerprints: Labels = ()

    @property
    def axes(self) -> dict[str, str]:
        """Its values by axis."""
        return dict(zip(self.kind.axes, self._labels, strict=True))

    def failed(self, trial: Trial) -> None:
        """Name a run that did not pass."""
        if trial.verdict == "fail" and len(self.failing) < MOST_KEYS:
            self.failing += (trial.key,)
        elif trial.verdict != "fail" and len(self.broken) < MOST_KEYS:
            self.broken += (trial.key,)
        if trial.fingerprint and trial.fingerprint not in self.fingerprints and len(self.fingerprints) < MOST_PRINTS:
            self.fingerprints += (trial.fingerprint,)

    def record(self) -> CellRate:
        """As the analysis tells it."""
        return CellRate(
            instance=self.kind.instance,
            cell=self.cell,
            axes=self.axes,
            rate=rate_of(self.counts),
            failing=self.failing,
            broken=self.broken,
            fingerprints=self.fingerprints,
        )


class Failing:
    """The runs of one fingerprint: by rule how many it explains (``rules``), and how many it doubts (``doubts``).

    ``explained`` are the runs that some rule explains; ``unexplained`` is the name of the first that none does.
    """

    __slots__ = ("_cell", "_cells", "doubts", "explained", "first", "message", "rules", "runs", "unexplained")

    def __init__(self, trial: Trial) -> None:
        self.first = (trial.name, trial.directory, trial.verdict or "", trial.kind)
        self.message = (trial.message or trial.reason or "")[:LONGEST]
        self.rules: Mapping[str, int] = _NONE
        self.doubts: Mapping[str, int] = _NONE
        self.unexplained: str | None = None
        self.runs = self.explained = 0
        self._cell = trial.cell
        self._cells: set[str] | None = None  # made for the second one: most failures of many come in one

    @property
    def cells(self) -> int:
        """In how many cells it came."""
        return 1 if self._cells is None else len(self._cells)

    def add(self, trial: Trial, rules: Sequence[str], doubts: Sequence[str]) -> None:
        """Count a run."""
        cell = trial.cell
        self.runs += 1
        if self._cells is not None:
            self._cells.add(cell)
        elif cell != self._cell:
            self._cells = {self._cell, cell}
        if rules:
            self.explained += 1
            self.rules = _with(self.rules, rules)
        elif self.unexplained is None:
            self.unexplained = trial.name
        if doubts:
            self.doubts = _with(self.doubts, doubts)


def _with(counts: Mapping[str, int], names: Iterable[str]) -> Mapping[str, int]:
    """Counts with one more of each name; a new mapping, for most failures share the empty one."""
    return {**counts, **{name: counts.get(name, 0) + 1 for name in names}}


class Trials:
    """Counts trials as they come."""

    def __init__(self, ledger: LedgerReader, experts: Experts) -> None:
        self._ledger, self._experts = ledger, experts
        self.cells: dict[str, Cell] = {}
        self.failures: dict[str, Failing] = {}
        self.faults: dict[str, FaultCounts] = {}
        self._kinds: dict[Kind, Kind] = {}
        self._same: dict[str, str] = {}  # one text for each value, however many cells have it
        self.total: Counts = [0] * 6
        self.flaky = self.unexplained = self.uncounted = self.untold = 0

    def add(self, trial: Trial) -> None:
        """Count one."""
        cell = self.cells.get(trial.cell) or self._begun(trial)
        place = _PLACES.get(trial.verdict or "", _OPEN)
        cell.counts[place] += 1
        self.total[place] += 1
        self.flaky += trial.flaky
        if cell.kind.faults:
            slas = slas_in(self._ledger.shape_of(trial)) if cell.kind.bounded else {}
            count_faults(self.faults, self._ledger.faults_of(trial), cell.kind.watched, slas)
        rules, doubts = self._experts.ask(trial, cell.lacks)
        if place in (_FAIL, _ERROR):
            cell.failed(trial)
            self.unexplained += place == _FAIL and not rules
            self._failed(trial, rules, doubts)

    def _begun(self, trial: Trial) -> Cell:
        """The cell of a trial that is the first of it; beyond the bound all cells of an instance are one."""
        name = trial.cell
        if len(self.cells) >= MOST_CELLS:
            self.uncounted += 1
            name = f"\0{trial.instance}"
            if name in self.cells:
                return self.cells[name]
        shape = self._ledger.shape_of(trial)
        axes = shape.axes if name == trial.cell else {}
        names = label_of(trial.instance), label_of(shape.group), tuple(map(label_of, axes))
        kind = Kind(*names, faults_in(shape), watched_in(shape), bool(slas_in(shape)))
        labels = tuple([self._same.setdefault(label, label) for label in map(label_of, axes.values())])
        lacks = self._experts.lacking(shape) if name == trial.cell else frozenset()
        cell = self.cells[name] = Cell(trial.cell, self._kinds.setdefault(kind, kind), labels, lacks)
        return cell

    def _failed(self, trial: Trial, rules: Sequence[str], doubts: Sequence[str]) -> None:
        mark = trial.fingerprint or f"{trial.kind}: {trial.message}"
        found = self.failures.get(mark)
        if found is None:
            if len(self.failures) >= MOST_FAILURES:
                self.untold += 1
                return
            found = self.failures[mark] = Failing(trial)
        found.add(trial, rules, doubts)


def counted(ledger: LedgerReader, trials: Iterable[Trial], experts: Experts) -> Trials:
    """All trials."""
    found = Trials(ledger, experts)
    for trial in trials:
        found.add(trial)
    return found


def rate_of(counts: Counts) -> WinRate:
    """Counts by verdict as a win rate."""
    passed, failed, errors, canceled, skipped, open_ = counts
    trials = passed + failed
    return WinRate(
        passed=passed,
        failed=failed,
        errors=errors,
        canceled=canceled,
        skipped=skipped,
        open=open_,
        rate=passed / trials if trials else None,
        interval=wilson(passed, trials, CONFIDENCE),
    )


def added_up(pairs: Iterable[tuple[_Name, Counts]]) -> dict[_Name, Counts]:
    """Counts summed by name, in the order in which the names come."""
    summed: dict[_Name, Counts] = {}
    for name, counts in pairs:
        total = summed.setdefault(name, [0] * 6)
        for place, number in enumerate(counts):
            total[place] += number
    return summed
