"""What a reporter is given, and the records of ``Results.overview``; a reporter may import these beside ``api``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from campaign.records import HostRecord, PlanView, RunView, Summary
from campaign.records.analysis import Analysis
from campaign.records.overview import (
    ERROR,
    FAIL,
    MIXED,
    NOT_RUN,
    PASS,
    Bar,
    Bin,
    Choice,
    Distribution,
    Lane,
    Margin,
    Matrix,
    MatrixRow,
    Overview,
    Panel,
    RunLine,
    Scale,
    SeenFault,
    SeenWatch,
    Share,
    Shmoo,
    Tally,
    Timeline,
    Watched,
)


class Target(Struct, frozen=True, kw_only=True):
    """Where a report goes: a file by its name, or a terminal so many letters wide (None: neither, a pipe).

    ``beside``: the file lies in the campaign's own folder, so that relative links to evidence lead there.
    """

    file: str | None = None
    beside: bool = False
    columns: int | None = None
    colour: bool = False


def _not_analyzed() -> None:
    return None


class Results(Struct, frozen=True, kw_only=True):
    """A campaign as far as it has come.

    ``at`` is when it was looked at, RFC 3339; ``folder`` the campaign's own.  ``plan`` and ``host`` are missing where
    their files are gone.  ``runs()`` reads every attempt in order of cell, seed and attempt, ``overview(choice)`` and
    ``shmoo(choice)`` read them once and keep little; each call reads anew.  ``excerpt(evidence)`` is the end of an
    attempt's output, empty where there is none; ``evidence`` is relative to ``folder``, as in a ``UniqueFailure``.
    ``analysis()`` reads them once too, None where nothing was analyzed; ``plugins.analyzed`` makes sections of it.
    """

    summary: Summary
    at: str
    folder: str
    about: str | None = None
    plan: PlanView | None = None
    host: HostRecord | None = None
    target: Target = Target()
    runs: Callable[[], Iterator[RunView]]
    overview: Callable[[Choice], Overview]
    shmoo: Callable[[Choice], Shmoo | None]
    excerpt: Callable[[str], str]
    analysis: Callable[[], Analysis | None] = _not_analyzed


__all__ = [
    "ERROR",
    "FAIL",
    "MIXED",
    "NOT_RUN",
    "PASS",
    "Analysis",
    "Bar",
    "Bin",
    "Choice",
    "Distribution",
    "Lane",
    "Margin",
    "Matrix",
    "MatrixRow",
    "Overview",
    "Panel",
    "Results",
    "RunLine",
    "Scale",
    "SeenFault",
    "SeenWatch",
    "Share",
    "Shmoo",
    "Tally",
    "Target",
    "Timeline",
    "Watched",
]
