from __future__ import annotations

import json

import msgspec

from campaign.plan.explanation import explain_values
from campaign.plan.listing import listed
from campaign.plan.plan import Options, Plan, make_plan
from campaign.plan.render import render
from campaign.plugins.registry import Registry

from .spec import context

SPEC = """campaign "c" {
  seed 42
  third = 1 / 3
}
tool t {
  command "sleep" "{whole}" "{wait:ms}"
  param whole: int      = 1
  param wait:  duration = 5s
}
instance a {
  sweep v = 850mV..900mV step 50mV jitter 5mV
  whole = third * 3
  run   t
  fault process.kill { at = 1s..2s }
  expect v > 1mV
}
"""


def planned() -> Plan:
    plan, found = make_plan("specs/x.camp", lambda _: SPEC.encode(), Options(), Registry)
    assert plan is not None, [str(each) for each in found]
    return plan


def test_every_value_has_its_place_or_is_a_default() -> None:
    plan = planned()
    run = next(plan.runs())
    values = {each.name: each for each in explain_values(run, plan.seed)}
    places = {name: each.span.line if each.span else each.note for name, each in values.items()}
    assert places["v"] == 11
    assert places["third"] == 3
    assert places["t.whole"] == 12
    assert places["t.wait"] == "default"
    assert places["process.kill.at"] == 14
    assert values["third"].value == "1 / 3"
    assert values["v"].note == "850mV jitter 5mV"
    assert values["v"].value != "850mV"


def test_the_instant_that_was_drawn_is_the_one_of_the_order() -> None:
    plan = planned()
    for run in plan.runs():
        (at,) = [each for each in explain_values(run, plan.seed) if each.name == "process.kill.at"]
        order = render(run, 1, msgspec.structs.replace(context(), campaign_seed=plan.seed))
        assert at.note is not None
        assert float(at.note.removeprefix("drawn: ").removesuffix("s")) == order.faults[0].at_s


def test_what_no_decimal_can_be_is_listed_as_a_division() -> None:
    plan = planned()
    line = json.loads(msgspec.json.encode(listed(next(plan.runs()), plan)))
    assert line["settings"]["third"] == "1 / 3"
    assert line["steps"][0]["argv"] == ["sleep", "1", "5000"]
    assert line["axes"] == {"v": "850mV"}
    assert line["settings"]["v"] != "850mV"  # with this run's jitter
