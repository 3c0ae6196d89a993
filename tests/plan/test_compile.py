"""Merging, precedence, axes and values: what scenarios a spec comes to."""

from __future__ import annotations

from fractions import Fraction

import pytest
from tests.plan.spec import TOOL, all_runs, checked, orders, scenarios, settings

from campaign.language.parser import parse_expression
from campaign.plan.compile import campaign_facts, compile_scenarios
from campaign.plugins.registry import Registry
from campaign.units import Quantity, format_value, parse_quantity


def keys(text: str, tier: str | None = None, sets: dict[str, str] | None = None) -> list[str]:
    return [run.key for run in all_runs(TOOL + text, tier, sets)]


def values(name: str, text: str, tier: str | None = None, sets: dict[str, str] | None = None) -> list[object]:
    return [each[name] for each in settings(TOOL + text, tier, sets)]


def parameters(text: str, tier: str | None = None, sets: dict[str, str] | None = None) -> list[object]:
    return [order.steps[0].values["n"] for order in orders(TOOL + text, tier, sets)]


LAYERS = """
tier quick { n = 5 }
group g {
  n = 2
  instance a { n = 3; run t }
  instance b { in quick { n = 6 }; run t }
  instance c { run t { n = 7 } }
  instance d { m = n; run t }
  in quick { m = 9 }
}
"""


def test_precedence_campaign_group_instance() -> None:
    text = f'campaign "x" {{ n = 1 }}\ninstance top {{ run t }}\n{LAYERS}'
    assert parameters(text) == [1, 3, 2, 7, 2]


def test_a_tier_beats_an_instance_and_in_tier_beats_the_tier() -> None:
    assert parameters(LAYERS, "quick")[:2] == [5, 6]
    assert values("m", LAYERS, "quick") == [9, 9, 9, 9]


def test_a_providers_block_beats_the_tier_and_set_beats_all() -> None:
    assert parameters(LAYERS, "quick") == [5, 6, 7, 5]
    assert parameters(LAYERS, "quick", {"n": "8"}) == [8, 8, 8, 8]
    assert parameters(LAYERS, None, {"t.n": "8"}) == [8, 8, 8, 8]


def test_a_qualified_name_wins_over_the_bare_one_of_its_place_only() -> None:
    assert parameters("instance a { n = 2; t.n = 3; run t }") == [3]
    assert parameters("group g { t.n = 3; instance a { n = 2; run t } }") == [2]
    assert parameters("group g { n = 3; instance a { t.n = 2; run t } }") == [2]


def test_values_are_evaluated_per_run_after_merging() -> None:
    text = 'campaign "x" { n = m * 100 }\ninstance a { sweep m = [1, 2]; run t }'
    assert values("n", text) == [100, 200]


def test_x_of_x_takes_the_next_outer_x_and_a_default_at_the_end() -> None:
    text = "group g { n = n + 10; instance a { n = n * 2; run t } }"
    assert values("n", text) == [22]
    assert values("n", 'campaign "x" { n = 5 }\n' + text) == [30]


def test_names_in_a_providers_block_are_the_runs() -> None:
    assert parameters("instance a { n = 2; run t { n = n * 10; m = 4 } }") == [20]
    assert parameters("instance a { run t { n = n * 10 + m; m = 4 } }") == [11]


def test_the_seed_can_stand_in_a_value() -> None:
    assert values("n", "instance a { seeds 1..3; n = seed * 2; run t }") == [2, 4, 6]


def test_axes_expand_in_order_the_last_one_fastest_and_seeds_innermost() -> None:
    assert keys("instance {m} { sweep n = [1, 2]; sweep m = [3, 4]; seeds [7, 5]; run t }") == [
        f"{m}[n={n}]#{seed}" for n in (1, 2) for m in (3, 4) for seed in (7, 5)
    ]


def test_an_inner_axis_replaces_the_outer_one_in_its_place() -> None:
    text = "group g { sweep n = [1, 2]; sweep m = [1]; instance a { sweep n = [5]; run t } }"
    assert keys(text) == ["g.a[n=5,m=1]#0"]


def test_a_later_setting_makes_an_axis_one_value_and_keeps_the_names_form() -> None:
    text = "tier quick { v = 1V }\ninstance a { sweep v = [850mV, 900mV]; sweep n = 1..2; run t }"
    assert keys(text, "quick") == ["a[v=1000mV,n=1]#0", "a[v=1000mV,n=2]#0"]
    assert keys(text, None, {"v": "0.9V"}) == ["a[v=900mV,n=1]#0", "a[v=900mV,n=2]#0"]


def test_a_setting_that_depends_on_an_axis_cannot_replace_one() -> None:
    spec = checked(TOOL + "instance a { sweep n = [1, 2]; sweep m = [1]; run t }")
    tree, _ = parse_expression("m * 2", "--set", 1, 1)
    assert tree is not None
    _, found = compile_scenarios(spec, None, {"n": tree}, Registry())
    assert [each.code for each in found] == ["CAMP152"]


def test_joint_axes_keep_what_is_not_set() -> None:
    text = "instance a { sweep (n, m) = [(1, 10), (2, 20), (3, 20)]; run t }"
    assert keys(text) == ["a[n=1,m=10]#0", "a[n=2,m=20]#0", "a[n=3,m=20]#0"]
    assert keys(text, None, {"n": "5"}) == ["a[n=5,m=10]#0", "a[n=5,m=20]#0"]


def test_zip_ties_the_axes_of_its_own_block() -> None:
    text = 'group g { sweep m = [1, 2]; instance a { combine zip; sweep n = 1..2; sweep s = ["x", "y"]; run t } }'
    assert keys(text) == [f"g.a[m={m},n={n},s={s}]#0" for m in (1, 2) for n, s in ((1, "x"), (2, "y"))]


def test_a_range_is_exact_and_takes_no_memory() -> None:
    (voltage,) = scenarios(TOOL + "instance a { sweep v = 850mV..1050mV step 10mV; run t }")[0].axes
    assert [format_value(point[0]) for point in voltage.points] == [f"{mv}mV" for mv in range(850, 1051, 10)]
    (numbers,) = scenarios(TOOL + "instance a { sweep n = 1..1000000000000; run t }")[0].axes
    assert len(numbers.points) == 10**12
    assert numbers.points[-1] == (10**12,)
    assert (17,) in numbers.points


def test_quantities_of_an_axis_are_in_the_unit_of_its_first_literal() -> None:
    (axis,) = scenarios(TOOL + "instance a { sweep v = [850mV, 1V, 0.9V]; run t }")[0].axes
    assert [str(point[0]) for point in axis.points] == ["850mV", "1000mV", "900mV"]


def test_axis_values_may_name_settings_that_are_the_same_in_every_run() -> None:
    assert values("n", "instance a { m = 4; sweep n = [m, m * 2]; run t }") == [4, 8]
    assert values("n", "group g { n = 3; instance a { sweep n = [n, n * 2]; run t } }") == [3, 6]


def test_provider_axes_are_labels_and_bring_their_items() -> None:
    text = (
        "instance a { run t; sweep chaos = fault { kill: process.kill { at = 1s }; process.stop { at = 1s }; none } }"
    )
    assert keys(text) == ["a[chaos=kill]#0", "a[chaos=process.stop]#0", "a[chaos=none]#0"]
    (scenario,) = scenarios(TOOL + text)
    assert scenario.program.providers["fault"] == {"process.kill", "process.stop"}


def test_excludes_drop_cells_through_settings_too() -> None:
    text = "instance a { sweep n = 1..4; m = n * 2; exclude m > 4; exclude n == 1 and seed == 2; seeds 1..2; run t }"
    assert keys(text) == ["a[n=1]#1", "a[n=2]#1", "a[n=2]#2"]


def test_an_inherited_exclude_over_an_axis_that_an_instance_lacks_does_not_apply() -> None:
    text = (
        "group g { exclude chaos == 1; instance a { sweep chaos = [1, 2]; n = chaos; run t }\n instance b { run t } }"
    )
    assert keys(text) == ["g.a[chaos=2]#0", "g.b#0"]


def test_tiers_and_only() -> None:
    text = """
    tier quick { only g.x, h.1 }
    tier nightly { only h, only-nightly }
    group g { instance x { run t }
      instance y { run t } }
    group h { instance {n}.z { sweep n = [1, 2]; run t } }
    instance only-nightly { tiers nightly; run t }
    """
    assert keys(text) == ["g.x#0", "g.y#0", "h.1.z#0", "h.2.z#0"]
    assert keys(text, "quick") == ["g.x#0", "h.1.z#0"]
    assert keys(text, "nightly") == ["h.1.z#0", "h.2.z#0", "only-nightly#0"]


def test_the_tier_can_stand_in_a_value() -> None:
    text = 'tier quick { }\ninstance a { s = "{tier}"; exclude tier == "quick" and n == 2; sweep n = [1, 2]; run t }'
    assert keys(text) == ["a[n=1]#0", "a[n=2]#0"]
    assert values("s", text, "quick") == ["quick"]


def test_clauses_that_hold_once_and_those_that_add_up() -> None:
    text = """
    group g {
      tags a, b; about "outer"; priority 1; needs gpu = 1, disk = 2
      instance x { tags b, c; about "inner"; needs disk = 1; prefer net = 1; seeds 4..5; combine sample 3; run t }
    }
    """
    (scenario,) = scenarios(TOOL + text)
    assert scenario.tags == ("a", "b", "c")
    assert (scenario.about, scenario.priority, list(scenario.seeds)) == ("inner", 1, [4, 5])
    assert (scenario.needs, scenario.prefers) == ({"gpu": 1, "disk": 1}, {"net": 1})
    assert (scenario.combination.how, scenario.combination.count) == ("sample", 3)
    assert (scenario.group, scenario.label_text) == ("g", "g.x")


def test_slots_that_tools_need() -> None:
    tools = """
    tool gpu { command "x"; needs gpu = 1, net = 1 }
    tool big { command "x"; needs gpu = 2 }
    instance a { serve gpu; serve other: gpu; run big; run gpu2: gpu }
    instance b { run big; needs gpu = 5 }
    instance c { run big; prefer gpu = 2 }
    """
    a, b, c = scenarios(tools)
    assert a.needs == {"gpu": 4, "net": 3}
    assert b.needs == {"gpu": 5}
    assert (c.needs, c.prefers) == ({}, {"gpu": 2})


def test_the_campaign_as_a_whole() -> None:
    text = 'campaign "x" { seed 42; parallel 8; slots gpu = 2, net = 1; orphans requeue; about "it" }'
    text += "\ntier q { parallel 2; slots net = 3; stop-on fail }"
    spec = checked(f"{text}\n{TOOL}\ninstance a {{ run t }}")
    plain, quick = campaign_facts(spec, None), campaign_facts(spec, "q")
    assert (plain.seed, plain.parallel, plain.slots) == (42, 8, {"gpu": 2, "net": 1})
    assert (plain.orphans, plain.about) == ("requeue", "it")
    assert (quick.parallel, quick.slots) == (2, {"gpu": 2, "net": 3})
    assert (quick.stop_on_fail, plain.stop_on_fail) == (True, False)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("nn", "1", "CAMP104"),
        ("N", "1", "CAMP102"),
        ("n", '"x"', "CAMP111"),
        ("n", "nothing", "CAMP111"),
        ("n", "m + nothing", "CAMP100"),
        ("s", "nothing", None),
        ("t.nn", "1", "CAMP104"),
        ("exit", "1", "CAMP101"),
        ("s", '"{env.HOME}"', None),
    ],
)
def test_what_is_wrong_with_set(name: str, value: str, code: str | None) -> None:
    tree, _ = parse_expression(value, "--set", 1, 1)
    assert tree is not None
    _, found = compile_scenarios(checked(TOOL + "instance a { run t }"), None, {name: tree}, Registry())
    assert [each.code for each in found] == ([code] if code else [])


def test_a_bare_name_that_nothing_bears_is_a_text_in_set() -> None:
    assert values("s", "instance a { run t }", None, {"s": "off"}) == ["off"]
    assert values("n", "instance a { run t }", None, {"n": "m"}) == [1]


def test_set_is_checked_against_limits() -> None:
    tree, _ = parse_expression("5", "--set", 1, 1)
    assert tree is not None
    text = 'tool u { command "x"; param n: int = 1 in 1..4 }\ninstance a { run u }'
    _, found = compile_scenarios(checked(text), None, {"n": tree}, Registry())
    assert [(each.code, str(each.span)) for each in found] == [("CAMP112", "--set:1:1")]


def test_an_unknown_tier_is_named() -> None:
    _, found = compile_scenarios(checked(TOOL + "tier quick { }\ninstance a { run t }"), "quik", {}, Registry())
    assert [(each.code, each.hint) for each in found] == [("CAMP170", "did you mean quick?")]


def test_jitter_stays_within_what_the_parameter_takes() -> None:
    text = 'tool u { command "x" "{v:mV}"; param v: voltage = 900mV in 850mV..900mV }\n'
    text += "instance a { seeds 1..60; sweep v = [850mV, 900mV] jitter 5mV; run u }"
    drawn = [run.values["v"] for run in all_runs(text)]
    low, high = parse_quantity("850mV"), parse_quantity("900mV")
    assert all(isinstance(each, Quantity) and low <= each <= high for each in drawn)
    assert len(set(drawn)) > 60


def test_decimals_stay_exact() -> None:
    text = 'instance a { third = 1 / 3; s = "{x}"; x = third * 3; run t }'
    assert values("s", text) == ["1"]
    assert values("third", text) == [Fraction(1, 3)]
