"""What ``compile`` hands to ``matrix``: one instance with all its clauses merged, ready to be expanded.

A scenario is pure data and pure functions.  ``compile`` builds one for each instance that the chosen tier holds;
``matrix`` expands it to cells and runs; ``render`` turns a run into an order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from campaign.diagnostics import Span
from campaign.language.syntax import Hole
from campaign.plan.assignment import Assignment
from campaign.plan.program import Program
from campaign.units import Quantity, Value


class Axis(Struct, frozen=True, kw_only=True):
    """One axis: its names (more than one where it is joint or zipped) and its points, perhaps lazily computed.

    Each point has one value for each name.  ``declared`` are the places of its ``sweep`` clauses.  ``jitter`` is
    half the width of the offset that each run adds to a single numeric axis.  ``units`` are those of the first
    literals of the ``sweep``, for names of cells, where a later setting replaced the points (else read from them).
    ``bounds`` are the least and the most that every parameter it sets takes; jitter never goes beyond.
    """

    names: tuple[str, ...]
    points: Sequence[tuple[Value, ...]]
    declared: tuple[Span, ...]
    jitter: Quantity | Fraction | int | None = None
    units: tuple[str | None, ...] = ()
    bounds: tuple[Quantity | Fraction | int | None, Quantity | Fraction | int | None] = (None, None)


class Exclusion(Struct, frozen=True, kw_only=True):
    """An ``exclude``: true for what is dropped; ``names`` are the axes it depends on (through settings too).

    ``why`` says what else than an ``exclude`` or an option leaves something out.
    """

    names: frozenset[str]
    uses_seed: bool
    test: Callable[[Assignment, int], bool]
    span: Span
    why: str | None = None


class Combination(Struct, frozen=True):
    """``all``, ``cover`` with its strength, ``sample`` with its size."""

    how: Literal["all", "cover", "sample"] = "all"
    count: int = 0


class Scenario(Struct, frozen=True, kw_only=True):
    """One instance, merged for the chosen tier.

    ``label`` is its full label (groups joined), ``group`` the filled-in top-level group or the label's first
    segment; ``axes`` stand in order of declaration, ``combine zip`` already applied; ``seeds`` is what one cell is
    repeated over.  ``program`` evaluates settings and renders steps for one cell and seed.
    """

    label: tuple[str | Hole, ...]
    group: str
    axes: tuple[Axis, ...]
    exclusions: tuple[Exclusion, ...]
    combination: Combination
    seeds: Sequence[int]
    priority: int
    tags: tuple[str, ...]
    needs: Mapping[str, int]
    prefers: Mapping[str, int]
    span: Span
    about: str | None
    program: Program

    @property
    def label_text(self) -> str:
        """The label as written: ``crash.{journal}.{sync}``."""
        return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in self.label)
