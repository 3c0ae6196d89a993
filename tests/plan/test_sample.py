from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.plan.identity import Stream
from campaign.plan.matrix import cells
from campaign.plan.sample import Numbering, SampleTooLargeError, sample
from campaign.plan.scenario import Axis
from campaign.plan.space import Space

from .made import SPAN, axis, exclusion, scenario
from .test_matrix import Endless

sizes = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def grid(sizes: list[int], forbidden: list[tuple[int, int]], combine: tuple[str, int] = ("all", 0), label: str = "a"):
    """Axes x0, x1, … of these sizes; every pair of forbidden values drops cells of the first two axes."""
    axes = [axis(f"x{index}", *range(size)) for index, size in enumerate(sizes)]
    drop = exclusion(lambda x0, x1: (x0, x1) in forbidden, "x0 x1") if len(sizes) > 1 else None
    return scenario(label, *axes, exclusions=[drop] if drop else [], combine=combine)


pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12)


@given(sizes, pairs, st.integers(0, 700), st.integers(0, 2**64))
def test_a_sample_is_allowed_without_repeats_and_repeatable(
    sizes: list[int], forbidden: list[tuple[int, int]], size: int, seed: int
) -> None:
    every = [cell.name for cell in cells(grid(sizes, forbidden), 0)]
    made = grid(sizes, forbidden, ("sample", size))
    chosen = [cell.name for cell in cells(made, seed)]
    assert len(chosen) == min(size, len(every))
    assert chosen == [name for name in every if name in set(chosen)]
    assert chosen == [cell.name for cell in cells(made, seed)]


@given(sizes, pairs)
def test_the_numbering_is_one_to_one(sizes: list[int], forbidden: list[tuple[int, int]]) -> None:
    space = Space(grid(sizes, forbidden))
    numbering = Numbering(space)
    named = {space.name(numbering.choice(number)) for number in range(numbering.total)}
    assert len(named) == numbering.total
    assert named == {cell.name for cell in cells(grid(sizes, forbidden), 0)}


def test_every_cell_is_as_likely() -> None:
    space = Space(grid([4, 5], [(0, 0)]))
    drawn = Counter(choice for seed in range(950) for choice in sample(space, 2, Stream(seed, "a", "sample")) or ())
    assert len(drawn) == 19
    assert all(60 < times < 145 for times in drawn.values())  # 100 expected, 4.7 standard deviations


@pytest.mark.parametrize("size", [1, 200])
def test_a_sample_of_a_matrix_beyond_counting_one_by_one(size: int) -> None:
    axes = [Axis(names=(name,), points=Endless(), declared=(SPAN,)) for name in "xyz"]
    found = [cell.name for cell in cells(scenario("a", *axes, combine=("sample", size)), 7)]
    assert len(set(found)) == size


def test_the_draws_of_an_instance_are_its_own() -> None:
    one = [cell.name for cell in cells(grid([5, 5, 5], [], ("sample", 9)), 1)]
    assert one != [cell.name for cell in cells(grid([5, 5, 5], [], ("sample", 9)), 2)]
    other = [cell.name.replace("b[", "a[") for cell in cells(grid([5, 5, 5], [], ("sample", 9), "b"), 1)]
    assert one != other


def test_a_sample_that_memory_cannot_hold_is_refused_and_all_of_anything_is_not() -> None:
    axes = [Axis(names=(name,), points=Endless(), declared=(SPAN,)) for name in "xy"]
    with pytest.raises(SampleTooLargeError, match="at most"):
        cells(scenario("a", *axes, combine=("sample", 10**20)), 0)
    every = cells(scenario("a", *axes, combine=("sample", 10**24)), 0)
    assert next(iter(every)).name == "a[x=0,y=0]"
