from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.plan.counts import count
from campaign.plan.matrix import cells, runs
from campaign.plan.scenario import Axis, Scenario
from campaign.plan.selection import Selected
from campaign.plan.space import UncountableError

from .made import SPAN, axis, exclusion, scenario
from .test_matrix import Endless

tests: dict[str, Callable[..., bool]] = {
    "x y": lambda x, y: x <= y,
    "y z": lambda y, z: y + z == 3,
    "x": lambda x: x == 1,
    "w z": lambda w, z: w == z,
    "": lambda: False,
}
seeded: dict[str, Callable[..., bool]] = {
    "x": lambda x, seed: x == seed,
    "": lambda seed: seed == 2,
    "w y": lambda w, y, seed: (w + y + seed) % 3 == 0,
}


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=4, max_size=4),
    st.sets(st.sampled_from(sorted(tests))),
    st.sets(st.sampled_from(sorted(seeded))),
    st.sampled_from([("all", 0), ("cover", 2), ("sample", 7)]),
    st.sampled_from([None, 0, 3, 10**6]),
)
def test_the_count_is_what_walking_finds(
    sizes: list[int], names: set[str], with_seed: set[str], combine: tuple[str, int], limit: int | None
) -> None:
    made = scenario(
        "a",
        *[axis(name, *range(size)) for name, size in zip("wxyz", sizes, strict=True)],
        exclusions=[
            *[exclusion(tests[each], each) for each in sorted(names)],
            *[exclusion(seeded[each], each, uses_seed=True) for each in sorted(with_seed)],
        ],
        combine=combine,
        seeds=[1, 2, 3],
    )
    counted = count([Selected(made)], 5, limit)
    walked = list(runs(made, "c", 5))
    assert counted.runs == (len(walked) if limit is None else min(limit, len(walked)))
    if limit is None:
        assert counted.cells == len(list(cells(made, 5)))
    else:
        first = walked[:limit]
        assert counted.cells == len({run.cell.name for run in first}) or limit >= len(walked)


def endless(name: str) -> Axis:
    return Axis(names=(name,), points=Endless(), declared=(SPAN,))


def test_what_no_exclude_depends_on_is_multiplied() -> None:
    made = scenario(
        "a",
        endless("n"),
        axis("x", 1, 2, 3),
        axis("y", 1, 2, 3),
        exclusions=[exclusion(lambda x, y: x == y, "x y")],
        seeds=range(10),
    )
    counted = count([Selected(made)], 0)
    assert (counted.instances, counted.cells, counted.runs) == (1, 6 * 10**12, 6 * 10**13)
    assert counted.excluded == 3 * 10**12


def test_what_cannot_be_counted_is_refused_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.plan.space.BUDGET", 1000)
    made: Scenario = scenario(
        "a",
        axis("x", 1, 2),
        endless("m"),
        exclusions=[exclusion(lambda m, x: m == x, "m x", line=7), exclusion(lambda x: x == 2, "x")],
    )
    with pytest.raises(UncountableError) as caught:
        count([Selected(made)], 0)
    assert caught.value.exclusion.span.line == 7


def test_a_count_that_cannot_end_does_not_begin() -> None:
    """Before the last of its axes has a value nothing can be dropped, so every combination would be asked."""
    asked = []
    drop = exclusion(lambda m, n: bool(asked.append((m, n))), "m n")
    with pytest.raises(UncountableError):
        count([Selected(scenario("a", endless("m"), endless("n"), exclusions=[drop]))], 0)
    assert asked == []


def test_a_count_asks_of_each_combination_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.plan.space._REMEMBERED", 0)
    asked = []

    def drop(x: int, y: int) -> bool:
        asked.append((x, y))
        return x != y

    made = scenario("a", axis("x", *range(5)), axis("y", *range(5)), exclusions=[exclusion(drop, "x y")], seeds=[1, 2])
    counted = count([Selected(made)], 0)
    assert (counted.cells, counted.runs, counted.excluded) == (5, 10, 20)
    assert len(asked) == 25
