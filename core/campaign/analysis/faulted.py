"""The faults of a campaign, counted as they come: how many of each came, were detected and were recovered from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from campaign.ledger.trials import Shape
from campaign.records import FaultExit
from campaign.records.analysis import FaultRate, WinRate


def fault_name(label: str, fault: str) -> str:
    """As a spec writes it: ``crash: process.kill``, or the model alone where it has no label of its own."""
    return fault if label == fault else f"{label}: {fault}"


def faults_in(shape: Shape) -> tuple[str, ...]:
    """The names of the faults of a run, each once."""
    return tuple(sorted({fault_name(each.label, each.fault) for each in shape.faults}))


def watched_in(shape: Shape) -> frozenset[str]:
    """The labels of those of which a watch says whether they were recovered from; of simulated ones the model does."""
    labels = {each.label for each in shape.faults}
    if shape.clock == "virtual":
        return frozenset(labels)
    return frozenset(label for label in labels if any(watch.judges(label) for watch in shape.watches))


def slas_in(shape: Shape) -> dict[str, float]:
    """Within how many seconds each is to recover, by its label, where that was said."""
    return {each.label: each.sla_s for each in shape.faults if each.sla_s is not None}


class FaultCounts:
    """What became of the faults of one name."""

    __slots__ = ("detected", "injected", "longest_s", "recovered", "watched", "with_sla", "within_sla")

    def __init__(self) -> None:
        self.injected = self.watched = self.detected = self.recovered = self.with_sla = self.within_sla = 0
        self.longest_s: float | None = None

    def add(self, fault: FaultExit, watched: bool, sla_s: float | None) -> None:
        """Count one that came."""
        self.injected += 1
        self.watched += watched
        self.with_sla += sla_s is not None
        self.detected += fault.detected_at_s is not None
        if fault.recovered_at_s is not None and fault.injected_at_s is not None:
            took_s = round(fault.recovered_at_s - fault.injected_at_s, 6)
            self.recovered += 1
            self.longest_s = max(self.longest_s or 0.0, took_s)
            self.within_sla += sla_s is not None and took_s <= sla_s

    def rate(self, name: str, runs: WinRate) -> FaultRate:
        """As the analysis tells it; ``runs`` are those that had the fault."""
        return FaultRate(
            name=name,
            rate=runs,
            injected=self.injected,
            watched=self.watched,
            detected=self.detected,
            recovered=self.recovered,
            longest_s=self.longest_s,
            with_sla=self.with_sla,
            within_sla=self.within_sla,
        )


def count_faults(
    counts: dict[str, FaultCounts], faults: Iterable[FaultExit], watched: frozenset[str], slas: Mapping[str, float]
) -> None:
    """Count those that were injected and lasted, by their names; ``watched`` and ``slas`` go by their labels."""
    for each in faults:
        if each.injected_at_s is not None and each.error is None:
            found = counts.setdefault(fault_name(each.label, each.fault), FaultCounts())
            found.add(each, each.label in watched, slas.get(each.label))
