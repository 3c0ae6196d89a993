"""The sequential test of ``iterate`` on simulated campaigns of a known win rate: how often it errs, how long it is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from msgspec import Struct

from bench.measure import Result
from campaign.analysis.iterate import FULL, Cell, End, Step, Taken, Wishes, next_step
from campaign.analysis.sequential import Goal, Said, sequential_test

GOAL = Goal(target=0.9, confidence=0.95)
#: Whole: simulated campaigns of each rate.
CAMPAIGNS = 10_000
ROUNDS = 5
#: Rates, with what may be said of them with a chance of at most 5%.
_WRONG = {0.80: "reached", 0.85: "reached", 0.90: None, 0.9385: "missed", 0.95: "missed", 1.0: "missed"}


#: Campaigns whose win rate is 85%, by the rates of their cells.
CAMPAIGNS_OF = {
    "12 cells of 85%": (0.85,) * 12,
    "20 cells, 3 of which always fail": (1.0,) * 17 + (0.0,) * 3,
    "20 cells, 6 of which fail now and then": (1.0,) * 14 + (0.5,) * 6,
    "40 cells of 70% to 100%": tuple(0.70 + 0.30 * place / 39 for place in range(40)),
}


class Simulated(Struct, frozen=True):
    """What was said how often of campaigns of one rate, and after how many trials on the average."""

    said: Counter[str]
    trials: float


@cache
def simulated(rate: float, campaigns: int) -> Simulated:
    """The test after each trial, to its end; the same for the same arguments."""
    test, said, trials = sequential_test(GOAL), Counter[str](), 0
    for number in range(campaigns):
        rng = random.Random(f"{rate} {number}")
        passes = fails = 0
        while (found := test.say(passes, fails)) is Said.UNDECIDED and passes + fails < test.most:
            passed = rng.random() < rate
            passes, fails = passes + passed, fails + (not passed)
        said[found.value] += 1
        trials += passes + fails
    return Simulated(said, trials / campaigns)


def driven(rates: Sequence[float], campaigns: int) -> Simulated:
    """Whole campaigns of a cell for each of these rates, with the trials that ``iterate`` adds until it has decided."""
    wishes, said, trials = Wishes(test=sequential_test(GOAL), is_last=bool), Counter[str](), 0
    cells = {f"c{place}": rate for place, rate in enumerate(rates)}
    for number in range(campaigns):
        rng = random.Random(f"{rates} {number}")
        taken = [Taken(kind=FULL, round=0, cells=_carried_out(dict.fromkeys(cells, (0,)), cells, rng))]
        while isinstance(found := next_step(wishes, taken), Step) and found.wanted:
            taken.append(Taken(kind=found.kind, round=0, cells=_carried_out(found.wanted, cells, rng)))
        said["reached" if isinstance(found, End) and found.reached else "not reached"] += 1
        trials += sum(len(cell.seeds) for each in taken for cell in each.cells.values())
    return Simulated(said, trials / campaigns)


def iterated(rates: Sequence[float], rounds: int, campaigns: int) -> Simulated:
    """Whole iterations of a campaign that nobody mends: its failing cells are retried until they pass by chance."""
    wishes = Wishes(test=sequential_test(GOAL), is_last=lambda round_: round_ >= rounds)
    said, trials, cells = Counter[str](), 0, {f"c{place}": rate for place, rate in enumerate(rates)}
    for number in range(campaigns):
        rng, taken = random.Random(f"{rates} {rounds} {number}"), list[Taken]()
        while isinstance(found := next_step(wishes, taken), Step):
            wanted = dict.fromkeys(cells, (0,)) if found.kind == FULL else found.wanted
            taken.append(Taken(kind=found.kind, round=found.round, cells=_carried_out(wanted, cells, rng)))
        said["reached" if found.reached else "not reached"] += 1
        trials += sum(len(cell.seeds) for each in taken for cell in each.cells.values())
    return Simulated(said, trials / campaigns)


def _carried_out(
    wanted: Mapping[str, tuple[int, ...]], rates: Mapping[str, float], rng: random.Random
) -> dict[str, Cell]:
    found = {}
    for name, seeds in wanted.items():
        passes = sum(rng.random() < rates[name] for _ in seeds)
        found[name] = Cell(passes, len(seeds) - passes, 0, seeds)
    return found


def measure(*, short: bool) -> Iterator[Result]:
    """Error rates in percent against the stated 5%, with three standard errors of room; trials for information."""
    campaigns = CAMPAIGNS // 10 if short else CAMPAIGNS
    room = 300 * (0.05 * 0.95 / campaigns) ** 0.5
    for rate, wrong in _WRONG.items():
        found = simulated(rate, campaigns)
        told = ", ".join(f"{word} {100 * count / campaigns:.2f}%" for word, count in sorted(found.said.items()))
        of = f"true rate {100 * rate:g}%, target 90%"
        if wrong is not None:
            yield Result(f"{of}: wrongly «{wrong}»", 100 * found.said[wrong] / campaigns, "%", 5 + room, False, told)
        else:
            yield Result(f"{of}: undecided", 100 * found.said["undecided"] / campaigns, "%", None, False, told)
        yield Result(f"{of}: trials", found.trials, "trials", None, False, "on the average")
    for name, rates in CAMPAIGNS_OF.items():
        found, count = driven(rates, campaigns // 10), campaigns // 10
        told = f"with the trials that are added: {found.trials:.0f} on the average"
        room = 300 * (0.05 * 0.95 / count) ** 0.5
        yield Result(
            f"campaigns of {name}: wrongly «reached»", 100 * found.said["reached"] / count, "%", 5 + room, False, told
        )
    for name, rates in CAMPAIGNS_OF.items():
        found = iterated(rates, ROUNDS, campaigns // 10)
        told, stated = f"{found.trials:.0f} trials on the average", 100 * sequential_test(GOAL).error_rate(ROUNDS + 1)
        what = f"iterations of {ROUNDS} rounds over {name}, nothing mended: wrongly «reached»"
        share = 100 * found.said["reached"] / (campaigns // 10)
        yield Result(what, share, "%", stated, False, told)
