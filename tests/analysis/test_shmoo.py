"""A shmoo says of every point what its runs came to, however many axes there are."""

from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.analysis.conftest import make_glance

from campaign.analysis import cells as counting
from campaign.analysis.cells import CellTally, scale_of
from campaign.analysis.overview import only_shmoo
from campaign.diagnostics import CampaignError
from campaign.records import PlanAxis, PlanInstance
from campaign.records.overview import Choice, Tally

VOLTS, CLOCKS = ["800mV", "0.9V", "1V"], ["1GHz", "900MHz"]


def states(shmoo: Any, panel: int = 0) -> list[list[str | None]]:
    return [[None if point is None else point.state for point in row] for row in shmoo.panels[panel].points]


def test_points_are_pass_fail_mixed_error_or_not_run(glance: Any) -> None:
    told = {
        ("800mV", "1GHz"): ["fail", "fail"],
        ("0.9V", "1GHz"): ["fail", "pass"],
        ("1V", "1GHz"): ["pass"],
        ("800mV", "900MHz"): ["error"],
        ("0.9V", "900MHz"): ["canceled", None],
    }
    runs = [
        glance({"v": volt, "f": clock}, verdict) for (volt, clock), verdicts in told.items() for verdict in verdicts
    ]
    shmoo = only_shmoo(runs, Choice())
    assert shmoo is not None
    assert (shmoo.y.name, shmoo.y.values, shmoo.x.name, shmoo.x.values) == (
        "v",
        ("800mV", "0.9V", "1V"),
        "f",
        ("900MHz", "1GHz"),
    )
    assert states(shmoo) == [["error", "fail"], ["not run", "mixed"], [None, "pass"]]
    assert shmoo.panels[0].points[1][1] == Tally(passed=1, failed=1)
    assert shmoo.panels[0].points[1][1].rate == 0.5


def test_only_the_attempt_that_decides_counts(glance: Any) -> None:
    axes = {"v": "1V", "f": 1}
    runs = [glance(axes, "fail", decides=False), glance(axes, "pass", attempt=2), glance({"v": "2V", "f": 2})]
    shmoo = only_shmoo(runs, Choice())
    assert shmoo is not None
    assert states(shmoo) == [["pass", None], [None, "pass"]]


def test_a_panel_for_each_value_of_a_further_axis(glance: Any) -> None:
    runs = [
        glance({"v": v, "f": f, "load": load}, "pass" if load == "a" else "fail")
        for v, f, load in product(VOLTS, CLOCKS, ("a", "b"))
    ]
    shmoo = only_shmoo(runs, Choice())
    assert shmoo is not None
    assert [panel.axes for panel in shmoo.panels] == [{"load": "a"}, {"load": "b"}]
    assert {point.state for row in shmoo.panels[1].points for point in row if point} == {"fail"}


def test_the_axes_are_the_chosen_ones_else_the_two_longest_of_numbers(glance: Any) -> None:
    runs = [glance({"t": t, "v": v, "f": f}) for t, v, f in product(["25C", "85C"], VOLTS, [1, 2, 3])]
    chosen = [only_shmoo(runs, Choice(x=x, y=y)) for x, y in ((None, None), ("t", None), (None, "f"), ("v", "t"))]
    assert [(each.x.name, each.y.name) for each in chosen if each] == [("f", "v"), ("t", "v"), ("v", "f"), ("v", "t")]


def test_a_voltage_stands_upwards_wherever_it_is_declared(glance: Any) -> None:
    runs = [glance({"f": f, "v": v}) for f, v in product(CLOCKS, VOLTS[:2])]
    default, chosen = only_shmoo(runs, Choice()), only_shmoo(runs, Choice(x="v"))
    assert default is not None
    assert chosen is not None
    assert (default.x.name, default.y.name, chosen.x.name) == ("f", "v", "v")


def test_too_many_panels_are_added_up_and_it_is_said(glance: Any) -> None:
    runs = [glance({"v": v, "f": f, "n": n, "m": m}) for v, f, n, m in product([1, 2, 3], [1, 2, 3], "abc", "xy")]
    shmoo = only_shmoo(runs, Choice(panels=2))
    assert shmoo is not None
    assert shmoo.summed == ("n",)
    assert [panel.axes for panel in shmoo.panels] == [{"m": "x"}, {"m": "y"}]
    assert sum(point.runs for panel in shmoo.panels for row in panel.points for point in row if point) == len(runs)


@pytest.mark.parametrize("choice", [Choice(x="volts"), Choice(x="v", y="v"), Choice(x="v", y="z")])
def test_axes_that_are_not_there_are_refused(glance: Any, choice: Choice) -> None:
    runs = [glance({"v": 1, "f": 2}), glance({"z": 1}, instance="other")]
    with pytest.raises(CampaignError) as error:
        only_shmoo(runs, choice)
    assert error.value.diagnostics[0].code == "CAMP589"


def test_without_two_axes_of_numbers_there_is_none(glance: Any) -> None:
    assert only_shmoo([glance({"journal": "wal", "v": v}) for v in (1, 2)], Choice()) is None
    assert only_shmoo([], Choice()) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(0, 3), st.booleans()), min_size=1))
def test_folding_loses_no_run(glance: Any, points: list[tuple[int, int, int, bool]]) -> None:
    tally = CellTally(keep=("a",))
    before = counting.MOST_CELLS
    counting.MOST_CELLS = 5
    try:
        for a, b, c, good in points:
            tally.add(glance({"a": a, "b": b, "c": c}, "pass" if good else "fail"))
    finally:
        counting.MOST_CELLS = before
    (cells,) = tally.instances.values()
    passes = sum(good for *_, good in points)
    assert sum(counts[0] for counts in cells.counts.values()) == passes
    assert sum(counts[1] for counts in cells.counts.values()) == len(points) - passes
    assert len(cells.counts) <= 5
    assert not cells.folded or cells.folded[0] != "a"


def test_a_scale_is_ordered_by_value_where_all_are_of_one_dimension() -> None:
    assert scale_of("v", ["1V", "900mV", "0.5V"]).values == ("0.5V", "900mV", "1V")
    assert not scale_of("v", ["1V", "1s"]).numeric
    assert scale_of("v", ["b", "a"]).values == ("b", "a")


def planned(*sweeps: PlanAxis, instance: str = "m") -> PlanInstance:
    return PlanInstance(instance=instance, axes=tuple(n for each in sweeps for n in each.names), sweeps=sweeps)


def axis(name: str, *values: Any) -> PlanAxis:
    return PlanAxis((name,), tuple((value,) for value in values))


def test_what_was_planned_and_never_ran_is_not_run(glance: Any) -> None:
    plan = planned(axis("v", "800mV", "0.9V", "1V"), axis("f", "900MHz", "1GHz"))
    shmoo = only_shmoo([glance({"v": "0.9V", "f": "1GHz"})], Choice(), [plan])
    assert shmoo is not None
    assert (shmoo.y.values, shmoo.x.values) == (("800mV", "0.9V", "1V"), ("900MHz", "1GHz"))
    assert states(shmoo) == [[None, None], [None, "pass"], [None, None]]
    assert len(shmoo.panels) == 1


def test_a_panel_and_an_instance_that_never_ran_are_there(glance: Any) -> None:
    two = (axis("v", 1, 2), axis("f", 1, 2))
    plans = [planned(*two, axis("load", "a", "b")), planned(*two, instance="other"), planned(axis("x", 1))]
    shmoo = only_shmoo([glance({"v": 1, "f": 2, "load": "b"})], Choice(), plans)
    assert shmoo is not None
    assert [(each.instance, each.axes) for each in shmoo.panels] == [
        ("m", {"load": "a"}),
        ("m", {"load": "b"}),
        ("other", {}),
    ]
    assert states(shmoo, 0) == states(shmoo, 2) == [[None, None], [None, None]]
    assert states(shmoo, 1) == [[None, "pass"], [None, None]]


def test_axes_that_go_together_make_no_panel_that_was_not_meant(glance: Any) -> None:
    two = (axis("v", 1, 2), axis("f", 1, 2))
    joint = PlanAxis(("a", "b"), ((1, "x"), (2, "y"), (3, "z")))
    run = glance({"v": 1, "f": 2, "a": 2, "b": "y"})
    shmoo = only_shmoo([run], Choice(x="f", y="v"), [planned(*two, joint)])
    assert shmoo is not None
    assert [each.axes for each in shmoo.panels] == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}, {"a": "3", "b": "z"}]
    shmoo = only_shmoo([run], Choice(x="f", y="a"), [planned(*two, joint)])
    assert shmoo is not None
    assert [each.axes for each in shmoo.panels] == [{"v": "1", "b": "y"}]
    shmoo = only_shmoo([run], Choice(x="f", y="v", panels=2), [planned(*two, joint)])
    assert shmoo is not None
    assert (shmoo.summed, len(shmoo.panels)) == (("a", "b"), 1)


def test_where_nothing_ran_yet_all_is_not_run() -> None:
    shmoo = only_shmoo([], Choice(), [planned(axis("v", 1, 2), axis("f", 1, 2))])
    assert shmoo is not None
    assert states(shmoo) == [[None, None], [None, None]]
    assert only_shmoo([], Choice(), [planned(axis("v", 1, 2))]) is None


NAMES = st.sampled_from(["v", "f", "load", "other"])
POINTS = st.lists(
    st.lists(st.one_of(st.integers(0, 3), st.text(max_size=3), st.none()), max_size=3).map(tuple), max_size=4
)
SWEEPS = st.lists(st.builds(PlanAxis, st.lists(NAMES, max_size=3).map(tuple), POINTS.map(tuple)), max_size=4)


@given(st.lists(NAMES, max_size=4), SWEEPS, st.sampled_from(["m", "n"]))
def test_whatever_stands_in_the_plans_file_a_shmoo_is_drawn(axes: list[str], sweeps: list[PlanAxis], name: str) -> None:
    plan = PlanInstance(instance=name, axes=tuple(axes), sweeps=tuple(sweeps))
    runs = [make_glance({"v": 1, "f": 2, "load": "b"}), make_glance({"v": 2, "f": 1, "load": "a"})]
    shmoo = only_shmoo(runs, Choice(x="f", y="v"), [plan])
    assert shmoo is not None
    drawn = [point for panel in shmoo.panels for row in panel.points for point in row if point is not None]
    assert sum(each.runs for each in drawn) == 2
