"""``summary.json``: a whole campaign in numbers; a projection of the ledger."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from campaign.records.plan import PlanSkip, PlanTool

SUMMARY_SCHEMA = "campaign.summary/1"


class QuarantineView(Struct, frozen=True, kw_only=True):
    """A failure that does not count up to and with the day ``until``: where it is followed up, by whom, who says so."""

    issue: str
    owner: str | None = None
    until: str
    rule_set: str


class UniqueFailure(Struct, frozen=True, kw_only=True):
    """Failures of one fingerprint: how many, the first one, and where its evidence is, relative to the run root.

    ``verdict`` tells a failure from an error; ``class`` is ``new known quarantined flaky``; ``duplicate_of`` the run
    of an earlier campaign (``campaign/key@attempt``) that failed so first.
    """

    fingerprint: str
    verdict: str = "fail"
    kind: str
    message: str
    count: int
    runs: int | None = None
    first: str
    classification: str | None = field(default=None, name="class")
    duplicate_of: str | None = None
    quarantine: QuarantineView | None = None
    evidence: str


class InstanceCounts(Struct, frozen=True, kw_only=True):
    """One instance's runs by verdict."""

    instance: str
    verdicts: dict[str, int]


class Environment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What took part: versions of campaign, Python and the system's kernel, plugins by name, and the tools."""

    campaign: str | None = None
    python: str | None = None
    system: str | None = None
    plugins: dict[str, str] = {}
    tools: tuple[PlanTool, ...] = ()


class Remark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person said of a campaign, or of one of its runs (``key``); a ``mark`` keeps it from cleaning."""

    at: str
    text: str = ""
    key: str | None = None
    mark: bool = False


class Repeats(Struct, frozen=True, kw_only=True):
    """What ``--until-fail`` came to: so many ``runs`` ended in all; ``failed`` (``key@repeat-N``) did not pass."""

    runs: int
    failed: str | None = None
    evidence: str | None = None


class Summary(Struct, frozen=True, kw_only=True):
    """What a campaign came to; ``win_rate`` is passes over valid trials (errors apart) with its Wilson interval.

    ``classes`` counts unique failures by class; ``quarantined`` the runs that failed and do not count, ``spared`` the
    same by verdict.
    """

    schema: str = SUMMARY_SCHEMA
    campaign: str
    name: str
    state: str
    exit_status: int
    started_at: str
    finished_at: str | None = None
    duration_s: float | None = None
    total: int
    verdicts: dict[str, int]
    reasons: dict[str, int] = {}
    flaky: int = 0
    quarantined: int = 0
    spared: dict[str, int] = {}
    classes: dict[str, int] = {}
    win_rate: float | None = None
    win_rate_interval: tuple[float, float] | None = None
    instances: tuple[InstanceCounts, ...] = ()
    failures: tuple[UniqueFailure, ...] = ()
    gated: tuple[dict[str, Any], ...] = ()
    skipped: tuple[PlanSkip, ...] = ()
    repeats: Repeats | None = None
    next_steps: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    environment: Environment = Environment()
    seed: int = 0
    plan_hash: str
