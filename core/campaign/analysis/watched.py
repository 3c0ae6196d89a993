"""Attempts that were watched, for pictures: when faults came, and when which watch was not ok; pure."""

from __future__ import annotations

import os
from collections.abc import Iterator

from campaign.analysis.cells import label_of
from campaign.judge.recovery import troubles_of
from campaign.ledger.rows import Glance
from campaign.records import FaultExit, WatchExit
from campaign.records.overview import SeenFault, SeenWatch, Watched

#: Attempts that are drawn, two thirds of them such as did not pass; watches, troubles and faults of one.
MOST, MOST_WATCHES, MOST_TROUBLES = 24, 8, 200


class WatchedTally:
    """Keeps the first attempts that were watched, and counts the rest."""

    def __init__(self, folder: str) -> None:
        """``folder`` is the campaign's own."""
        self._folder = folder
        self._others: list[Watched] = []
        self._passed: list[Watched] = []
        self.left_out = 0

    def add(self, glance: Glance) -> None:
        """Take an attempt."""
        if not any(each.samples for each in glance.watches):
            return
        passed = glance.verdict == "pass"
        among, room = (self._passed, MOST // 3) if passed else (self._others, MOST - MOST // 3)
        if len(among) < room:
            among.append(_watched(glance, self._folder))
        else:
            self.left_out += 1

    def result(self) -> tuple[Watched, ...]:
        """Those that did not pass first."""
        return (*self._others, *self._passed)


def _watched(glance: Glance, folder: str) -> Watched:
    seen = [each for each in glance.watches if each.samples]
    last = max((each.last_at_s or 0.0 for each in seen), default=0.0)
    return Watched(
        run=label_of(f"{glance.key}@{glance.attempt}"),
        verdict=glance.verdict,
        length_s=max(last, glance.duration_s or 0.0),
        evidence=os.path.relpath(glance.directory, folder),
        faults=tuple(_faults(glance.faults))[:MOST_TROUBLES],
        watches=tuple(_watch(each) for each in seen[:MOST_WATCHES]),
    )


def _faults(faults: tuple[FaultExit, ...]) -> Iterator[SeenFault]:
    for each in faults:
        if each.injected_at_s is not None:
            yield SeenFault(
                label=each.label,
                name=each.fault,
                injected_s=each.injected_at_s,
                detected_s=each.detected_at_s,
                recovered_s=each.recovered_at_s,
            )


def _watch(seen: WatchExit) -> SeenWatch:
    last = seen.last_at_s or 0.0
    found = troubles_of([seen.changes])[:MOST_TROUBLES]
    troubles = tuple((each.start_s, min(each.end_s, last)) for each in found)
    return SeenWatch(label=seen.label, first_s=seen.first_at_s or 0.0, last_s=last, troubles=troubles)
