"""``summary.json``: a whole campaign in numbers; a projection of the ledger."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from campaign.records.plan import PlanTool

SUMMARY_SCHEMA = "campaign.summary/1"


class UniqueFailure(Struct, frozen=True, kw_only=True):
    """Failures of one fingerprint: how many, the first one, and where its evidence is, relative to the run root.

    ``verdict`` tells a failure from an error; ``class`` is ``new known quarantined flaky``.
    """

    fingerprint: str
    verdict: str = "fail"
    kind: str
    message: str
    count: int
    first: str
    classification: str | None = field(default=None, name="class")
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


class Summary(Struct, frozen=True, kw_only=True):
    """What a campaign came to; ``win_rate`` is passes over valid trials (errors apart) with its Wilson interval."""

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
    win_rate: float | None = None
    win_rate_interval: tuple[float, float] | None = None
    instances: tuple[InstanceCounts, ...] = ()
    failures: tuple[UniqueFailure, ...] = ()
    gated: tuple[dict[str, Any], ...] = ()
    skipped: tuple[dict[str, Any], ...] = ()
    next_steps: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    environment: Environment = Environment()
    seed: int = 0
    plan_hash: str
