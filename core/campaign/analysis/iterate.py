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
from typing import TypeAlias

from msgspec import Struct

from campaign.analysis.sequential import Said, SequentialTest, chance, doubt

FULL, MORE, ANALYZE, HOOK, ASK, BEFORE, RETRY = "full", "more", "analyze", "hook", "ask", "before", "retry"
#: Steps that carry out a campaign.
CAMPAIGNS = (FULL, MORE, RETRY)
#: A cell that passed before and fails now is looked at so many times more before it is called broken.
_LOOKS = 2
_LEAST_DOUBT = 1e-9


class Cell(Struct, frozen=True):
    """The runs of one cell: passes, failures, those that could not be told, and the seeds of all of them.

    What rule sets have quarantined counts neither as a pass nor as a failure.
    """

    passes: int = 0
    fails: int = 0
    errors: int = 0
    seeds: tuple[int, ...] = ()

    @property
    def failing(self) -> bool:
        """Whether it failed, or nobody knows how it does."""
        return self.fails > 0 or (self.errors > 0 and self.passes == 0)

    @property
    def passing(self) -> bool:
        """Whether all that is known of it are passes."""
        return self.passes > 0 and self.fails == 0

    def __add__(self, other: Cell) -> Cell:
        seeds = tuple(dict.fromkeys((*self.seeds, *other.seeds)))
        return Cell(self.passes + other.passes, self.fails + other.fails, self.errors + other.errors, seeds)


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
    """A step that was taken: ``ok`` is false where a command failed, ``cells`` are those of its campaign."""

    kind: str
    round: int
    ok: bool = True
    cells: Cells = {}


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
    found: dict[str, Cell] = {}
    for part in parts:
        for name, cell in part.items():
            found[name] = found[name] + cell if name in found else cell
    return found


def totals(cells: Cells) -> Cell:
    """All cells as one, without its seeds."""
    every = cells.values()
    return Cell(sum(each.passes for each in every), sum(each.fails for each in every), sum(e.errors for e in every))


def allocate(cells: Cells, count: int, test: SequentialTest) -> dict[str, tuple[int, ...]]:
    """New seeds for ``count`` further trials, where they tell most.

    A cell weighs as much as it is open whether it reaches the target by itself (``doubt``); trials go to the cells in
    proportion to their weights, by highest averages (Jefferson's and D'Hondt's method).  Seeds are the least from 1 on
    that the cell has not had.
    """
    weights = [max(doubt(each.passes, each.fails, test.goal.target), _LEAST_DOUBT) for each in cells.values()]
    heap = [(-weight, place, 0) for place, weight in enumerate(weights)]
    heapify(heap)
    given = [0] * len(heap)
    for _ in range(count if heap else 0):
        _, place, had = heap[0]
        given[place] = had + 1
        heapreplace(heap, (-weights[place] / (had + 2), place, had + 1))
    return {name: _fresh(cell, n) for (name, cell), n in zip(cells.items(), given, strict=True) if n}


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
    return Step(kind=RETRY, round=last.round, wanted=retried(standing(taken), wishes.test))


_BEFORE_RETRY = (ANALYZE, HOOK, ASK, BEFORE)


def retried(cells: Cells, test: SequentialTest) -> dict[str, tuple[int, ...]]:
    """The failing cells with the seeds they had; those that pass now and then get as many trials again among them."""
    failing = {name: cell for name, cell in cells.items() if cell.failing}
    mixed = {name: cell for name, cell in failing.items() if cell.passes and cell.fails}
    extra = allocate(mixed, sum(cell.passes + cell.fails for cell in mixed.values()), test)
    return {name: (*cell.seeds, *extra.get(name, ())) for name, cell in failing.items()}


def standing(taken: Sequence[Taken]) -> dict[str, Cell]:
    """How the campaign stands: the last full one with what was added to it, retried cells as the retries found them."""
    start = _last_full(taken)
    cells = pooled(each.cells for each in taken[start:] if each.kind in (FULL, MORE))
    for each in taken[start:]:
        if each.kind == RETRY:
            cells.update({name: cell for name, cell in each.cells.items() if cell.passes + cell.fails})
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

    Unless said: twice its own, at least what a row of passes needs, and never more than the test itself.
    """
    if wishes.trials is not None:
        return wishes.trials
    found = totals(full)
    return min(wishes.test.most, max(2 * (found.passes + found.fails), wishes.test.shortest))


def _last_full(taken: Sequence[Taken]) -> int:
    return max((place for place, each in enumerate(taken) if each.kind == FULL), default=0)


def _after_full(wishes: Wishes, taken: Sequence[Taken]) -> Step | End:
    """Decided, or more trials where they tell most, or another round."""
    round_, test, start = taken[-1].round, wishes.test, _last_full(taken)
    now, before = standing(taken), previous(taken)
    found, confidence = totals(now), f"{test.goal.confidence:.0%}"
    trials, share = found.passes + found.fails, tell_share(found)
    if not trials:
        return End(reached=False, why="no run could be judged: what errs is neither a pass nor a failure")
    said, left = test.say(found.passes, found.fails), budget(wishes, taken[start].cells) - _runs(now)
    left = left if taken[-1].cells else 0  # nothing came of what was added
    second = _second_looks(before, now, taken[start].cells)
    if second and said is Said.REACHED:
        return Step(kind=MORE, round=round_, wanted=second)
    if said is Said.UNDECIDED and left > 0:
        return Step(kind=MORE, round=round_, wanted=allocate(now, min(left, test.wanting(*_counts(found))), test))
    bad = broken(before, now, test)
    if said is Said.REACHED and not bad:
        return End(reached=True, why=f"{share}: the target is reached, at a confidence of {confidence}")
    if bad:
        return _round_over(wishes, taken, f"{share}, but what passed before is broken: {', '.join(bad[:3])}")
    if said is Said.MISSED:
        return _round_over(wishes, taken, f"{share}: the target is missed, at a confidence of {confidence}")
    why = f"{share}: too few trials to show that the target is reached, at a confidence of {confidence}"
    if not any(cell.failing for cell in now.values()):
        return End(reached=False, why=f"{why}; no cell fails")
    return _round_over(wishes, taken, why)


def _runs(cells: Cells) -> int:
    return sum(len(cell.seeds) for cell in cells.values())


def _counts(cell: Cell) -> tuple[int, int]:
    return cell.passes, cell.fails


def _second_looks(before: Cells, now: Cells, full: Cells) -> dict[str, tuple[int, ...]]:
    """Further seeds for cells that passed before, failed in the full campaign, and were not looked at again yet."""
    return {
        name: _fresh(now[name], _LOOKS) for name in compare(before, now).regressed if full.get(name) == now.get(name)
    }


def _after_retry(wishes: Wishes, taken: Sequence[Taken]) -> Step | End:
    """A full campaign where the retried cells would bring it to its target, else another round."""
    found = totals(standing(taken))
    trials = found.passes + found.fails
    if trials and found.passes >= wishes.test.goal.target * trials:
        return Step(kind=FULL, round=taken[-1].round)
    return _round_over(wishes, taken, f"with what was retried {tell_share(found)}: the target is not reached")


def _round_over(wishes: Wishes, taken: Sequence[Taken], why: str) -> Step | End:
    """Another round, unless that was the last one."""
    round_ = taken[-1].round
    if wishes.is_last(round_):
        return End(reached=False, why=f"{why}; {round_ or 'no'} {'round' if round_ == 1 else 'rounds'} and no more")
    return Step(kind=ANALYZE, round=round_ + 1)


def tell_share(cell: Cell) -> str:
    """«95.0% of 40 trials pass»."""
    trials = cell.passes + cell.fails
    return f"{cell.passes / trials:.1%} of {trials:,} trials pass" if trials else "no valid trial"
