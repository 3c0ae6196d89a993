from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from campaign.plan.bounds import CoverTooLargeError, check_bounds, count_tuples
from campaign.plan.cover import Allowed, verify
from campaign.plan.matrix import cells, chosen
from campaign.plan.sample import Numbering
from campaign.plan.scenario import Combination, Scenario
from campaign.plan.space import Space

from .made import axis, exclusion, scenario


def free(*sizes: int) -> Scenario:
    return scenario("a", *[axis(f"x{index}", *range(size)) for index, size in enumerate(sizes)])


def covered(made: Scenario, strength: int, seed: int = 0) -> list[tuple[int, ...]]:
    space = Space(replace(made, combination=Combination("cover", strength)))
    choices = chosen(space, seed)
    if choices is not None:
        return choices
    everything = Numbering(space)
    return [everything.choice(number) for number in range(everything.total)]


#: The examples on which the tools publish their sizes: most, the best of them (pairwise.org/tools.html and the
#: papers of AETG, IPO, TConfig, PICT, TestCover, EXACT; TCAS from ACTS).
PUBLISHED = [
    ("3^4", (3,) * 4, 2, 9),
    ("3^13", (3,) * 13, 2, 15),
    ("4^15 3^17 2^29", (4,) * 15 + (3,) * 17 + (2,) * 29, 2, 29),
    ("4^1 3^39 2^35", (4,) + (3,) * 39 + (2,) * 35, 2, 21),
    ("2^100", (2,) * 100, 2, 10),
    ("10^20", (10,) * 20, 2, 180),
    ("TCAS", (2,) * 7 + (3,) * 2 + (4,) + (10,) * 2, 2, 100),
    ("TCAS", (2,) * 7 + (3,) * 2 + (4,) + (10,) * 2, 3, 400),
    ("3^6", (3,) * 6, 3, 33),
]


@pytest.mark.parametrize(("name", "sizes", "strength", "best"), PUBLISHED)
def test_sizes_are_within_a_fifth_of_the_best_published(
    name: str, sizes: tuple[int, ...], strength: int, best: int
) -> None:
    for seed in (0, 1):
        assert len(covered(free(*sizes), strength, seed)) <= best * 1.2, name


tables = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=9)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), tables, tables, st.integers(1, 3), st.integers(0, 9))
def test_every_allowed_tuple_is_covered_and_no_excluded_cell_is_there(
    sizes: list[int],
    first: Sequence[tuple[int, int]],
    second: Sequence[tuple[int, int]],
    strength: int,
    seed: int,
) -> None:
    last = f"x{len(sizes) - 1}"
    made = scenario(
        "a",
        *[axis(f"x{index}", *range(size)) for index, size in enumerate(sizes)],
        exclusions=[
            exclusion(lambda x0, x1: (x0, x1) in first, "x0 x1"),
            exclusion(lambda x0, **values: (values.get(last, x0), x0) in second, f"x0 {last}"),
        ],
    )
    space = Space(made)
    every = [
        choice
        for choice in product(*[range(size) for size in sizes])
        if not any(constraint.forbids(choice) for constraint in space.constraints)
    ]
    rows = covered(made, strength, seed)
    assert set(rows) <= set(every)
    for axes in combinations(range(len(sizes)), min(strength, len(sizes))):
        wanted = {tuple(choice[axis] for axis in axes) for choice in every}
        assert wanted == {tuple(row[axis] for axis in axes) for row in rows}
    assert rows == covered(made, strength, seed)


def test_an_allowed_tuple_is_one_that_some_cell_holds() -> None:
    """x0=1 forbids every x2, so no tuple with x0=1 is allowed, though no exclude names such a pair."""
    made = scenario(
        "a",
        axis("x0", 0, 1),
        axis("x1", 0, 1, 2),
        axis("x2", 0, 1),
        exclusions=[
            exclusion(lambda x0, x2: x0 == 1 and x2 == 0, "x0 x2"),
            exclusion(lambda x0, x2: x0 == 1 and x2 == 1, "x0 x2"),
        ],
    )
    assert {row[0] for row in covered(made, 2)} == {0}


def test_nothing_is_chosen_where_everything_is_excluded() -> None:
    made = scenario("a", axis("x", 0, 1), axis("y", 0, 1), axis("z", 0, 1), exclusions=[exclusion(lambda: True, "")])
    assert covered(made, 2) == []


def test_a_cover_depends_on_seed_and_label_alone() -> None:
    def names(label: str, seed: int) -> list[str]:
        axes = [axis(f"x{index}", *range(4)) for index in range(6)]
        return [cell.name.partition("[")[2] for cell in cells(scenario(label, *axes, combine=("cover", 2)), seed)]

    assert names("a", 1) == names("a", 1)
    assert names("a", 1) != names("a", 2)
    assert names("a", 1) != names("b", 1)


def test_the_result_is_verified() -> None:
    space = Space(free(2, 2, 2))
    allowed = Allowed(space)
    rows = covered(free(2, 2, 2), 2)
    verify(rows, space.sizes, 2, allowed)
    with pytest.raises(AssertionError, match="covered"):
        verify(rows[1:], space.sizes, 2, allowed)


def test_a_cover_beyond_all_bounds_is_refused() -> None:
    assert count_tuples((3, 3, 3, 3), 2) == 54
    with pytest.raises(CoverTooLargeError, match="at most"):
        covered(free(*[2000] * 3), 2)


def test_a_check_refuses_it_without_searching() -> None:
    def cover_of(*sizes: int) -> Scenario:
        return replace(free(*sizes), combination=Combination("cover", 2))

    assert not list(check_bounds([cover_of(2000, 2000), cover_of(20, 20, 20), free(2000, 2000, 2000)]))
    assert [each.code for each in check_bounds([cover_of(2000, 2000, 2000)])] == ["CAMP205"]


def test_a_check_refuses_an_exclude_of_too_many_combinations() -> None:
    equal = exclusion(lambda x0, x1: x0 == x1, "x0 x1")
    axes = [axis(f"x{index}", *range(3000)) for index in range(2)]
    assert [each.code for each in check_bounds([scenario("a", *axes, exclusions=[equal])])] == ["CAMP204"]


def test_a_hundred_axes_with_exclusions() -> None:
    made = scenario(
        "a",
        *[axis(f"x{index}", *range(3)) for index in range(40)],
        exclusions=[
            exclusion(lambda _i=index, **values: len(set(values.values())) == 1, f"x{index} x{index + 1}")
            for index in range(0, 40, 2)
        ],
    )
    assert 9 <= len(covered(made, 2)) <= 26
