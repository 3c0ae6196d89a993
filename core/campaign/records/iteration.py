"""``campaign iterate --format json``: how far an iteration is, step by step."""

from __future__ import annotations

from msgspec import Struct

ITERATION_SCHEMA = "campaign.iteration/1"


class IterationStep(Struct, frozen=True, kw_only=True):
    """A step; of a campaign its counts, and what became of the cells since the one it is compared with.

    ``fixed``, ``regressed``, ``new`` and ``absent`` name the first of these cells; ``…_cells`` count all of them.
    """

    number: int
    round: int
    kind: str
    state: str
    at: str
    ended_at: str | None = None
    spec: str | None = None
    campaign: str | None = None
    passes: int | None = None
    fails: int | None = None
    errors: int | None = None
    fixed: tuple[str, ...] = ()
    regressed: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    fixed_cells: int | None = None
    regressed_cells: int | None = None
    unchanged_cells: int | None = None
    new_cells: int | None = None
    absent_cells: int | None = None
    log: str | None = None
    why: str | None = None


class IterationView(Struct, frozen=True, kw_only=True):
    """An iteration: what was asked for, as rates 0..1, its steps, and whether the target was reached.

    ``tests`` counts its full campaigns, each of which may say that the target is reached: where the true rate is
    ``low`` or less, the chance that any of them says so is at most ``error_rate``.

    ``reached`` is missing while it goes on, ``why`` says why it came to its end, ``paused`` what it waits for.
    """

    schema: str = ITERATION_SCHEMA
    iteration: str
    spec: str
    state: str
    at: str
    ended_at: str | None = None
    target: float
    confidence: float
    margin: float
    rounds: int
    low: float = 0.0
    tests: int = 0
    error_rate: float = 0.0
    reached: bool | None = None
    why: str | None = None
    paused: str | None = None
    steps: tuple[IterationStep, ...] = ()
