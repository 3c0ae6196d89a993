"""The minimizers against greedy halving and classic ddmin, by runs and rounds on made-up failures: no clock is read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from math import log2
from typing import Any

from msgspec import Struct

from bench.measure import Result
from campaign.analysis.minimizing import Bounds, Minimized, minimizing
from campaign.plugins.api import Tunable
from campaign_standard.minimize import DeltaDebugging, Parameters

Fails = Callable[[tuple[int, ...]], bool]
_UNBOUNDED = 10**9

# --- what is minimized ----------------------------------------------------------------------------------------------


class Failure(Struct, frozen=True):
    """A made-up failure: ``start`` fails; ``monotone``: whatever holds something that fails, fails."""

    start: tuple[Any, ...]
    fails: Fails
    monotone: bool = True


def lists(seed: int, longest: int) -> Failure:
    """A list with interacting causes: some of its elements together, one of two groups, a count, or one that masks."""
    rng = random.Random(seed)
    length = rng.choice([size for size in (2, 5, 13, 37, 100, 256, 1000, 3000, 10_000) if size <= longest])
    start = tuple(range(length))
    groups = [frozenset(rng.sample(start, min(length, rng.choice((1, 2, 3, 5, 8))))) for _ in range(2)]
    kind = rng.choice(("together", "together", "either", "count", "masked", "ordered"))
    if kind == "together":
        return Failure(start, lambda kept: groups[0] <= set(kept))
    if kind == "either":
        return Failure(start, lambda kept: any(group <= set(kept) for group in groups))
    if kind == "count":
        return Failure(start, lambda kept: 2 * len(groups[0].intersection(kept)) >= len(groups[0]))
    mask, key = rng.sample(start, 2)
    if kind == "masked":  # one element hides the failure unless another one is there
        return Failure(start, lambda kept: groups[0] <= {*kept} and (mask not in kept or key in kept), False)
    between = rng.sample(start, min(length, 3))  # elements that close what the causes leave open, until the list is cut
    return Failure(
        start, lambda kept: groups[0] <= {*kept} and (len(kept) == length or not {*between} <= {*kept}), False
    )


def parameters(seed: int) -> Failure:
    """Three integers: each with a threshold of its own, a product, a sum, or with gaps in what fails."""
    rng = random.Random(seed)
    lows = [rng.choice((0, 1, 1, 5, 100)) for _ in range(3)]
    start = tuple(
        Tunable(name=name, value=low + rng.randint(0, 10**4), low=low) for name, low in zip("abc", lows, strict=True)
    )
    highs = tuple(each.value for each in start)
    at = tuple(rng.randint(low, high) for low, high in zip(lows, highs, strict=True))  # type: ignore[arg-type]
    kind = rng.choice(("thresholds", "thresholds", "product", "sum", "gaps"))
    if kind == "thresholds":
        return Failure(start, lambda v: all(each >= least for each, least in zip(v, at, strict=True)))
    if kind == "product":
        return Failure(start, lambda v: v[0] * v[1] * v[2] >= at[0] * at[1] * at[2])
    if kind == "sum":
        return Failure(start, lambda v: v[0] + v[1] + v[2] >= sum(at))
    gaps = [sorted(rng.randint(low, high) for _ in range(2)) for low, high in zip(lows, highs, strict=True)]  # type: ignore[arg-type]
    return Failure(
        start, lambda v: v == highs or not any(a <= each < b for each, (a, b) in zip(v, gaps, strict=True)), False
    )


def one_threshold(seed: int) -> tuple[Failure, int]:
    """One integer that fails from some value on, and the size of its range."""
    rng = random.Random(seed)
    low = rng.choice((0, 1, 7, 1000))
    high = low + rng.randint(1, 10 ** rng.randint(1, 6))
    at = rng.choice((low, rng.randint(low, high), high))
    return Failure((Tunable(name="a", value=high, low=low),), lambda v: v[0] >= at), high - low


# --- ours and the peers -----------------------------------------------------------------------------------------------


class Reduced(Struct, frozen=True):
    """What a minimizer came to: candidates run, rounds of at most as many as there are slots, and the result."""

    smallest: tuple[Any, ...]
    runs: int
    rounds: int
    whole: Minimized | None = None


def ours(failure: Failure, slots: int = 1, rate: float = 1.0, seed: int = 0, most: int = _UNBOUNDED) -> Reduced:
    """Our minimizers; a failure comes back in ``rate`` of the runs.  Repeats of the original are not in ``runs``."""
    tunable = isinstance(failure.start[0], Tunable)
    course = minimizing(
        Parameters() if tunable else DeltaDebugging(),
        failure.start,
        {},
        bounds=Bounds(attempts=most, slots=slots),
        clock=lambda: 0.0,
    )
    rng, rounds = random.Random(seed), 0
    trials = next(course)
    try:
        while True:
            rounds += trials[0].candidate != values(failure)
            trials = course.send([failure.fails(each.candidate) and rng.random() < rate for each in trials])
    except StopIteration as end:
        result: Minimized = end.value
        return Reduced(result.smallest, result.attempts - result.repeats.runs - result.confirmed.runs, rounds, result)


def values(failure: Failure) -> tuple[Any, ...]:
    """The start as a candidate."""
    return tuple(each.value if isinstance(each, Tunable) else each for each in failure.start)


class _Counted:
    """A failure whose runs are counted, none run twice."""

    def __init__(self, fails: Fails) -> None:
        self._fails, self.known = fails, dict[tuple[int, ...], bool]()

    def __call__(self, candidate: tuple[int, ...]) -> bool:
        if candidate not in self.known:
            self.known[candidate] = self._fails(candidate)
        return self.known[candidate]


def halving(failure: Failure) -> Reduced:
    """Greedy halving: each parameter is halved as long as that still fails, its lowest value at the last."""
    fails, found = _Counted(failure.fails), list(values(failure))
    for index, parameter in enumerate(failure.start):
        while found[index] > parameter.low:
            tried = [*found[:index], max(parameter.low, found[index] // 2), *found[index + 1 :]]
            if not fails(tuple(tried)):
                break
            found = tried
    return Reduced(tuple(found), len(fails.known), len(fails.known))


def ddmin(failure: Failure) -> Reduced:
    """Classic ddmin, as Zeller and Hildebrandt published it in 2002; no selection is run twice."""
    fails, left, parts = _Counted(failure.fails), tuple(failure.start), 2
    while len(left) >= 2:
        cut = list(_parts(len(left), parts))
        alone = next(((left[a:b], 2) for a, b in cut if fails(left[a:b])), None)
        rest = ((left[:a] + left[b:], max(parts - 1, 2)) for a, b in cut if fails(left[:a] + left[b:]))
        smaller = alone or next(rest, None)
        if smaller is None and parts >= len(left):
            break
        left, parts = smaller or (left, min(2 * parts, len(left)))
    return Reduced(left, len(fails.known), len(fails.known))


def _parts(length: int, parts: int) -> Iterator[tuple[int, int]]:
    first = 0
    for number in range(parts):
        end = first + (length - first) // (parts - number)
        yield first, end
        first = end


def is_one_minimal(failure: Failure, kept: Sequence[Any]) -> bool:
    """Whether no element can be left out."""
    return not any(failure.fails((*kept[:at], *kept[at + 1 :])) for at in range(len(kept)))


# --- the figures ------------------------------------------------------------------------------------------------------


def measure(*, short: bool) -> list[Result]:
    """Sums over seeded failures."""
    return [*_lists(short=short), *_parameters(short=short), *_flaky(short=short)]


def _lists(*, short: bool) -> list[Result]:
    failures = [lists(seed, 1000 if short else 10_000) for seed in range(100 if short else 400)]
    classic, one, two = [ddmin(f) for f in failures], [ours(f) for f in failures], [ours(f, 2) for f in failures]
    runs, peer = sum(each.runs for each in one), sum(each.runs for each in classic)
    rounds, serial = sum(each.rounds for each in two), sum(each.rounds for each in one)
    larger = sum(len(o.smallest) > len(c.smallest) for both in (one, two) for o, c in zip(both, classic, strict=True))
    return [
        Result("ddmin: runs against classic ddmin", runs / peer, "x", 0.8, False, f"{runs:,} against {peer:,} runs"),
        Result(
            "ddmin: wall time of two slots", rounds / serial, "x", 0.7, False, f"{rounds:,} against {serial:,} rounds"
        ),
        Result("ddmin: results larger than classic", larger, "", 0, False, f"of {2 * len(failures)} lists"),
    ]


def _parameters(*, short: bool) -> list[Result]:
    singles = [one_threshold(seed) for seed in range(200 if short else 5000)]
    over = max(ours(failure).runs - log2(size) for failure, size in singles)
    failures = [parameters(seed) for seed in range(200 if short else 5000)]
    greedy, one, two = [halving(f) for f in failures], [ours(f) for f in failures], [ours(f, 2) for f in failures]
    larger = sum(o.smallest > g.smallest for both in (one, two) for o, g in zip(both, greedy, strict=True))
    rounds, serial = sum(each.rounds for each in two), sum(each.rounds for each in one)
    runs, peer = sum(each.runs for each in one), sum(each.runs for each in greedy)
    return [
        Result("parameters: runs above log2(range)", over, "", 2, False, f"the most of {len(singles)} monotone ones"),
        Result("parameters: results larger than halving", larger, "", 0, False, f"of {2 * len(failures)} triples"),
        Result(
            "parameters: wall time of two slots",
            rounds / serial,
            "x",
            0.7,
            False,
            f"{rounds:,} against {serial:,} rounds",
        ),
        Result(
            "for comparison: runs against halving", runs / peer, "x", None, False, f"{runs:,} against {peer:,} runs"
        ),
    ]


def _flaky(*, short: bool) -> list[Result]:
    seeds = 100 if short else 1000
    results = [flaky(seed) for seed in range(seeds)]
    right = sum(each.smallest == thresholds(seed) for seed, each in enumerate(results))
    runs = sum(each.whole.attempts for each in results if each.whole) // seeds
    after = sorted(each.whole.repeats.passes_after for each in results if each.whole)
    detail = (
        f"{right} of {seeds}; {runs} runs each, a candidate passes after {after[seeds // 2]} runs without a failure"
    )
    return [Result("a failure that comes back in 30 %: right results", right / seeds, "", 0.95, True, detail)]


def thresholds(seed: int) -> tuple[int, ...]:
    """Where the values of ``flaky`` begin to fail."""
    rng = random.Random(seed)
    return tuple(rng.randint(1, 1000) for _ in range(3))


def flaky(seed: int, rate: float = 0.3) -> Reduced:
    """Three integers, minimized where the failure comes back in ``rate`` of the runs."""
    at = thresholds(seed)
    start = tuple(Tunable(name=name, value=1000, low=1) for name in "abc")
    failure = Failure(start, lambda v: all(each >= least for each, least in zip(v, at, strict=True)))
    return ours(failure, rate=rate, seed=seed)
