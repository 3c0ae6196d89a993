"""``run.json``: what people and other tools read of one attempt; a projection of ledger and evidence."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from campaign.records.campaign import Remark
from campaign.records.exit import OutputRecord, ProcessExit, Sample

RUN_SCHEMA = "campaign.run/1"


class FailureView(Struct, frozen=True, kw_only=True):
    """Why a run did not pass; ``class`` is ``new known quarantined flaky``, ``triage`` names the rules that know it."""

    kind: str
    message: str
    fingerprint: str | None = None
    classification: str | None = field(default=None, name="class")
    duplicate_of: str | None = None
    triage: tuple[str, ...] = ()


class TraceView(Struct, frozen=True, kw_only=True):
    """A trace: ``bytes`` are kept of it, ``truncated`` where its end is missing, ``replay`` the arguments for people.

    ``path`` is relative to the attempt; ``replay`` is empty where nothing can carry it out again.
    """

    path: str
    bytes: int
    truncated: bool = False
    replay: tuple[str, ...] = ()


class StepView(Struct, frozen=True, kw_only=True):
    """One step: ``env`` names the variables and redacts the values of secrets; paths relative to the attempt."""

    label: str
    index: int | None = None
    tool: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    exit: ProcessExit = ProcessExit()
    started_at_s: float = 0.0
    duration_s: float = 0.0
    ok: bool = False
    output_path: str | None = None
    metrics: dict[str, Any] = {}
    error: str | None = None
    trace: TraceView | None = None


class FaultView(Struct, frozen=True, kw_only=True):
    """One fault; instants in seconds from the start of the attempt; ``error`` why it was not injected or undone,
    or that it ended early.

    ``index`` (from 1) tells the repeats of a label apart that a schedule laid out.
    """

    name: str
    label: str
    planned_at_s: float
    injected_at_s: float | None = None
    detected_at_s: float | None = None
    recovered_at_s: float | None = None
    sla_s: float | None = None
    within_sla: bool | None = None
    target: str | None = None
    notes: str | None = None
    error: str | None = None
    index: int | None = None


class HoldView(Struct, frozen=True, kw_only=True):
    """One held condition; instants in seconds from the start of the attempt; ``error`` why it failed, stayed on
    or ended early.
    """

    name: str
    label: str
    put_on_at_s: float | None = None
    taken_off_at_s: float | None = None
    target: str | None = None
    notes: str | None = None
    error: str | None = None


class GuardView(Struct, frozen=True, kw_only=True):
    """One guard: how often it was asked, what it said last, and when it stopped the run, if it did."""

    name: str
    label: str
    samples: int = 0
    message: str = ""
    breached_at_s: float | None = None


class WatchView(Struct, frozen=True, kw_only=True):
    """One watch: ``ok`` unless it objected outside the time of a fault that it judges, ``message`` then what it said.

    ``timeline`` are the first of its ``changes``: instant, ``ok``, message; the file ``path``, relative to the attempt,
    has all that are kept.  The rest as in the exit record.
    """

    name: str
    label: str
    ok: bool | None = None
    message: str = ""
    advisory: bool = False
    every_s: float
    samples: int = 0
    missed: int = 0
    first_at_s: float | None = None
    last_at_s: float | None = None
    longest_s: float = 0.0
    changes: int = 0
    timeline: tuple[Sample, ...] = ()
    left_out: int = 0
    error: str | None = None
    skipped: str | None = None
    path: str | None = None


class OracleView(Struct, frozen=True, kw_only=True):
    """One oracle's judgement; ``ok`` missing where it could not judge, ``error`` or ``skipped`` say why."""

    name: str
    label: str
    ok: bool | None = None
    message: str = ""
    exit_code: int | None = None
    advisory: bool = False
    error: str | None = None
    skipped: str | None = None
    paths: tuple[str, ...] = ()


class Resources(Struct, frozen=True, kw_only=True):
    """Slots asked for and held; ``fallback_reason`` where a preferred one was not to be had."""

    requested: dict[str, int] = {}
    granted: dict[str, tuple[int, ...]] = {}
    fallback_reason: str | None = None


class HostView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The machine an attempt ran on: its id as in ``host.json``, where that is known, and the boot."""

    id: str | None = None
    boot_id: str


class RunView(Struct, frozen=True, kw_only=True):
    """The record of one attempt as ``run.json`` holds it; times UTC, RFC 3339.

    Under the ``virtual`` clock nothing was started, and seconds are those of a virtual timeline.
    """

    schema: str = RUN_SCHEMA
    id: str
    key: str
    campaign: str
    instance: str
    cell: str
    axes: dict[str, Any]
    settings: dict[str, Any]
    seed: int
    tier: str | None
    tags: tuple[str, ...] = ()
    attempt: int
    origin: str = "plan"
    state: str
    verdict: str | None
    reason: str | None
    failure: FailureView | None = None
    passed: bool = False
    verified: bool = False
    flaky: bool = False
    started_at: str | None = None
    finished_at: str | None = None
    duration_s: float | None = None
    clock: Literal["real", "virtual"] = "real"
    steps: tuple[StepView, ...] = ()
    services: tuple[StepView, ...] = ()
    holds: tuple[HoldView, ...] = ()
    guards: tuple[GuardView, ...] = ()
    faults: tuple[FaultView, ...] = ()
    watches: tuple[WatchView, ...] = ()
    oracles: tuple[OracleView, ...] = ()
    resources: Resources = Resources()
    trace: TraceView | None = None
    minimized: dict[str, Any] | None = None
    output: OutputRecord = OutputRecord()
    host: HostView | None = None
    provenance: dict[str, Any] = {}
    remarks: tuple[Remark, ...] = ()
