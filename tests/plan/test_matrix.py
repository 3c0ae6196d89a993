from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from campaign.plan.identity import run_id
from campaign.plan.lookup import named_choice
from campaign.plan.matrix import JITTER_POINTS, cells, offset, runs
from campaign.plan.scenario import Axis, Scenario
from campaign.plan.space import Space
from campaign.units import Quantity, Value, parse_quantity

from .made import SPAN, axis, exclusion, scenario


def test_the_last_axis_is_fastest_and_seeds_are_innermost(crash: Scenario) -> None:
    keys = [run.key for run in runs(crash, "sqlite-crash", 42)]
    assert keys[:4] == ["crash.wal.off#1", "crash.wal.off#2", "crash.wal.off#3", "crash.wal.normal#1"]
    assert len(keys) == 24
    assert not any(key.startswith("crash.off.full") for key in keys)


def test_an_instance_without_axes_is_one_cell() -> None:
    assert [run.key for run in runs(scenario("alone"), "c", 0)] == ["alone#0"]


def test_exclusions_read_axes_that_stand_apart() -> None:
    made = scenario(
        "a",
        axis("x", 1, 2),
        axis("y", 1, 2),
        axis("z", 1, 2),
        exclusions=[exclusion(lambda x, z: x == z, "x z"), exclusion(lambda y: y == 2, "y")],
    )
    assert [cell.name for cell in cells(made, 0)] == ["a[x=1,y=1,z=2]", "a[x=2,y=1,z=1]"]


def test_an_exclusion_with_the_seed_drops_runs() -> None:
    drop = exclusion(lambda x, seed: x == seed, "x", uses_seed=True)
    made = scenario("a.{x}", axis("x", 1, 2), exclusions=[drop], seeds=[1, 2, 3])
    assert [run.key for run in runs(made, "c", 0)] == ["a.1#2", "a.1#3", "a.2#1", "a.2#3"]


class Endless(Sequence[tuple[Value, ...]]):
    def __len__(self) -> int:
        return 10**12

    def __getitem__(self, index: int) -> tuple[Value, ...]:  # type: ignore[override]
        return (index,)


def test_a_matrix_of_any_size_starts_at_once() -> None:
    huge = [Axis(names=(name,), points=Endless(), declared=(SPAN,)) for name in "xy"]
    first = [cell.name for cell in itertools.islice(cells(scenario("a", *huge), 0), 2)]
    assert first == ["a[x=0,y=0]", "a[x=0,y=1]"]


def test_more_axes_than_python_has_frames() -> None:
    axes = [axis(f"x{index}", 0, 1) for index in range(1200)]
    tied = [exclusion(lambda **v: len(set(v.values())) > 1, f"x{i} x{i + 1}") for i in range(1198)]
    made = scenario("a", *axes, exclusions=tied)
    found = [cell for cell, _ in zip(cells(made, 0), range(2), strict=False)]
    assert [cell.name.count("=1") for cell in found] == [0, 1]
    assert named_choice(Space(made), found[1].name) == (0,) * 1199 + (1,)
    covered = scenario("a", *axes[:50], exclusions=tied[:48], combine=("cover", 2))
    assert len(list(cells(covered, 0))) == 4


values = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)


@given(st.lists(values, max_size=4), st.integers(0, 2**70), st.integers(0, 2**70))
def test_names_are_unique_and_ids_depend_on_name_and_key_alone(
    points: list[list[int]], seed: int, other_seed: int
) -> None:
    made = scenario("a", *[axis(f"x{index}", *some) for index, some in enumerate(points)], seeds=[3, 5])
    found = list(runs(made, "c", seed))
    assert len({run.key for run in found}) == len(found)
    assert [run.id for run in found] == [run.id for run in runs(made, "c", other_seed)]
    assert all(run.id == run_id("c", run.key) for run in found)


@given(st.permutations(["wal", "delete", "off"]), st.sets(st.sampled_from(["quick", "db"])))
def test_ids_do_not_change_with_order_or_tags(order: list[str], tags: set[str]) -> None:
    def ids(values: list[str], tags: tuple[str, ...]) -> dict[str, str]:
        made = scenario("a.{j}", axis("j", *values), axis("k", 1, 2), tags=tags)
        return {run.key: run.id for run in runs(made, "c", 0)}

    assert ids(order, tuple(tags)) == ids(["wal", "delete", "off"], ())


# --- jitter ------------------------------------------------------------------------------------------------------


def test_jitter_moves_each_run_by_its_own_offset() -> None:
    made = scenario("a", axis("v", "850mV", "900mV", jitter=parse_quantity("5mV")), axis("w", 1), seeds=range(50))
    found = list(runs(made, "c", 42))
    assert found[0].key == "a[v=850mV,w=1]#0"
    assert found[0].cell.values["v"] == parse_quantity("850mV")
    moved = [run.values["v"] for run in found[:50]]
    assert all(isinstance(v, Quantity) and parse_quantity("845mV") <= v <= parse_quantity("855mV") for v in moved)
    assert len(set(moved)) > 25
    assert moved == [run.values["v"] for run in runs(made, "another", 42)][:50]
    assert moved != [run.values["v"] for run in runs(made, "c", 43)][:50]


@given(st.integers(0, 2**64 - 1))
def test_offsets_are_even_points(drawn: int) -> None:
    moved = offset(Fraction(10), Fraction(1), drawn)
    assert isinstance(moved, Fraction)
    assert 9 <= moved <= 11
    assert (moved - 9) * 1000 == round((moved - 9) * 1000)


def test_every_point_can_be_drawn_and_those_past_a_limit_cannot() -> None:
    step = 2**64 // JITTER_POINTS
    drawn = {offset(Fraction(0), Fraction(1), step * index + step // 2) for index in range(JITTER_POINTS)}
    assert len(drawn) == JITTER_POINTS
    bounds = (Fraction(-1, 2), Fraction(1, 4))
    limited = {offset(Fraction(0), Fraction(1), step * index, bounds) for index in range(JITTER_POINTS)}
    assert (min(limited), max(limited)) == bounds
    assert offset(Fraction(5), Fraction(1), 0, (Fraction(7), Fraction(8))) == 5
