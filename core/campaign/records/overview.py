"""A whole campaign as pictures need it: counts by cell, a shmoo, a timeline, distributions, and a list of runs.

Made in one pass over the ledger with memory that does not grow with the runs; whatever is left out is counted.
"""

from __future__ import annotations

from msgspec import Struct

from campaign.records.counts import RunCounts

#: What the runs of a cell came to, together.
PASS, FAIL, MIXED, ERROR, NOT_RUN = "pass", "fail", "mixed", "error", "not run"


class Choice(Struct, frozen=True, kw_only=True):
    """What an overview should hold: the axes of the shmoo (None: the first two whose values are numbers) and how much.

    ``bars`` is how many attempts a timeline draws one by one, ``runs`` how many are listed, ``panels`` how many panels
    a shmoo has at most.
    """

    x: str | None = None
    y: str | None = None
    panels: int = 24
    bars: int = 1500
    runs: int = 1000


class Tally(RunCounts, frozen=True, omit_defaults=True):
    """What the runs of a cell, or of several together, came to."""

    @property
    def rate(self) -> float | None:
        """Passes over valid trials, 0..1; None without a trial."""
        return self.passed / self.trials if self.trials else None

    @property
    def state(self) -> str:
        """``pass``, ``fail``, ``mixed``, ``error`` (nothing but errors) or ``not run``."""
        if self.passed and self.failed:
            return MIXED
        return PASS if self.passed else FAIL if self.failed else ERROR if self.errors else NOT_RUN


class Scale(Struct, frozen=True):
    """The values of an axis as they were written: in rising order where ``numeric``, else as they came."""

    name: str
    values: tuple[str, ...]
    numeric: bool = False


class Panel(Struct, frozen=True, kw_only=True):
    """One picture of a shmoo: an instance with the further axes fixed; ``points[y][x]``, None where nothing was run."""

    instance: str
    axes: dict[str, str] = {}
    points: tuple[tuple[Tally | None, ...], ...]


class Shmoo(Struct, frozen=True, kw_only=True):
    """Verdicts over two axes; all panels share both scales.

    ``summed`` names the axes over which points were added up because there would be too many panels;
    ``left_out`` counts the panels that are not here.
    """

    x: Scale
    y: Scale
    panels: tuple[Panel, ...]
    summed: tuple[str, ...] = ()
    left_out: int = 0


class Share(Struct, frozen=True):
    """What the runs of one value of an axis came to."""

    value: str
    tally: Tally


class Margin(Struct, frozen=True, kw_only=True):
    """An axis of an instance with what each of its values came to; ``left_out`` counts the values not listed."""

    name: str
    shares: tuple[Share, ...]
    left_out: int = 0


class MatrixRow(Struct, frozen=True, kw_only=True):
    """The cells that share the values of all axes but the last; None where there is no such cell."""

    labels: tuple[str, ...]
    cells: tuple[Tally | None, ...]


class Matrix(Struct, frozen=True, kw_only=True):
    """An instance's cells: every one in ``rows`` where they are few, by axis in ``margins`` always.

    ``axes`` are the names, the one whose values are the ``columns`` of ``rows`` the last.
    """

    instance: str
    tally: Tally
    cells: int
    axes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[MatrixRow, ...] = ()
    margins: tuple[Margin, ...] = ()


class Bar(Struct, frozen=True, kw_only=True):
    """One attempt on a timeline, in seconds from its start; no verdict while it runs."""

    start_s: float
    end_s: float
    run: str
    verdict: str | None = None


class Lane(Struct, frozen=True, kw_only=True):
    """A named slot, or one of the places in ``parallel``: its attempts, and the share of each interval it was busy."""

    name: str
    bars: tuple[Bar, ...] = ()
    busy: tuple[float, ...] = ()


class Timeline(Struct, frozen=True, kw_only=True):
    """When what ran: intervals of ``interval_s`` from ``start`` (RFC 3339).

    ``ended`` are the attempts that came to their end in each interval, ``running`` how many ran, on average.
    Where there are too many attempts for bars of their own, ``lanes`` have none.
    """

    start: str
    length_s: float
    interval_s: float
    attempts: int
    ended: tuple[Tally, ...]
    running: tuple[float, ...]
    lanes: tuple[Lane, ...] = ()


class Bin(Struct, frozen=True):
    """An interval of a histogram: how many passed there, and how many did not."""

    low: float
    high: float
    passed: int
    others: int


class Distribution(Struct, frozen=True, kw_only=True):
    """The numbers of one metric in one instance (``duration``: of the attempts), in ``unit``.

    ``sampled`` is how many the bins and the quantiles are made of: all, or a sample drawn without bias.
    """

    metric: str
    instance: str
    unit: str = ""
    count: int
    sampled: int
    least: float
    median: float
    p95: float
    greatest: float
    mean: float
    bins: tuple[Bin, ...]


class RunLine(Struct, frozen=True, kw_only=True):
    """One attempt in the list of runs; ``evidence`` relative to the campaign's folder."""

    run: str
    instance: str
    verdict: str | None
    reason: str = ""
    flaky: bool = False
    fingerprint: str | None = None
    started_at: str | None = None
    duration_s: float | None = None
    evidence: str


class SeenFault(Struct, frozen=True, kw_only=True):
    """A fault in a run that was watched; seconds from the attempt's start."""

    label: str
    name: str
    injected_s: float
    detected_s: float | None = None
    recovered_s: float | None = None


class SeenWatch(Struct, frozen=True, kw_only=True):
    """What a watch saw from ``first_s`` to ``last_s``: the times in which it was not ok, from and to."""

    label: str
    first_s: float
    last_s: float
    troubles: tuple[tuple[float, float], ...] = ()


class Watched(Struct, frozen=True, kw_only=True):
    """An attempt in which watches looked, ``length_s`` long; ``evidence`` relative to the campaign's folder."""

    run: str
    verdict: str | None
    length_s: float
    evidence: str
    faults: tuple[SeenFault, ...]
    watches: tuple[SeenWatch, ...]


class Overview(Struct, frozen=True, kw_only=True):
    """A campaign at a glance.

    ``folded`` names the axes that cells were added up over because there were too many, ``uncounted`` are runs of
    instances beyond the first thousand.  ``runs`` lists those that
    did not pass first; ``passed_left_out`` and ``others_left_out`` count what it lacks.
    """

    attempts: int
    shmoo: Shmoo | None = None
    matrices: tuple[Matrix, ...] = ()
    matrices_left_out: int = 0
    folded: tuple[str, ...] = ()
    uncounted: int = 0
    timeline: Timeline | None = None
    distributions: tuple[Distribution, ...] = ()
    distributions_left_out: int = 0
    watched: tuple[Watched, ...] = ()
    watched_left_out: int = 0
    runs: tuple[RunLine, ...] = ()
    passed_left_out: int = 0
    others_left_out: int = 0
