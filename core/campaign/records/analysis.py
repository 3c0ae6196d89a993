"""``campaign analyze``: what a campaign's failures have in common, and what to do next; also handed to programs."""

from __future__ import annotations

from msgspec import Struct, field

from campaign.records.counts import RunCounts

ANALYSIS_SCHEMA = "campaign.analysis/1"


class WinRate(RunCounts, frozen=True, kw_only=True):
    """Runs by verdict, each by the attempt that decides it, and ``rate``: passes over valid trials, 0..1.

    Only runs that passed or failed are trials; ``errors`` say nothing of what was tested, ``open`` have no verdict
    yet.  ``interval`` is Wilson's, at the confidence of the analysis.  Both are missing without a trial.
    """

    rate: float | None = None
    interval: tuple[float, float] | None = None


class NamedRate(Struct, frozen=True):
    """The win rate of what bears a name: a group, an instance, a value of an axis."""

    name: str
    rate: WinRate


class FaultRate(Struct, frozen=True, kw_only=True):
    """A fault by its label and model (``crash: process.kill``), or ``none`` for runs without one: their win rate.

    ``injected`` counts how often it came in all of them, ``watched`` how often somebody looked whether it was noticed
    and recovered from; ``detected`` and ``recovered`` how often it was, ``longest_s`` the longest that took.
    ``with_sla`` counts how often it had one, ``within_sla`` how often that was kept.
    """

    name: str
    rate: WinRate
    injected: int = 0
    watched: int = 0
    detected: int = 0
    recovered: int = 0
    longest_s: float | None = None
    with_sla: int = 0
    within_sla: int = 0


class AxisRates(Struct, frozen=True, kw_only=True):
    """The win rate of each value of an axis, numbers in rising order; ``left_out`` counts the values not listed."""

    axis: str
    values: tuple[NamedRate, ...]
    left_out: int = 0


class CellRate(Struct, frozen=True, kw_only=True):
    """The win rate of a cell.

    ``failing`` and ``broken`` are the keys of its first runs that failed, and that ended in errors;
    ``fingerprints`` are the first that it failed with.  ``axes`` are values as written.
    """

    instance: str
    cell: str
    axes: dict[str, str] = {}
    rate: WinRate
    failing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()


class Cause(Struct, frozen=True, kw_only=True):
    """What a triage rule says of the runs that it knows: ``runs`` of them, ``passed`` of which passed.

    ``first`` are the first of them (``key@attempt``), ``fingerprints`` the first that they failed with.
    """

    rule: str
    rule_set: str
    cause: str | None = None
    fix: str | None = None
    where: tuple[str, ...] = ()
    runs: int
    passed: int = 0
    first: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()


class FailureGroup(Struct, frozen=True, kw_only=True):
    """The runs of one fingerprint: how many, in how many cells, and the first (``key@attempt``) with its evidence.

    ``first_unexplained`` is the first that no rule knows.

    ``rules`` are the triage rules that know the cause of some of them, ``explained`` how many they know together;
    ``suspicious`` are rules that doubt the trial.  ``rule_runs`` says of each of these rules how many runs it is that
    it knows.  ``evidence`` is relative to the campaign's folder.
    """

    fingerprint: str | None = None
    verdict: str
    kind: str | None = None
    message: str
    runs: int
    cells: int
    classification: str | None = field(default=None, name="class")
    quarantined: bool = False
    rules: tuple[str, ...] = ()
    suspicious: tuple[str, ...] = ()
    explained: int = 0
    rule_runs: dict[str, int] = {}
    first: str
    first_unexplained: str | None = None
    evidence: str

    @property
    def unexplained(self) -> int:
        """The runs that no rule knows."""
        return self.runs - self.explained


class AxisCondition(Struct, frozen=True):
    """A value of an axis, all others, or all from one on: ``relation`` is ``==``, ``!=``, ``<=`` or ``>=``.

    ``instance`` is an axis too; a cell without the axis meets no condition on it.
    """

    axis: str
    relation: str
    value: str

    def __str__(self) -> str:
        return f"{self.axis} {self.relation} {self.value}"


class Explanation(Struct, frozen=True, kw_only=True):
    """Where all ``conditions`` hold, ``failed`` of ``trials`` failed, elsewhere ``other_failed`` of ``other_trials``.

    Elsewhere is what earlier explanations leave.  ``p`` is how likely so many failures are there by chance (Fisher's
    exact test, one-sided), raised for every condition that there is.
    """

    conditions: tuple[AxisCondition, ...]
    failed: int
    trials: int
    other_failed: int
    other_trials: int
    p: float


class Explained(Struct, frozen=True, kw_only=True):
    """Which axis values go with failures, the strongest first; read in order, as «else».

    ``tried`` counts the conditions, of all steps.  ``left_failed`` of ``left_trials`` are covered by none.  ``why``
    says why there is no explanation, where there is none; ``left_out`` names axes with too many values to look at.
    """

    explanations: tuple[Explanation, ...] = ()
    tried: int = 0
    left_failed: int = 0
    left_trials: int = 0
    why: str | None = None
    left_out: tuple[str, ...] = ()


class Analysis(Struct, frozen=True, kw_only=True):
    """A campaign analyzed, as far as it had come ``at`` (RFC 3339).

    ``cells`` lists those that did not all pass, the worst first; ``failures`` those first that are not explained in
    every run, then the most frequent; ``causes`` and ``suspicious`` what triage rules know, the most frequent first.
    What lists lack is counted in ``…_left_out``.  ``unexplained`` counts the runs that failed and no rule knows.
    """

    schema: str = ANALYSIS_SCHEMA
    campaign: str
    name: str
    state: str
    at: str
    spec: str
    tier: str | None = None
    seed: int = 0
    plan_hash: str = ""
    confidence: float = 0.95
    planned: int | None = None
    rate: WinRate
    flaky: int = 0
    quarantined: int = 0
    groups: tuple[NamedRate, ...] = ()
    instances: tuple[NamedRate, ...] = ()
    faults: tuple[FaultRate, ...] = ()
    axes: tuple[AxisRates, ...] = ()
    cells: tuple[CellRate, ...] = ()
    cells_counted: int = 0
    cells_left_out: int = 0
    failures: tuple[FailureGroup, ...] = ()
    failures_left_out: int = 0
    unexplained: int = 0
    causes: tuple[Cause, ...] = ()
    suspicious: tuple[Cause, ...] = ()
    suspected: int = 0
    explained: Explained = Explained()
    rule_sets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
