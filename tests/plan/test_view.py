"""What ``plan.json`` tells of instances, and of what rule sets skip."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rules.made import TOOL, planned

from campaign.plan import view
from campaign.plan.plan import Plan
from campaign.plan.view import planned_instances, planned_skips

RULES = """name: z
limits: {voltage: {max: 2V}}
skip:
  - {instance: "margin.cpu", why: "no such board", issue: DB-7}
  - {cell: "memory.900mV", why: "burns"}
  - {cell: "memory.[2-9]*", why: "fits nothing"}
  - {tags: [slow], why: "takes a week"}
"""
SPEC = f"""
rules "z.yaml"
{TOOL}
group margin {{ instance cpu {{ run diag }}; instance gpu {{ tags slow; run diag }} }}
instance memory.{{voltage}} {{ sweep voltage = [800mV, 900mV, 1000mV]; run diag }}
instance joint {{
  sweep (voltage, frequency) = [(1V, 1GHz), (1.1V, 2GHz), (1.2V, 3GHz)]
  sweep n = 1..4
  exclude voltage == 1.1V
  exclude n == 2 and voltage == 1V
  run diag
}}
"""


def plan_of(spec: str = SPEC, rules: str = RULES, **options: Any) -> Plan:
    plan, found = planned(spec, {"z.yaml": rules}, **options)
    assert plan is not None, found
    return plan


def test_axes_have_the_values_that_some_cell_has() -> None:
    found = {each.instance: each for each in planned_instances(plan_of())}
    assert list(found) == ["memory.{voltage}", "joint"]
    (only,) = found["memory.{voltage}"].sweeps
    assert (only.names, only.points) == (("voltage",), (("800mV",), ("1000mV",)))
    both, single = found["joint"].sweeps
    assert (both.names, both.points) == (("voltage", "frequency"), (("1V", "1GHz"), ("1.2V", "3GHz")))
    assert single.points == ((1,), (2,), (3,), (4,))


def test_what_is_not_known_is_not_told() -> None:
    (memory, joint) = planned_instances(plan_of(limit=2))
    assert (memory.sweeps, joint.sweeps, joint.axes) == ((), (), ("voltage", "frequency", "n"))
    long = SPEC.replace("1..4", "1..20_000")
    assert planned_instances(plan_of(long))[1].sweeps == ()
    (sampled,) = planned_instances(plan_of(SPEC.replace("exclude voltage", "combine sample 2; exclude voltage")))[1:]
    assert 0 < len(sampled.sweeps[1].points) <= 2


def test_of_a_long_matrix_what_an_axis_alone_excludes_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    short = planned_instances(plan_of())
    monkeypatch.setattr(view, "_MOST_ASKED", 1)
    assert planned_instances(plan_of()) == short
    sampled = SPEC.replace("exclude voltage", "combine sample 2; exclude voltage")
    assert planned_instances(plan_of(sampled))[1].sweeps == ()


def test_a_selection_leaves_its_values() -> None:
    (narrowed, _) = planned_instances(plan_of(filter="voltage=800mV|1000mV"))
    assert narrowed.sweeps[0].points == (("800mV",), ("1000mV",))


def test_skips_say_what_and_why() -> None:
    found = planned_skips(plan_of())
    assert [(each.instance, each.cells, each.why, each.issue) for each in found] == [
        ("margin.cpu", None, "no such board", "DB-7"),
        ("margin.gpu", None, "takes a week", None),
        ("memory.{voltage}", "memory.900mV", "burns", None),
    ]
    assert {each.rule_set for each in found} == {"z"}
    assert found[0].place.startswith("z.yaml:4:")
    assert planned_skips(plan_of(rules="name: z\n")) == ()
