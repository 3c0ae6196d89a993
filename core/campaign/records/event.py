"""``events.ldjson``, ``steps.ldjson``, ``watch/<label>.ldjson``: one JSON object a line; projections of the records."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from campaign.records.exit import ProcessExit, TraceExit

EVENT_SCHEMA = "campaign.event/1"
STEP_SCHEMA = "campaign.step/1"
WATCH_SCHEMA = "campaign.watch/1"


class EventView(Struct, frozen=True, kw_only=True):
    """One change of state of one attempt; ``seq`` rises within the ledger, times are UTC, RFC 3339.

    ``from`` is missing for the first event of an attempt.  ``cause`` says who asked for it: ``plan``, ``policy``,
    ``orphan`` or a verb.  ``verdict`` and ``reason`` stand where the attempt is done.
    """

    schema: str = EVENT_SCHEMA
    seq: int
    at: str
    campaign: str
    key: str
    attempt: int
    origin: str = "plan"
    from_state: str | None = field(default=None, name="from")
    to_state: str = field(name="to")
    cause: str | None = None
    epoch: int = 0
    verdict: str | None = None
    reason: str | None = None


class StepLine(Struct, frozen=True, kw_only=True):
    """One step that was started, or one served tool; what ``run.json`` says of it, alone on its line."""

    schema: str = STEP_SCHEMA
    label: str
    index: int | None = None
    served: bool = False
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
    trace: TraceExit | None = None


class WatchLine(Struct, frozen=True, kw_only=True):
    """A sample of a watch that said something new, ``at_s`` seconds after the attempt's start.

    ``ok`` is null where its oracle could not judge.  The last line has the instant of the last sample.
    """

    schema: str = WATCH_SCHEMA
    label: str
    at_s: float
    ok: bool | None
    message: str = ""


def watch_path(label: str) -> str:
    """Where the timeline of a watch stands, relative to the attempt's public directory."""
    return f"watch/{label.replace('/', '_')}.ldjson"
