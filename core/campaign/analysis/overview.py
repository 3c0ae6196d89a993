"""A campaign at a glance: everything that its pictures show, gathered in one pass."""

from __future__ import annotations

import os
from collections.abc import Iterable

from campaign.analysis.cells import CellTally, bounded, label_of
from campaign.analysis.distributions import DistributionTally
from campaign.analysis.matrices import matrix_of
from campaign.analysis.shmoo import shmoo_of
from campaign.analysis.timeline import TimelineTally
from campaign.analysis.watched import WatchedTally
from campaign.ledger.rows import CampaignRow, Glance
from campaign.records import PlanInstance
from campaign.records.overview import Choice, Overview, RunLine, Shmoo

#: Instances whose cells are shown, those with the most failures first; letters of a reason.
MOST_MATRICES, LONGEST_REASON = 60, 600


def overview_of(
    campaign: CampaignRow, glances: Iterable[Glance], choice: Choice, now: str, planned: Iterable[PlanInstance] = ()
) -> Overview:
    """Read the attempts once; raises CampaignError where the choice names an axis that there is not.

    ``now`` (RFC 3339) is how far what still runs has come, ``planned`` what was to be run.
    """
    cells = CellTally(_chosen(choice), planned)
    timeline = TimelineTally(campaign.created_at, campaign.finished_at or now, choice.bars)
    distributions = DistributionTally(campaign.seed)
    watched = WatchedTally(campaign.run_root)
    runs = _Runs(campaign.run_root, choice.runs)
    attempts = 0
    for glance in bounded(glances):
        attempts += 1
        for tally in (cells, timeline, distributions, watched, runs):
            tally.add(glance)
    found = list(cells.instances.values())
    run = (matrix_of(each) for each in found if each.counts)
    matrices = sorted(run, key=lambda each: -(each.tally.failed + each.tally.errors))
    return Overview(
        attempts=attempts,
        shmoo=shmoo_of(found, choice),
        matrices=tuple(matrices[:MOST_MATRICES]),
        matrices_left_out=max(0, len(matrices) - MOST_MATRICES),
        folded=tuple(dict.fromkeys(name for each in found for name in each.folded)),
        uncounted=cells.left_out,
        timeline=timeline.result(),
        distributions=tuple(distributions.result()),
        distributions_left_out=len(distributions.left_out),
        watched=watched.result(),
        watched_left_out=watched.left_out,
        runs=(*runs.others, *runs.passed),
        passed_left_out=runs.passed_left_out,
        others_left_out=runs.others_left_out,
    )


def only_shmoo(glances: Iterable[Glance], choice: Choice, planned: Iterable[PlanInstance] = ()) -> Shmoo | None:
    """The shmoo alone; raises CampaignError where the choice names an axis that there is not."""
    cells = CellTally(_chosen(choice), planned)
    for glance in bounded(glances):
        cells.add(glance)
    return shmoo_of(cells.instances.values(), choice)


def _chosen(choice: Choice) -> tuple[str, ...]:
    return tuple(name for name in (choice.x, choice.y) if name is not None)


class _Runs:
    """The first attempts that did not pass and, in a fifth of the room, the first that did."""

    def __init__(self, folder: str, most: int) -> None:
        self.others: list[RunLine] = []
        self.passed: list[RunLine] = []
        self.others_left_out = self.passed_left_out = 0
        self._folder = folder
        self._most_passed = most // 5
        self._most_others = most - self._most_passed

    def add(self, glance: Glance) -> None:
        """List an attempt, or count it."""
        if glance.verdict == "pass":
            if len(self.passed) < self._most_passed:
                self.passed.append(self._line(glance))
            else:
                self.passed_left_out += 1
        elif len(self.others) < self._most_others:
            self.others.append(self._line(glance))
        else:
            self.others_left_out += 1

    def _line(self, glance: Glance) -> RunLine:
        return RunLine(
            run=label_of(f"{glance.key}@{glance.attempt}"),
            instance=glance.instance,
            verdict=glance.verdict,
            reason=(glance.reason or "")[:LONGEST_REASON],
            flaky=glance.flaky,
            fingerprint=glance.fingerprint or None,
            started_at=glance.started_at,
            duration_s=glance.duration_s,
            evidence=os.path.relpath(glance.directory, self._folder),
        )
