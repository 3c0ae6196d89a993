"""What a machine has of each named slot, and who says so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.diagnostics import CampaignError
from campaign.engine.capacity import Capacity, Origin, decide, doubts, read_slots, slots_line
from campaign.engine.devices import Gpu, Gpus

NONE = Gpus(why_none="no driver")
TWO = Gpus((Gpu("GPU-a1", "A"), Gpu("GPU-b2", "B")))


@pytest.mark.parametrize(
    ("text", "found"),
    [("", None), ("  ", None), ("gpu=2,board=1", {"gpu": 2, "board": 1}), (" gpu = 0 , b-2=7", {"gpu": 0, "b-2": 7})],
)
def test_slots_of_the_environment(text: str, found: Any) -> None:
    assert read_slots(text) == found


UNREADABLE = [
    "gpu",
    "gpu=",
    "=1",
    "gpu=-1",
    "gpu=1.5",
    "gpu=two",
    "gpu=\u0663",
    "gpu=1,",
    ",",
    "gpu=1;b=2",
    "g u=1",
    "2=1",
]
UNREADABLE += ["gpu=1,gpu=1", "gpu=65537", f"gpu={'9' * 5000}", "gpu=1=1", "gpu,=1"]


@pytest.mark.parametrize("text", UNREADABLE, ids=range(len(UNREADABLE)))
def test_slots_that_cannot_be_read(text: str) -> None:
    with pytest.raises(CampaignError) as error:
        read_slots(text)
    assert [each.code for each in error.value.diagnostics] == ["CAMP510"]


@given(st.text(st.sampled_from("gpu=1,9 -x\n"), max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read_slots(text)
    except CampaignError:
        return
    assert found is None or all(count >= 0 for count in found.values())


@pytest.mark.parametrize(
    ("declared", "here", "gpus", "count", "origin"),
    [
        ({}, None, NONE, 0, Origin.DETECTION),
        ({}, None, TWO, 2, Origin.DETECTION),
        ({"gpu": 1}, None, TWO, 1, Origin.SPEC),
        ({"gpu": 3}, None, NONE, 3, Origin.SPEC),
        ({}, {"gpu": 1}, TWO, 1, Origin.ENVIRONMENT),
        ({}, {"gpu": 0}, TWO, 0, Origin.ENVIRONMENT),
        ({"gpu": 2}, {"gpu": 8}, NONE, 2, Origin.ENVIRONMENT),
        ({"gpu": 8}, {"gpu": 2}, NONE, 2, Origin.ENVIRONMENT),
        ({}, {"disk": 1}, TWO, 2, Origin.DETECTION),
        ({"gpu": 1}, {"disk": 1}, TWO, 1, Origin.DETECTION),
        ({"gpu": 1}, {"disk": 1}, NONE, 0, Origin.DETECTION),
    ],
)
def test_who_says_how_many_gpus_there_are(declared: Any, here: Any, gpus: Gpus, count: int, origin: Origin) -> None:
    slot = decide({"gpu"}, declared, here, gpus, None)["gpu"]
    assert (slot.count, slot.origin) == (count, origin)


def test_other_slots_are_declared_or_do_not_exist() -> None:
    found = decide({"board", "disk"}, {"disk": 4}, None, TWO, None)
    assert {name: (slot.count, slot.origin) for name, slot in found.items()} == {
        "board": (0, Origin.NOBODY),
        "disk": (4, Origin.SPEC),
    }
    assert decide({"board"}, {"board": 4}, {"disk": 1}, TWO, None)["board"].count == 0


@pytest.mark.parametrize(
    ("here", "gpus", "inherited", "devices"),
    [
        (None, TWO, None, ("GPU-a1", "GPU-b2")),
        (None, TWO, "1", ("GPU-b2",)),
        (None, TWO, "1,0", ("GPU-b2", "GPU-a1")),
        (None, TWO, "GPU-b", ("GPU-b2",)),
        (None, TWO, "0,7,1", ("GPU-a1",)),
        (None, TWO, "0,0", ("GPU-a1",)),
        (None, TWO, "MIG-x/1,0", ("MIG-x/1", "GPU-a1")),
        (None, TWO, "GPU-", ()),
        (None, TWO, "-1", ()),
        (None, TWO, "", ()),
        ({"gpu": 1}, TWO, None, ("GPU-a1",)),
        ({"gpu": 3}, NONE, None, ("0", "1", "2")),
        ({"gpu": 3}, NONE, "4,5", ("4", "5")),
        ({"gpu": 1}, NONE, "", ()),
    ],
)
def test_what_the_tools_call_them(here: Any, gpus: Gpus, inherited: str | None, devices: tuple[str, ...]) -> None:
    assert decide({"gpu"}, {}, here, gpus, inherited)["gpu"].devices == devices


def test_more_slots_than_devices_is_worth_a_warning() -> None:
    named = decide({"gpu"}, {}, {"gpu": 3}, TWO, None)
    assert [each.code for each in doubts(Capacity(1, named))] == ["CAMP540"]
    assert not doubts(Capacity(1, decide({"gpu"}, {}, {"gpu": 3}, NONE, None)))


def test_the_line_for_people_says_why_there_is_none() -> None:
    assert slots_line(Capacity(1, decide({"gpu"}, {}, None, NONE, None))) == "gpu 0 (detected: no driver)"
    assert slots_line(Capacity(1, decide({"a"}, {"a": 2}, None, NONE, None))) == "a 2 (the spec)"


def test_why_all_are_hidden_is_said() -> None:
    assert decide({"gpu"}, {}, None, TWO, "9")["gpu"].why_none == "CUDA_VISIBLE_DEVICES=9 leaves none of 2"
