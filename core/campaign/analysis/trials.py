"""The trials of a campaign, counted in one pass: by cell, and by failure, with what rules know of them.

Memory grows with the cells and the unique failures, to a bound; what is beyond it is counted, and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from campaign.analysis.cells import label_of
from campaign.analysis.knowledge import Experts
from campaign.analysis.statistics import wilson
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import Trial
from campaign.records.analysis import CellRate, WinRate

#: Cells and failures that are told apart; letters of a message; keys and fingerprints that a cell names.
MOST_CELLS, MOST_FAILURES, LONGEST, MOST_KEYS, MOST_PRINTS = 200_000, 100_000, 300, 50, 5
CONFIDENCE = 0.95
_PLACES = {"pass": 0, "fail": 1, "error": 2, "canceled": 3, "skipped": 4}
_PASS, _FAIL, _ERROR, _OPEN = 0, 1, 2, 5

Counts = list[int]


class Cell:
    """What the trials of one cell came to; ``faults`` are the providers of its faults."""

    __slots__ = ("axes", "broken", "cell", "counts", "failing", "faults", "fingerprints", "group", "instance", "lacks")

    def __init__(self, instance: str, cell: str, group: str, axes: dict[str, str], faults: tuple[str, ...]) -> None:
        self.instance, self.cell, self.group, self.axes, self.faults = instance, cell, group, axes, faults
        self.counts: Counts = [0] * 6
        self.lacks: frozenset[str] = frozenset()
        self.failing: list[str] = []
        self.broken: list[str] = []
        self.fingerprints: list[str] = []

    def failed(self, trial: Trial) -> None:
        """Name a run that did not pass."""
        keys = self.failing if trial.verdict == "fail" else self.broken
        if len(keys) < MOST_KEYS:
            keys.append(trial.key)
        if trial.fingerprint and trial.fingerprint not in self.fingerprints and len(self.fingerprints) < MOST_PRINTS:
            self.fingerprints.append(trial.fingerprint)

    def record(self) -> CellRate:
        """As the analysis tells it."""
        return CellRate(
            instance=self.instance,
            cell=self.cell,
            axes=self.axes,
            rate=rate_of(self.counts),
            failing=tuple(self.failing),
            broken=tuple(self.broken),
            fingerprints=tuple(self.fingerprints),
        )


class Failing:
    """The runs of one fingerprint; ``rules`` explain some of them, ``doubts`` are rules that find some suspicious."""

    __slots__ = ("_cells", "doubts", "first", "message", "rules", "runs")

    def __init__(self, trial: Trial) -> None:
        self.first = (trial.name, trial.directory, trial.verdict or "", trial.kind)
        self.message = (trial.message or trial.reason or "")[:LONGEST]
        self.rules: list[str] = []
        self.doubts: list[str] = []
        self.runs = 0
        self._cells: set[str] = set()

    @property
    def cells(self) -> int:
        """In how many cells it came."""
        return len(self._cells)

    def add(self, cell: str, rules: list[str], doubts: list[str]) -> None:
        """Count a run."""
        self.runs += 1
        self._cells.add(cell)
        for known, more in ((self.rules, rules), (self.doubts, doubts)):
            if more and more != known:
                known += [each for each in more if each not in known]


class Trials:
    """Counts trials as they come."""

    def __init__(self, ledger: LedgerReader, experts: Experts) -> None:
        self._ledger, self._experts = ledger, experts
        self.cells: dict[str, Cell] = {}
        self.failures: dict[str, Failing] = {}
        self.total: Counts = [0] * 6
        self.flaky = self.unexplained = self.uncounted = self.untold = 0

    def add(self, trial: Trial) -> None:
        """Count one."""
        cell = self.cells.get(trial.cell) or self._begun(trial)
        place = _PLACES.get(trial.verdict or "", _OPEN)
        cell.counts[place] += 1
        self.total[place] += 1
        self.flaky += trial.flaky
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
        order = self._ledger.order_of(trial)
        axes = {} if name != trial.cell else {label_of(axis): label_of(value) for axis, value in order.axes.items()}
        faults = tuple(sorted({fault.fault for fault in order.faults}))
        cell = self.cells[name] = Cell(label_of(trial.instance), trial.cell, label_of(order.group), axes, faults)
        cell.lacks = self._experts.lacking(order) if name == trial.cell else frozenset()
        return cell

    def _failed(self, trial: Trial, rules: list[str], doubts: list[str]) -> None:
        mark = trial.fingerprint or f"{trial.kind}: {trial.message}"
        found = self.failures.get(mark)
        if found is None:
            if len(self.failures) >= MOST_FAILURES:
                self.untold += 1
                return
            found = self.failures[mark] = Failing(trial)
        found.add(trial.cell, rules, doubts)


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


def added_up(pairs: Iterator[tuple[str, Counts]]) -> dict[str, Counts]:
    """Counts summed by name, in the order in which the names come."""
    summed: dict[str, Counts] = {}
    for name, counts in pairs:
        total = summed.setdefault(name, [0] * 6)
        for place, number in enumerate(counts):
            total[place] += number
    return summed
