"""What an iteration does next: a pure function of what has been done and of what came of it.

An iteration is a row of steps: a full campaign, and while its win rate is below the target, rounds of ``analyze``,
``hook``, ``ask``, ``before`` and ``retry`` (of the failing cells alone); where the retry would bring the campaign to
its target, a full campaign again.  ``more`` adds trials to a full campaign that cannot be decided yet, where they tell
most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heapreplace
from itertools import count as counted
from itertools import islice
from math import ceil
from typing import TypeAlias

from msgspec import Struct

from campaign.analysis.sequential import Said, SequentialTest, chance

FULL, MORE, ANALYZE, HOOK, ASK, BEFORE, RETRY = "full", "more", "analyze", "hook", "ask", "before", "retry"
#: Steps that carry out a campaign.
CAMPAIGNS = (FULL, MORE, RETRY)
#: A cell that passed before and fails now is looked at so many times more before it is called broken.
_LOOKS = 2


class Cell(Struct, frozen=True):
    """The runs of one cell: passes, failures, those that could not be told, and the seeds of all of them.

    What rule sets have quarantined counts neither as a pass nor as a failure.  ``chained``: its seeds are a chain, to
    which nothing may be added, for in a longer one each run would stand elsewhere than in the spec.
    """

    passes: int = 0
    fails: int = 0
    errors: int = 0
    seeds: tuple[int, ...] = ()
    chained: bool = False

    @property
    def trials(self) -> int:
        """The runs that count: those that passed or failed."""
        return self.passes + self.fails

    @property
    def failing(self) -> bool:
        """Whether it failed, or nobody knows how it does."""
        return self.fails > 0 or (self.errors > 0 and self.passes == 0)

    @property
    def passing(self) -> bool:
        """Whether all that is known of it are passes."""
        return self.passes > 0 and self.fails == 0


Cells: TypeAlias = Mapping[str, Cell]
#: Seeds by cell: what a campaign of some cells is to carry out.
Wanted: TypeAlias = Mapping[str, tuple[int, ...]]


class Wishes(Struct, frozen=True, kw_only=True):
    """What is asked of an iteration.

    ``is_last`` tells of a round whether it is the last one (0: before the first); ``trials`` bounds those of one full
    campaign with all that is added to it.
    """

    test: SequentialTest
    is_last: Callable[[int], bool]
    trials: int | None = None
    before: bool = False
    hook: bool = False
    ask: bool = False


class Taken(Struct, frozen=True, kw_only=True):
    """A step that was taken: ``ok`` is false where a command failed, ``cells`` are those of its campaign.

    ``left_out`` are runs of that campaign that were not carried out (``stop-on fail``).
    """

    kind: str
    round: int
    ok: bool = True
    cells: Cells = {}
    left_out: int = 0


class Step(Struct, frozen=True, kw_only=True):
    """The next step; ``wanted`` are the cells of ``more`` and ``retry``."""

    kind: str
    round: int
    wanted: Wanted = {}


class End(Struct, frozen=True, kw_only=True):
    """There is nothing more to be done: ``reached``, and the sentence that says why."""

    reached: bool
    why: str


class Compared(Struct, frozen=True, kw_only=True):
    """Cells of two campaigns by their names: what became of those of the first, and which are ``new``.

    ``fixed`` failed and pass now, ``regressed`` passed and fail now; ``unchanged`` are all others that both have;
    ``absent`` are not in the second.
    """

    fixed: tuple[str, ...] = ()
    regressed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def compare(before: Cells, after: Cells) -> Compared:
    """What a campaign changed, cell by cell."""
    both = [name for name in before if name in after]
    fixed = tuple(name for name in both if before[name].failing and after[name].passing)
    regressed = tuple(name for name in both if before[name].passing and after[name].failing)
    changed = {*fixed, *regressed}
    return Compared(
        fixed=fixed,
        regressed=regressed,
        unchanged=tuple(name for name in both if name not in changed),
        new=tuple(name for name in after if name not in before),
        absent=tuple(name for name in before if name not in after),
    )


def pooled(parts: Iterable[Cells]) -> dict[str, Cell]:
    """The cells of several campaigns, added up."""
    return added_up((name, cell) for part in parts for name, cell in part.items())


def added_up(named: Iterable[tuple[str, Cell]]) -> dict[str, Cell]:
    """Cells by name, those of one name added up; a seed that several had is there once."""
    parts: dict[str, list[Cell]] = {}
    for name, cell in named:
        parts.setdefault(name, []).append(cell)
    return {name: _sum(each) if len(each) > 1 else each[0] for name, each in parts.items()}


def _sum(cells: Sequence[Cell]) -> Cell:
    seeds = tuple(dict.fromkeys(seed for each in cells for seed in each.seeds))
    counts = (sum(e.passes for e in cells), sum(e.fails for e in cells), sum(e.errors for e in cells))
    return Cell(*counts, seeds, any(each.chained for each in cells))


def totals(cells: Cells) -> Cell:
    """All cells as one, without its seeds."""
    every = cells.values()
    return Cell(sum(e.passes for e in every), sum(e.fails for e in every), sum(e.errors for e in every))


class Estimate(Struct, frozen=True):
    """The win rate of a campaign whose cells have been tried unequally often.

    ``share`` is the mean of the cells' own, each weighing as much as in the full campaign; ``worth`` is how many trials
    of that campaign say as much: 1 / sum(weight^2 / trials), all of them where nothing was added.
    """

    share: float
    worth: float
    trials: int

    @property
    def passes(self) -> float:
        """Passes, in trials of the full campaign."""
        return self.share * self.worth

    @property
    def fails(self) -> float:
        """Failures, in trials of the full campaign."""
        return self.worth - self.passes

    def __str__(self) -> str:
        return f"a win rate of {self.share:.1%} over {self.trials:,} trials"


def estimate(cells: Cells, full: Cells) -> Estimate | None:
    """The win rate of these cells, weighted as in the ``full`` campaign; None without a valid trial.

    W. G. Cochran, «Sampling Techniques» (1977), chapter 5: stratified sampling.
    """
    tried = {name: cell for name, cell in cells.items() if cell.trials}
    if not tried:
        return None
    weights = {name: max(1, full[name].trials if name in full else 1) for name in tried}
    whole = sum(weights.values())
    share = sum(weights[name] * cell.passes / cell.trials for name, cell in tried.items()) / whole
    worth = whole**2 / sum(weights[name] ** 2 / cell.trials for name, cell in tried.items())
    return Estimate(share, worth, sum(cell.trials for cell in tried.values()))


def allocate(cells: Cells, count: int) -> dict[str, tuple[int, ...]]:
    """New seeds for ``count`` further trials, where they tell most of the win rate of all.

    Each goes to the cell whose next trial lessens the variance of the mean most, p(1-p) / n(n+1), with Laplace's
    estimate of its rate, (passes + 1) / (trials + 2): evenly at first, then to those that pass now and then (Neyman's
    allocation, step by step).  Seeds are the least from 1 on that the cell has not had.  Chains are left as they are.
    """
    cells = {name: cell for name, cell in cells.items() if not cell.chained}
    heap = [(-_gain(cell, cell.trials), place) for place, cell in enumerate(cells.values())]
    heapify(heap)
    given = [0] * len(heap)
    every = list(cells.values())
    for _ in range(count if heap else 0):
        _, place = heap[0]
        given[place] += 1
        heapreplace(heap, (-_gain(every[place], every[place].trials + given[place]), place))
    return {name: _fresh(cell, n) for (name, cell), n in zip(cells.items(), given, strict=True) if n}


def _gain(cell: Cell, trials: int) -> float:
    """How much another trial after so many lessens the variance, its rate being what is known of it now."""
    rate = (cell.passes + 1) / (cell.trials + 2)
    return rate * (1 - rate) / (trials * (trials + 1)) if trials else 1.0


def _fresh(cell: Cell, count: int) -> tuple[int, ...]:
    had = set(cell.seeds)
    return tuple(islice((seed for seed in counted(1) if seed not in had), count))


def next_step(wishes: Wishes, taken: Sequence[Taken]) -> Step | End:
    """The next step, or the end; ``taken`` are all steps so far, in order."""
    if not taken:
        return Step(kind=FULL, round=0)
    last = taken[-1]
    if last.kind in (FULL, MORE):
        return _after_full(wishes, taken)
    if last.kind == RETRY:
        return _after_retry(wishes, taken)
    if not last.ok:
        return _round_over(wishes, taken, f"round {last.round} ended with its {last.kind} command")
    rest = _BEFORE_RETRY[_BEFORE_RETRY.index(last.kind) + 1 :]
    kind = next((kind for kind in rest if getattr(wishes, kind)), None)
    if kind is not None:
        return Step(kind=kind, round=last.round)
    return Step(kind=RETRY, round=last.round, wanted=retried(standing(taken)))


_BEFORE_RETRY = (ANALYZE, HOOK, ASK, BEFORE)


def retried(cells: Cells) -> dict[str, tuple[int, ...]]:
    """The failing cells with the seeds they had; those that pass now and then get as many trials again among them."""
    failing = {name: cell for name, cell in cells.items() if cell.failing}
    mixed = {name: cell for name, cell in failing.items() if cell.passes and cell.fails}
    extra = allocate(mixed, sum(cell.trials for cell in mixed.values()))
    return {name: (*cell.seeds, *extra.get(name, ())) for name, cell in failing.items()}


def standing(taken: Sequence[Taken]) -> dict[str, Cell]:
    """How the campaign stands: the last full one with what was added to it, retried cells as the retries found them."""
    start = _last_full(taken)
    cells = pooled(each.cells for each in taken[start:] if each.kind in (FULL, MORE))
    for each in taken[start:]:
        if each.kind == RETRY:
            cells.update({name: cell for name, cell in each.cells.items() if cell.trials})
    return cells


def previous(taken: Sequence[Taken]) -> dict[str, Cell]:
    """How it stood at the last full campaign before the newest one; empty where there was none."""
    start = _last_full(taken)
    before = taken[:start]
    return pooled(each.cells for each in before[_last_full(before) :] if each.kind in (FULL, MORE)) if before else {}


def broken(before: Cells, now: Cells, test: SequentialTest) -> tuple[str, ...]:
    """The cells that passed before and by now are unlikely to reach the target by themselves."""
    unlikely = 1 - test.goal.confidence
    return tuple(
        name
        for name in compare(before, now).regressed
        if chance(now[name].passes, now[name].fails, test.goal.target) < unlikely
    )


def budget(wishes: Wishes, full: Cells) -> int:
    """The most trials of a full campaign with what is added to it.

    Unless said: twice its own, at least what a row of passes needs, the same number for each cell, and never more than
    the test itself.
    """
    if wishes.trials is not None:
        return wishes.trials
    least = _evenly(wishes.test.shortest, max(1, len(full)))
    return max(least, min(wishes.test.most, 2 * totals(full).trials))


def _last_full(taken: Sequence[Taken]) -> int:
    return max((place for place, each in enumerate(taken) if each.kind == FULL), default=0)


def _after_full(wishes: Wishes, taken: Sequence[Taken]) -> Step | End:
    """Decided, or more trials where they tell most, or another round."""
    test, full, now, before = wishes.test, taken[_last_full(taken)].cells, standing(taken), previous(taken)
    found, round_ = estimate(now, full), taken[-1].round
    if found is None:
        return End(reached=False, why="no run could be judged: what errs is neither a pass nor a failure")
    said = test.say(found.passes, found.fails)
    # What came of nothing is not tried again for ever.
    left = budget(wishes, full) - _runs(now) if taken[-1].cells else 0
    second = _second_looks(before, now, full) if said is Said.REACHED else {}
    if second:
        return Step(kind=MORE, round=round_, wanted=second)
    if said is Said.UNDECIDED and left > 0:
        count = _evenly(test.wanting(found.passes, found.fails), len(now))
        if wanted := allocate(now, min(left, count)):
            return Step(kind=MORE, round=round_, wanted=wanted)
    return _judged(wishes, taken, said, found, broken(before, now, test))


def _judged(wishes: Wishes, taken: Sequence[Taken], said: Said, found: Estimate, bad: Sequence[str]) -> Step | End:
    """The end, or another round; ``bad`` are cells that passed before and are broken now."""
    sure = f"at a confidence of {wishes.test.goal.confidence:.0%}"
    if bad:
        return _round_over(wishes, taken, f"{found}, but what passed before is broken: {', '.join(bad[:3])}")
    unknown = _unknown(taken)
    if said is Said.REACHED and unknown is None:
        return End(reached=True, why=f"{found}: the target is reached, {sure}")
    if said is Said.REACHED:
        why = f"{found}, but {unknown}"
        fails = any(cell.failing for cell in standing(taken).values())
        return _round_over(wishes, taken, why) if fails else End(reached=False, why=why)
    if said is Said.MISSED:
        return _round_over(wishes, taken, f"{found}: the target is missed, {sure}")
    why = f"{found}: too few trials to show that the target is reached, {sure}"
    if not any(cell.failing for cell in standing(taken).values()):
        return End(reached=False, why=f"{why}; no cell fails")
    return _round_over(wishes, taken, why)


def _unknown(taken: Sequence[Taken]) -> str | None:
    """What of the last full campaign nobody knows, in words: a target is not reached by what was not judged."""
    left_out = taken[_last_full(taken)].left_out
    if left_out:
        return f"{left_out:,} runs of the full campaign were not carried out"
    blind = [name for name, cell in standing(taken).items() if cell.errors and not cell.trials]
    return f"no run could be judged of {', '.join(blind[:3])}" if blind else None


def _evenly(trials: int, cells: int) -> int:
    """So many trials that they are worth as many: the same number for each cell, or for as many as two would do."""
    return ceil(trials / cells) * cells if trials >= cells else min(cells, 2 * trials)


def _runs(cells: Cells) -> int:
    return sum(len(cell.seeds) for cell in cells.values())


def _second_looks(before: Cells, now: Cells, full: Cells) -> dict[str, tuple[int, ...]]:
    """Further seeds for cells that passed before, failed in the full campaign, and were not looked at again yet."""
    return {
        name: _fresh(now[name], _LOOKS)
        for name in compare(before, now).regressed
        if full.get(name) == now.get(name) and not now[name].chained
    }


def _after_retry(wishes: Wishes, taken: Sequence[Taken]) -> Step | End:
    """A full campaign where the retried cells would bring it to its target, else another round."""
    found = estimate(standing(taken), taken[_last_full(taken)].cells)
    if found is not None and found.share >= wishes.test.goal.target:
        return Step(kind=FULL, round=taken[-1].round)
    return _round_over(wishes, taken, f"with what was retried {found}: the target is not reached")


def _round_over(wishes: Wishes, taken: Sequence[Taken], why: str) -> Step | End:
    """Another round, unless that was the last one."""
    round_ = taken[-1].round
    if wishes.is_last(round_):
        return End(reached=False, why=f"{why}; {round_ or 'no'} {'round' if round_ == 1 else 'rounds'} and no more")
    return Step(kind=ANALYZE, round=round_ + 1)
