from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from campaign.language.axes import Stretch
from campaign.plan.lookup import named_choice
from campaign.plan.matrix import cells
from campaign.plan.scenario import Axis
from campaign.plan.space import Space
from campaign.units import parse_quantity

from .made import SPAN, axis, scenario


@given(st.lists(st.text(max_size=4), min_size=1, max_size=4, unique=True), st.sampled_from(["a", "a.{n}", "{n}{d}.b"]))
def test_every_name_leads_back_to_its_cell(texts: list[str], label: str) -> None:
    made = scenario(
        label, axis("n", 1, 12, 2), axis("s", *[f"_{text}" for text in texts]), axis("d", "1s", "90s", "1m")
    )
    space = Space(made)
    for cell in cells(made, 0):
        choice = named_choice(space, cell.name)
        assert choice is not None
        assert space.values(choice) == cell.values


def test_joint_points_must_agree() -> None:
    space = Space(scenario("a.{v}", axis("v,f", ("1V", 1), ("1V", 2), ("2V", 1))))
    assert named_choice(space, "a.1V[f=2]") == (1,)
    assert named_choice(space, "a.2V[f=2]") is None


def test_long_ranges_are_searched_by_halving() -> None:
    low, high, step = (parse_quantity(text) for text in ("1mV", "1000000000mV", "1mV"))
    rising = Axis(names=("v",), points=Stretch(low, high, step), declared=(SPAN,))
    falling = Axis(names=("n",), points=Stretch(10**12, 0, -2), declared=(SPAN,))
    space = Space(scenario("a.{v}", rising, falling))
    choice = named_choice(space, "a.123456789mV[n=10]")
    assert choice is not None
    assert space.values(choice) == {"v": parse_quantity("123456789mV"), "n": 10}
    assert named_choice(space, "a.123456789mV[n=11]") is None
    assert named_choice(space, "a.0mV[n=10]") is None
    assert named_choice(space, "a.0.5V[n=10]") is None
    assert named_choice(space, "a.x[n=10]") is None
