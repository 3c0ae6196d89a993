"""How the numbers of many runs are distributed, from all of them or an unbiased sample; pure, bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite
from random import Random
from typing import Protocol

from campaign.analysis.cells import label_of
from campaign.records.overview import Bin, Distribution
from campaign.units import UNITS, UnitError, parse_quantity

#: Numbers that one distribution keeps, distributions that are kept at all, bins of one.
SAMPLE, MOST_SERIES, BINS = 2_000, 60, 32
_BASE = {dimension.value: unit for unit, (dimension, size) in UNITS.items() if size == 1}


class Series:
    """The numbers of one metric in one instance: extremes and mean of all, and a sample (Vitter's algorithm R)."""

    def __init__(self, draw: Random) -> None:
        self.count, self.total = 0, 0.0
        self.least, self.greatest = inf, -inf
        self.kept: list[tuple[float, bool]] = []
        self._draw = draw

    def add(self, number: float, passed: bool) -> None:
        """Take one number; ``passed``: its run did."""
        self.count += 1
        self.total += number
        self.least, self.greatest = min(self.least, number), max(self.greatest, number)
        if len(self.kept) < SAMPLE:
            self.kept.append((number, passed))
        elif (place := int(self._draw.random() * self.count)) < SAMPLE:
            self.kept[place] = number, passed


class Measured(Protocol):
    """An attempt of which numbers are known: its ``metrics`` as they were printed."""

    @property
    def instance(self) -> str:
        """What it is of."""

    @property
    def verdict(self) -> str | None:
        """What it came to."""

    @property
    def duration_s(self) -> float | None:
        """How long it took."""

    @property
    def metrics(self) -> Mapping[str, str]:
        """What it measured."""


class DistributionTally:
    """Collects durations and metrics by instance; draws from a seed, so that a report comes out the same again."""

    def __init__(self, seed: int) -> None:
        self._draw = Random(seed)
        self.series: dict[tuple[str, str, str], Series] = {}
        self.left_out: set[tuple[str, str, str]] = set()

    def add(self, attempt: Measured) -> None:
        """Take what an attempt measured."""
        passed = attempt.verdict == "pass"
        if attempt.duration_s is not None and isfinite(attempt.duration_s):
            self._add(("duration", attempt.instance, "s"), attempt.duration_s, passed)
        for name, text in attempt.metrics.items():
            number, unit = read_number(text)
            if number is not None:
                self._add((name, attempt.instance, unit), number, passed)

    def _add(self, name: tuple[str, str, str], number: float, passed: bool) -> None:
        series = self.series.get(name)
        if series is None:
            if len(self.series) >= MOST_SERIES:
                if len(self.left_out) < MOST_SERIES:
                    self.left_out.add(name)
                return
            series = self.series[name] = Series(self._draw)
        series.add(number, passed)

    def result(self) -> Iterable[Distribution]:
        """The distributions, those of one metric side by side."""
        metrics = list(dict.fromkeys((metric, unit) for metric, _, unit in self.series))
        for name in sorted(self.series, key=lambda name: metrics.index((name[0], name[2]))):
            yield _distribution(name, self.series[name])


def read_number(text: str) -> tuple[float | None, str]:
    """A metric as printed, as a number in the base unit of its dimension; None where it is none."""
    try:
        number, unit = float(text), ""
    except ValueError:
        try:
            quantity = parse_quantity(text)
            number, unit = float(quantity.value), _BASE.get(quantity.dimension.value, "")
        except (UnitError, OverflowError):
            return None, ""
    return (number if isfinite(number) else None), unit


def _distribution(name: tuple[str, str, str], series: Series) -> Distribution:
    metric, instance, unit = name
    kept = sorted(series.kept)
    return Distribution(
        metric=label_of(metric),
        instance=instance,
        unit=unit,
        count=series.count,
        sampled=len(kept),
        least=series.least,
        median=quantile(kept, 0.5),
        p95=quantile(kept, 0.95),
        greatest=series.greatest,
        mean=series.total / series.count,
        bins=tuple(_bins(kept)),
    )


def quantile(kept: Sequence[tuple[float, bool]], share: float) -> float:
    """The least of the sorted numbers that ``share`` of them do not exceed (Hyndman and Fan's type 1)."""
    place = max(0, -int(-share * len(kept) // 1) - 1)
    return kept[place][0]


def _bins(kept: Sequence[tuple[float, bool]]) -> Iterable[Bin]:
    least, greatest = kept[0][0], kept[-1][0]
    width = (greatest - least) / BINS
    if not width or not isfinite(width):
        yield Bin(least, greatest, sum(passed for _, passed in kept), sum(not passed for _, passed in kept))
        return
    counts = [[0, 0] for _ in range(BINS)]
    for number, passed in kept:
        counts[min(int((number - least) / width), BINS - 1)][not passed] += 1
    for index, (passes, others) in enumerate(counts):
        yield Bin(least + index * width, least + (index + 1) * width, passes, others)
