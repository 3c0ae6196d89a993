"""The course of one minimization: a generator without clock, disk or process that asks for runs and hears of them.

It repeats the original, asks a minimizer for candidates, runs each as often as it takes (``repeats``), keeps the
smallest that fails, and stops where the minimizer is at its end or the bounds are reached.  Last it repeats what it
found: bisection ends where failing begins, and what stands on the edge may fail once and not again.  The same answers
give the same course, so one that was broken off is taken up again by giving it the answers that it had.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from enum import StrEnum
from itertools import cycle, islice
from typing import Any, TypeAlias

from msgspec import Struct

from campaign.analysis.repeats import FIRST, MOST, Repeats
from campaign.plugins.api import Minimizer, Tunable
from campaign.units import Value

Candidate: TypeAlias = "tuple[Any, ...]"
#: So often the smallest has to fail once more, to be believed.
CONFIRMED = 4
#: A minimizer whose candidates hold more parts than that in all is not followed to its end to say how long it takes.
_MOST_FORESEEN = 200_000


class Bounds(Struct, frozen=True, kw_only=True):
    """How much may be run: ``attempts`` in all, ``slots`` at a time, none begun after ``seconds``."""

    attempts: int
    slots: int = 1
    seconds: float | None = None


class Trial(Struct, frozen=True):
    """One run that is asked for; ``number`` counts from 1: ``minimize/001``."""

    number: int
    candidate: Candidate


class Step(Struct, frozen=True):
    """What became of one candidate: whether it fails, in which trials that was seen, or why it may not be run.

    ``before`` was the smallest known when it was tried; ``kept``: this one was smaller than all that had answered.
    """

    candidate: Candidate
    before: Candidate
    fails: bool
    kept: bool
    trials: tuple[int, ...] = ()
    refused: str | None = None


class Stop(StrEnum):
    """Why a minimization ended."""

    DONE = "nothing smaller was found to fail the same way"
    FOUND = "nothing smaller than that was found to fail the same way"
    EMPTY = "it fails the same way with nothing left of the list, which therefore has no part in the failure"
    GONE = "the failure did not come back"
    ATTEMPTS = "the allowed attempts were used up"
    TIME = "the allowed time was over"


class Minimized(Struct, frozen=True):
    """What a minimization came to.

    ``repeats`` are those of the original, ``confirmed`` those of the smallest at the end, of a failure that comes back
    every time; none where nothing was left to run them.  ``smaller``: the smallest is not the original.  ``needed``:
    about how many attempts would have been enough, where they were used up and that can be told.
    """

    smallest: Candidate
    stopped: Stop
    attempts: int
    repeats: Repeats
    confirmed: Repeats
    smaller: bool
    steps: tuple[Step, ...]
    needed: int | None = None

    @property
    def found(self) -> bool:
        """Whether there is a smaller repro: not where it is empty, and not where nothing smaller was found."""
        return self.smaller and self.stopped not in (Stop.EMPTY, Stop.GONE)


_Answers = Generator["list[Trial]", "Sequence[bool | None]", "list[bool]"]


class _EnoughError(Exception):
    """A bound was reached."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        super().__init__(stop)


def minimizing(  # noqa: PLR0913 - three facts, the rest named
    minimizer: Minimizer,
    start: Candidate,
    settings: Mapping[str, Value],
    *,
    bounds: Bounds,
    clock: Callable[[], float],
    refused: Callable[[Candidate], str | None] = lambda _: None,
) -> Generator[list[Trial], Sequence[bool | None], Minimized]:
    """Yields trials to run side by side, is sent whether each failed the same way (None: that could not be told).

    ``refused`` says why a candidate may not be run, a limit say; it then counts as not failing.  ``clock`` gives
    seconds from any beginning.
    """
    course = _Course(minimizer, start, bounds, clock, refused)
    try:
        yield from course.repeat_the_original()
        stopped = yield from course.run(minimizer.candidates(start, settings, course.slots))
    except _EnoughError as enough:
        stopped = enough.stop if course.repeats.failed else Stop.GONE
    needed = course.needed(start, settings) if stopped is Stop.ATTEMPTS else None
    if stopped is not Stop.EMPTY:
        yield from course.confirm()
    return course.ended(stopped, needed)


def _rounded(number: int) -> int:
    """``number``, or a little more: its first two digits say something, the rest seems to."""
    unit = int("1" + "0" * max(len(str(number)) - 2, 0))
    return -(-number // unit) * unit


class _Course:
    """What is known so far."""

    def __init__(
        self,
        minimizer: Minimizer,
        start: Candidate,
        bounds: Bounds,
        clock: Callable[[], float],
        refused: Callable[[Candidate], str | None],
    ) -> None:
        self._minimizer, self._bounds, self._clock, self._refused = minimizer, bounds, clock, refused
        self._began = clock()
        original = tuple(each.value if isinstance(each, Tunable) else each for each in start)
        self._kept: list[Candidate] = [original]  # each smaller than the one before it
        self.repeats = self._confirmed = Repeats(0, 0)
        self.attempts = 0
        self.steps: list[Step] = []
        self._known: dict[Candidate, bool] = {original: True}
        self._confirming = False

    @property
    def smallest(self) -> Candidate:
        """The smallest that is known to fail."""
        return self._kept[-1]

    def ended(self, stopped: Stop, needed: int | None) -> Minimized:
        """What it came to."""
        smaller = len(self._kept) > 1
        return Minimized(
            smallest=self.smallest,
            stopped=Stop.FOUND if stopped is Stop.DONE and smaller else stopped,
            attempts=self.attempts,
            repeats=self.repeats,
            confirmed=self._confirmed,
            smaller=smaller,
            steps=tuple(self.steps),
            needed=needed,
        )

    def needed(self, start: Candidate, settings: Mapping[str, Value]) -> int | None:
        """About how many attempts it takes to the end: as many as where no candidate fails, each told by its runs."""
        original, tried, foreseen = self._kept[0], set[Candidate](), 0
        candidates = self._minimizer.candidates(start, settings, self.slots)
        with closing(candidates), suppress(StopIteration):
            batch = next(candidates)
            while foreseen <= _MOST_FORESEEN:
                tried.update(batch)
                foreseen += sum(map(len, batch)) + 1
                batch = candidates.send([each == original for each in batch])
            return None
        first = FIRST if self.repeats.reliable else max(self.repeats.runs, MOST)
        runs = _rounded(first + len(tried) * self.repeats.passes_after + 2 * CONFIRMED)
        return runs if runs > self._bounds.attempts else 2 * self._bounds.attempts

    @property
    def slots(self) -> int:
        """How many candidates are worth trying at a time: repeats of one fill the slots without a guess."""
        return self._bounds.slots if self.repeats.reliable else 1

    def repeat_the_original(self) -> Generator[list[Trial], Sequence[bool | None], None]:
        """Run it until its failure rate is known; raises _EnoughError where it does not fail."""
        while not self.repeats.enough:
            answers = yield self._trials([self.smallest] * self._bounds.slots)
            told = [answer for answer in answers if answer is not None]
            self.repeats = Repeats(self.repeats.failed + sum(told), self.repeats.runs + len(told))
        if self.repeats.failed == 0:
            raise _EnoughError(Stop.GONE)

    def run(
        self, candidates: Generator[Sequence[Candidate], Sequence[bool], None]
    ) -> Generator[list[Trial], Sequence[bool | None], Stop]:
        """Follow the minimizer to its end."""
        try:
            batch = next(candidates)
            while True:
                answers = yield from self._judged(batch)
                if not self.smallest:
                    return Stop.EMPTY
                batch = candidates.send(answers)
        except StopIteration:
            return Stop.DONE
        finally:
            candidates.close()

    def confirm(self) -> Generator[list[Trial], Sequence[bool | None], None]:
        """Repeat the smallest; one that does not fail each time is given up for the one that was kept before it."""
        self._confirming = True
        with suppress(_EnoughError):
            while len(self._kept) > 1 and self.repeats.reliable and not (yield from self._holds()):
                self._confirmed = Repeats(0, 0)

    def _holds(self) -> Generator[list[Trial], Sequence[bool | None], bool]:
        """Whether the smallest fails again and again; it is taken back at the first time that it does not."""
        candidate, numbers = self.smallest, list[int]()
        while self._confirmed.runs < CONFIRMED:
            wanted = min(self._bounds.slots, CONFIRMED - self._confirmed.runs)
            trials = self._trials([candidate] * wanted)
            answers = yield trials
            numbers += [trial.number for trial in trials]
            failed = sum(answer is True for answer in answers)
            self._confirmed = Repeats(self._confirmed.failed + failed, self._confirmed.runs + len(answers))
            if not self._confirmed.reliable:
                self._kept.pop()
                self.steps.append(Step(candidate, self.smallest, False, False, tuple(numbers)))
                return False
        return True

    def _judged(self, batch: Sequence[Candidate]) -> _Answers:
        """Whether each candidate of a batch fails; what is known already is not run again."""
        open_ = [each for each in dict.fromkeys(batch) if each not in self._known and not self._is_refused(each)]
        for first in range(0, len(open_), self._bounds.slots):
            yield from self._decide(open_[first : first + self._bounds.slots])
        return [self._known[each] for each in batch]

    def _is_refused(self, candidate: Candidate) -> bool:
        why = self._refused(candidate)
        if why is not None:
            self._known[candidate] = False
            self.steps.append(Step(candidate, self.smallest, False, False, refused=why))
        return why is not None

    def _decide(self, candidates: Sequence[Candidate]) -> Generator[list[Trial], Sequence[bool | None], None]:
        """Run candidates side by side, each until it is decided; repeats fill what slots are left."""
        seen: dict[Candidate, list[tuple[int, bool]]] = {each: [] for each in candidates}
        before = self.smallest
        while undecided := [each for each in candidates if each not in self._known]:
            wanted = undecided if self.repeats.reliable else islice(cycle(undecided), self._bounds.slots)
            trials = self._trials(list(wanted))
            answers = yield trials
            for trial, answer in zip(trials, answers, strict=True):
                seen[trial.candidate].append((trial.number, answer is True))
            for each in undecided:
                self._settle(each, before, seen[each])

    def _settle(self, candidate: Candidate, before: Candidate, seen: Sequence[tuple[int, bool]]) -> None:
        """Take note of a candidate that is decided."""
        fails = self.repeats.decided(sum(failed for _, failed in seen), len(seen))
        if fails is None:
            return
        self._known[candidate] = fails
        kept = fails and self._minimizer.size(candidate) < self._minimizer.size(self.smallest)
        if kept:
            self._kept.append(candidate)
        self.steps.append(Step(candidate, before, fails, kept, tuple(number for number, _ in seen)))

    @property
    def _reserved(self) -> int:
        """How many runs are kept back to confirm what was found, and what was kept before it."""
        if self._confirming or len(self._kept) == 1 or not self.repeats.reliable:
            return 0
        return min(2 * CONFIRMED, (self._bounds.attempts - FIRST) // 2)

    def _trials(self, candidates: Sequence[Candidate]) -> list[Trial]:
        """Trials of these, as many as may still be begun; raises _EnoughError where that is none."""
        seconds = self._bounds.seconds
        if seconds is not None and self._clock() - self._began >= seconds:
            raise _EnoughError(Stop.TIME)
        left = self._bounds.attempts - self.attempts - self._reserved
        if left <= 0:
            raise _EnoughError(Stop.ATTEMPTS)
        trials = [Trial(self.attempts + at, each) for at, each in enumerate(candidates[:left], start=1)]
        self.attempts += len(trials)
        return trials
