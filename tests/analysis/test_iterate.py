"""What an iteration does next, from what was done; a whole one with simulated campaigns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.analysis.iterate import (
    ANALYZE,
    ASK,
    BEFORE,
    FULL,
    HOOK,
    MORE,
    RETRY,
    Cell,
    End,
    Step,
    Taken,
    Wishes,
    allocate,
    compare,
    estimate,
    next_step,
    pooled,
    retried,
    standing,
)
from campaign.analysis.sequential import Goal, sequential_test

TEST = sequential_test(Goal(target=0.9))
GOOD, BAD, MIXED, BROKEN = Cell(1, 0, 0, (0,)), Cell(0, 1, 0, (0,)), Cell(2, 1, 0, (1, 2, 3)), Cell(0, 0, 1, (0,))


def wishes(rounds: int = 2, **what: Any) -> Wishes:
    return Wishes(**{"test": TEST, "is_last": lambda number: number >= rounds, **what})


def full(cells: dict[str, Cell], round_: int = 0) -> Taken:
    return Taken(kind=FULL, round=round_, cells=cells)


def many(count: int, cell: Cell = GOOD) -> dict[str, Cell]:
    return {f"c{number}": cell for number in range(count)}


def test_a_target_is_not_reached_by_what_was_not_judged() -> None:
    cells = many(60) | {"blind": BROKEN}
    found = next_step(wishes(rounds=0), [full(cells)])
    assert found == End(reached=False, why=found.why)  # type: ignore[union-attr]
    assert "but no run could be judged of blind" in found.why
    assert next_step(wishes(), [full(cells)]) == Step(kind=ANALYZE, round=1)
    assert next_step(wishes(), [full(many(60))]).reached  # type: ignore[union-attr]


def test_a_target_is_not_reached_by_what_was_not_carried_out() -> None:
    found = next_step(wishes(), [Taken(kind=FULL, round=0, cells=many(60), left_out=3)])
    assert found == End(reached=False, why=found.why)  # type: ignore[union-attr]
    assert found.why.endswith("but 3 runs of the full campaign were not carried out")
    some = many(60) | {"bad": MIXED}
    assert next_step(wishes(), [Taken(kind=FULL, round=0, cells=some, left_out=3)]) == Step(kind=ANALYZE, round=1)


# --- cells ------------------------------------------------------------------------------------------------------------


def test_what_became_of_cells_is_told_by_their_names() -> None:
    before = {"fixed": BAD, "back": GOOD, "still": BAD, "good": GOOD, "gone": BAD, "mended": BROKEN}
    after = {"fixed": GOOD, "back": BAD, "still": MIXED, "good": GOOD, "new": GOOD, "mended": GOOD}
    found = compare(before, after)
    assert (found.fixed, found.regressed) == (("fixed", "mended"), ("back",))
    assert (found.unchanged, found.new, found.absent) == (("still", "good"), ("new",), ("gone",))


class Seed(int):
    """A seed that counts how often one is looked at."""

    looks = 0

    def __hash__(self) -> int:
        Seed.looks += 1
        return super().__hash__()


def test_adding_cells_up_costs_as_much_as_they_have_seeds() -> None:
    looked: list[int] = []
    for seeds in (500, 1_000):
        Seed.looks = 0
        found = pooled({"one": Cell(1, 0, 0, (Seed(seed),))} for seed in [*range(seeds), 0])
        assert found == {"one": Cell(seeds + 1, 0, 0, tuple(range(seeds)))}
        looked.append(Seed.looks)
    assert looked[1] <= 2 * looked[0]


CELLS = st.dictionaries(
    st.text("abc", min_size=1),
    st.builds(Cell, st.integers(0, 9), st.integers(0, 9), st.just(0), st.sets(st.integers(0, 9)).map(tuple)),
    min_size=1,
)


@settings(max_examples=40)
@given(CELLS, st.integers(0, 60))
def test_every_trial_is_given_once_with_a_seed_of_its_own(cells: dict[str, Cell], count: int) -> None:
    given_ = allocate(cells, count)
    assert sum(map(len, given_.values())) == count
    for name, seeds in given_.items():
        assert len(set(seeds)) == len(seeds)
        assert not set(seeds) & set(cells[name].seeds)


def test_trials_go_where_they_tell_most() -> None:
    cells = {"plainly good": Cell(40, 0), "open": Cell(20, 20), "plainly bad": Cell(0, 40)}
    assert set(allocate(cells, 20)) == {"open"}
    assert {name: len(seeds) for name, seeds in allocate(many(4), 8).items()} == dict.fromkeys(many(4), 2)
    evenly = allocate({**many(5), "bad": BAD}, 24)  # one that has failed once is no plainer than one that passed once
    assert {name: len(seeds) for name, seeds in evenly.items()} == dict.fromkeys([*many(5), "bad"], 4)


def test_a_chain_is_left_as_long_as_it_is() -> None:
    chain = Cell(2, 1, 0, (1, 2, 3), chained=True)
    assert allocate({"chain": chain}, 5) == {}
    assert set(allocate({"chain": chain, "open": Cell(2, 2)}, 5)) == {"open"}
    assert retried({"chain": chain}) == {"chain": (1, 2, 3)}
    assert pooled([{"chain": chain}, {"chain": chain}])["chain"].chained
    assert next_step(wishes(trials=99), [full({"chain": chain})]) == Step(kind=ANALYZE, round=1)


def test_failing_cells_are_retried_with_their_seeds_and_the_doubtful_ones_with_more() -> None:
    assert retried({"good": GOOD, "bad": BAD, "mixed": MIXED, "untold": BROKEN}) == {
        "bad": (0,),
        "mixed": (1, 2, 3, 4, 5, 6),
        "untold": (0,),
    }


def test_a_cell_that_was_tried_more_often_weighs_no_more() -> None:
    full_ = {"good": GOOD, "bad": BAD}
    found = estimate({"good": Cell(99, 0), "bad": BAD}, full_)
    assert found is not None
    assert (found.share, found.trials) == (0.5, 100)
    assert 3.9 < found.worth < 4  # of the bad one there is but one trial
    plain = estimate(full_, full_)
    assert plain is not None
    assert (plain.share, plain.worth) == (0.5, 2)
    unequal = {"much": Cell(8, 1, 0), "little": Cell(0, 1)}
    weighed = estimate(unequal, unequal)
    assert weighed is not None
    assert (round(weighed.passes, 9), round(weighed.fails, 9)) == (8, 2)
    assert estimate({"untold": BROKEN}, full_) is None


# --- steps ------------------------------------------------------------------------------------------------------------


def test_it_begins_with_a_full_campaign() -> None:
    assert next_step(wishes(), []) == Step(kind=FULL, round=0)


def test_a_campaign_that_shows_it_is_the_end() -> None:
    found = next_step(wishes(), [full(many(40))])
    assert isinstance(found, End)
    assert found.reached


def test_more_trials_are_added_until_it_is_decided() -> None:
    taken = [full(many(12))]
    found = next_step(wishes(), taken)
    assert isinstance(found, Step)
    assert (found.kind, sum(map(len, found.wanted.values()))) == (MORE, 24)
    passed = {name: Cell(len(seeds), 0, 0, seeds) for name, seeds in found.wanted.items()}
    end = next_step(wishes(), [*taken, Taken(kind=MORE, round=0, cells=passed)])
    assert isinstance(end, End)
    assert end.reached


@pytest.mark.parametrize(
    "added", [{}, {"c0": Cell(0, 0, 24, tuple(range(1, 25)))}, {"c0": Cell(0, 0, 0, tuple(range(1, 25)))}]
)
def test_nothing_is_added_for_ever(added: dict[str, Cell]) -> None:
    """Where nothing comes of what was added, or errors alone: no cell fails, so there is nothing to be retried."""
    end = next_step(wishes(), [full(many(12)), Taken(kind=MORE, round=0, cells=added)])
    assert isinstance(end, End)
    assert not end.reached
    assert "too few trials" in end.why


def test_a_round_goes_through_all_that_is_asked_for() -> None:
    taken, kinds = [full(many(12, BAD))], []
    asked = wishes(hook=True, ask=True, before=True)
    while isinstance(found := next_step(asked, taken), Step) and found.kind != RETRY:
        kinds.append(found.kind)
        taken.append(Taken(kind=found.kind, round=found.round))
    assert kinds == [ANALYZE, HOOK, ASK, BEFORE]
    assert isinstance(found, Step)
    assert (found.round, set(found.wanted)) == (1, set(many(12)))


@pytest.mark.parametrize("kind", [HOOK, BEFORE])
def test_a_command_that_fails_ends_the_round(kind: str) -> None:
    taken = [full(many(12, BAD)), Taken(kind=ANALYZE, round=1), Taken(kind=kind, round=1, ok=False)]
    assert next_step(wishes(), taken) == Step(kind=ANALYZE, round=2)
    end = next_step(wishes(rounds=1), taken)
    assert isinstance(end, End)
    assert not end.reached


def test_a_retry_that_would_do_is_confirmed_by_a_full_campaign_and_another_begins_a_round() -> None:
    cells = {**many(34), "x": BAD, "y": BAD, "z": BAD, "u": BAD, "v": BAD}
    taken = [full(cells), Taken(kind=ANALYZE, round=1)]
    retry = dict.fromkeys("xyzuv", GOOD)
    better = [*taken, Taken(kind=RETRY, round=1, cells=retry)]
    assert next_step(wishes(), better) == Step(kind=FULL, round=1)
    worse = [*taken, Taken(kind=RETRY, round=1, cells={**dict.fromkeys("xyzuv", BAD)})]
    assert next_step(wishes(), worse) == Step(kind=ANALYZE, round=2)
    assert sum(cell.fails for cell in standing(better).values()) == 0


def test_what_the_full_campaign_breaks_is_looked_at_again_and_begins_a_round() -> None:
    now = {**many(60), "c7": BAD}
    taken = [full(many(60)), full(now, 1)]
    second = next_step(wishes(), taken)
    assert second == Step(kind=MORE, round=1, wanted={"c7": (1, 2)})
    still = Taken(kind=MORE, round=1, cells={"c7": Cell(0, 2, 0, (1, 2))})
    assert next_step(wishes(), [*taken, still]) == Step(kind=ANALYZE, round=2)
    chance = Taken(kind=MORE, round=1, cells={"c7": Cell(2, 0, 0, (1, 2))})
    end = next_step(wishes(), [*taken, chance])
    assert isinstance(end, End)
    assert end.reached


@pytest.mark.parametrize(
    ("cells", "why"), [({}, "no run could be judged"), (many(3, BROKEN), "no run could be judged")]
)
def test_where_nothing_could_be_judged_it_ends_and_says_so(cells: dict[str, Cell], why: str) -> None:
    end = next_step(wishes(), [full(cells)])
    assert isinstance(end, End)
    assert not end.reached
    assert why in end.why


@settings(max_examples=40)
@given(st.lists(st.sampled_from([GOOD, BAD, MIXED, BROKEN]), min_size=1, max_size=30), st.integers(1, 4), st.randoms())
def test_it_always_comes_to_an_end(kinds: list[Cell], rounds: int, rng: Any) -> None:
    """Whatever comes of its campaigns."""
    cells = {f"c{place}": cell for place, cell in enumerate(kinds)}
    asked, taken = wishes(rounds=rounds), [full(cells)]
    for _ in range(200):
        found = next_step(asked, taken)
        if isinstance(found, End):
            break
        wanted = dict.fromkeys(cells, (0,)) if found.kind == FULL else found.wanted
        came = {name: _drawn(seeds, rng) for name, seeds in wanted.items()}
        taken.append(Taken(kind=found.kind, round=found.round, cells=came, ok=rng.random() < 0.9))
    assert isinstance(found, End)
    assert max(each.round for each in taken) <= rounds


def _drawn(seeds: tuple[int, ...], rng: Any) -> Cell:
    outcomes = [rng.choice("pfe") for _ in seeds]
    return Cell(outcomes.count("p"), outcomes.count("f"), outcomes.count("e"), seeds)
