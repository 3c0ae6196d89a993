"""``plan.json``: what was planned, and from what, so that every later reader starts from the same facts."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

PLAN_SCHEMA = "campaign.plan/1"


class PlanCounts(Struct, frozen=True, kw_only=True):
    """How much the plan holds; ``runs`` is cells times seeds, after ``excluded`` cells are gone."""

    instances: int
    cells: int
    runs: int
    excluded: int = 0


class PlanOptions(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The selection that the command line asked for; ``sets`` are ``name=value`` as written."""

    tier: str | None = None
    group: str | None = None
    filter: str | None = None
    seeds: tuple[int, ...] | None = None
    campaign_seed: int | None = None
    sets: tuple[str, ...] = ()
    limit: int | None = None


class PlanAxis(Struct, frozen=True):
    """The values that an axis takes in some cell of the plan, in order: for each point one for each of its names."""

    names: tuple[str, ...]
    points: tuple[tuple[Any, ...], ...]


class PlanInstance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One instance of the plan: its label as written and what a person calls it.

    ``sweeps`` are its axes with their values; missing where there are too many, or it is not known which are meant.
    """

    instance: str
    about: str | None = None
    group: str = ""
    tags: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    sweeps: tuple[PlanAxis, ...] = ()


class PlanSkip(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule set keeps from running: an instance, or its cells that the pattern ``cells`` fits; why, the place."""

    instance: str
    cells: str | None = None
    why: str
    issue: str | None = None
    rule_set: str
    place: str


class PlanFile(Struct, frozen=True, kw_only=True):
    """A file that the plan was made from, with the digest of its bytes (BLAKE2b, hex)."""

    path: str
    digest: str


class PlanPlugin(Struct, frozen=True, kw_only=True):
    """A plugin that took part: the distribution it came in, its version and the hash of that one's RECORD."""

    plugin: str
    distribution: str
    version: str
    record_hash: str | None = None


class PlanTool(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool of the plan and what it was: a plugin's by its distribution, a declared one by the program it starts.

    ``path`` is absolute, links resolved; ``modified_at`` UTC, RFC 3339; ``digest`` the BLAKE2b of the program's bytes
    (hex), of small programs only.  A program that a run makes for itself, or that cannot be looked at, has none.
    """

    tool: str
    distribution: str | None = None
    version: str | None = None
    path: str | None = None
    size_bytes: int | None = None
    modified_at: str | None = None
    digest: str | None = None


class PlanView(Struct, frozen=True, kw_only=True):
    """The plan of one execution of a campaign as ``plan.json`` holds it; times UTC, RFC 3339.

    ``counts`` is missing where counting would have kept the first run waiting.
    """

    schema: str = PLAN_SCHEMA
    campaign: str
    name: str
    about: str | None = None
    spec: str
    plan_hash: str
    seed: int
    created_at: str
    counts: PlanCounts | None = None
    options: PlanOptions = PlanOptions()
    instances: tuple[PlanInstance, ...] = ()
    skipped: tuple[PlanSkip, ...] = ()
    files: tuple[PlanFile, ...] = ()
    plugins: tuple[PlanPlugin, ...] = ()
    tools: tuple[PlanTool, ...] = ()
