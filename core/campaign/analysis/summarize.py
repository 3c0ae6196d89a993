"""``summary.json``: a campaign in numbers and words, read from its rows in one pass.

Memory grows with the instances and the unique failures, never with the runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from shlex import quote

from campaign.analysis.failures import Quarantines, unique_failure
from campaign.analysis.statistics import wilson
from campaign.diagnostics import ExitStatus
from campaign.ledger.rows import INTERRUPTED, QUEUED, RUNNING, AttemptRow, CampaignRow, FailureRow
from campaign.records import Environment, FailureKind, InstanceCounts, PlanSkip, Reason, Summary, UniqueFailure, Verdict

#: How many unique failures the words of ``next_steps`` name.
_NAMED = 3


class Tally:
    """Counts the runs of a campaign as they are decided; feed it the attempt that decides each run."""

    def __init__(self, quarantined: Container[str | None] = ()) -> None:
        self._quarantined = quarantined
        self.runs = 0
        self.flaky = 0
        self.open = 0
        self.verdicts: Counter[str] = Counter()
        self.spared: Counter[str] = Counter()  # of those, what is quarantined
        self.reasons: Counter[str] = Counter()
        self.instances: dict[str, Counter[str]] = {}

    def add(self, row: AttemptRow) -> None:
        """Count one run."""
        self.runs += 1
        self.open += row.again is not None  # interrupted, or about to be tried again
        if row.verdict is None:
            return
        self.verdicts[row.verdict] += 1
        self.flaky += row.flaky
        self.spared[row.verdict] += row.fingerprint in self._quarantined
        self.instances.setdefault(row.instance, Counter())[row.verdict] += 1
        if row.verdict != Verdict.PASS:
            self.reasons[reason_of(row)] += 1


def reason_of(row: AttemptRow) -> str:
    """A word of a closed list for why a run did not pass: the kind of its failure, else its ``Reason``."""
    if row.reason in _REASONS:
        return str(row.reason)
    return row.kind or "other"


_REASONS = frozenset(Reason)


def summarize(  # noqa: PLR0913 - what the ledger holds of it, and what stands beside
    campaign: CampaignRow,
    attempts: Iterable[AttemptRow],
    failures: Iterable[FailureRow] = (),
    *,
    planned: Iterable[str] = (),
    skipped: tuple[PlanSkip, ...] = (),
    quarantined: Quarantines | None = None,
    environment: Environment | None = None,
) -> Summary:
    """What a campaign came to; ``attempts`` are those that decide (``LedgerReader.deciding_attempts``).

    Instances stand in the order ``planned``, so that two executions can be compared line by line.  ``quarantined`` is
    what a rule set says does not count, by fingerprint.
    The win rate is passes over valid trials: runs that passed or failed, errors and canceled runs apart.
    """
    known = quarantined or {}
    tally = Tally(known)
    for row in attempts:
        tally.add(row)
    unique = tuple(unique_failure(row, campaign.run_root, known) for row in failures)
    passes = tally.verdicts[Verdict.PASS]
    trials = passes + tally.verdicts[Verdict.FAIL]
    total = tally.runs if campaign.total is None else max(campaign.total, tally.runs)
    return Summary(
        campaign=campaign.id,
        name=campaign.name,
        state=campaign.state,
        exit_status=_status(campaign, tally),
        started_at=campaign.created_at,
        finished_at=campaign.finished_at,
        duration_s=_seconds(campaign.created_at, campaign.finished_at),
        total=total,
        verdicts={verdict.value: tally.verdicts[verdict] for verdict in Verdict},
        reasons=dict(tally.reasons.most_common()),
        flaky=tally.flaky,
        quarantined=tally.spared.total(),
        spared={verdict: count for verdict, count in tally.spared.items() if count},
        classes=dict(Counter(each.classification for each in unique if each.classification is not None)),
        win_rate=passes / trials if trials else None,
        win_rate_interval=wilson(passes, trials),
        instances=tuple(_in_order(tally.instances, planned)),
        failures=unique,
        skipped=skipped,
        next_steps=tuple(_next_steps(campaign, tally, unique, total)),
        environment=environment or Environment(),
        seed=campaign.seed,
        plan_hash=campaign.plan_hash,
    )


def _in_order(instances: Mapping[str, Counter[str]], planned: Iterable[str]) -> Iterator[InstanceCounts]:
    """What is known of no plan comes last, as it was first seen."""
    for name in dict.fromkeys((*planned, *instances)):
        if name in instances:
            yield InstanceCounts(instance=name, verdicts=dict(instances[name]))


def exit_status(verdicts: Mapping[str, int], *, interrupted: bool = False, unsafe: bool = False) -> ExitStatus:
    """The status of a campaign that was carried out: 4 before 130 before 5 before 1 before 0."""
    if unsafe:
        return ExitStatus.SAFETY
    if interrupted:
        return ExitStatus.INTERRUPTED
    if verdicts.get(Verdict.CANCELED):
        return ExitStatus.CANCELED
    bad = verdicts.get(Verdict.FAIL, 0) + verdicts.get(Verdict.ERROR, 0)
    return ExitStatus.FAILED if bad else ExitStatus.PASSED


def counted(
    verdicts: Mapping[str, int],
    failing: Mapping[tuple[str, str | None, str | None], int],
    quarantined: Container[str | None],
) -> tuple[dict[str, int], bool]:
    """The verdicts that count, without quarantined failures, and whether safety stopped anything.

    ``failing`` are the runs that failed by verdict, kind and fingerprint.
    """
    counts = dict(verdicts)
    for (verdict, _, fingerprint), count in failing.items():
        if fingerprint in quarantined:
            counts[verdict] = counts.get(verdict, 0) - count
    return counts, any(kind == FailureKind.GUARD for _, kind, _ in failing)


def _status(campaign: CampaignRow, tally: Tally) -> int:
    if campaign.exit_status is not None:
        return campaign.exit_status
    return int(exit_status(tally.verdicts - tally.spared, interrupted=campaign.state == INTERRUPTED))


def _seconds(start: str, end: str | None) -> float | None:
    if end is None:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _next_steps(campaign: CampaignRow, tally: Tally, failures: Sequence[UniqueFailure], total: int) -> Iterator[str]:
    """What a person would do next, most pressing first; commands as a shell takes them."""
    left = total - sum(tally.verdicts.values()) + tally.open
    if left and campaign.state in (QUEUED, RUNNING):
        runs = "1 run is" if left == 1 else f"{left:,} runs are"
        yield f"{runs} to come; if nothing runs any more: campaign exec {quote(campaign.spec)} --resume"
    elif left:
        runs = "1 run was" if left == 1 else f"{left:,} runs were"
        why = "canceled" if campaign.exit_status == ExitStatus.CANCELED else Reason.STOPPED.value
        stopped = f": {why}" if total > tally.runs else ""  # nothing else leaves runs that never began
        how = stopped if campaign.finished else f"; to go on: campaign exec {quote(campaign.spec)} --resume"
        yield f"{runs} not carried out{how}"
    bad = [failure for failure in failures if failure.classification not in ("flaky", "quarantined")]
    for failure in bad[:_NAMED]:
        yield f"look at {failure.first}: campaign show {quote(f'{campaign.id}/{failure.first}')}"
    if len(bad) > _NAMED:
        yield f"{len(bad) - _NAMED} more unique failures: campaign failures {campaign.id}"
    if campaign.finished and bad and total > len(bad):
        yield f"which values and faults they come with, and why: campaign analyze {campaign.id}"
    if tally.verdicts[Verdict.ERROR]:
        yield "errors are neither pass nor fail: campaign could not tell; see the reasons above, and campaign doctor"
    if tally.flaky:
        runs = "1 run" if tally.flaky == 1 else f"{tally.flaky:,} runs"
        yield f"{runs} passed only on a retry (flaky): campaign failures {campaign.id}"
