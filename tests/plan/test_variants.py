"""Variants of a run: what can be made smaller, and the same run with other values; and ``repro.camp``, a spec of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.plan.spec import context

from campaign.diagnostics import CampaignError
from campaign.language.policies import Minimize
from campaign.plan.plan import Options, Plan, make_plan
from campaign.plan.render import render
from campaign.plan.repro import Less, repro
from campaign.plan.variants import tunables, variant
from campaign.plugins.registry import Registry
from campaign.rules.structs import Bound, Choice, Limit
from campaign.units import Quantity

TOOL = """
tool t {
  command "bin/t" "--n={n}" "--d={duration:ms}" "--s={s}" "--f={f}" "--v={v}"
  param n: int = 16 in 1..256
  param k: int = 100 in [10, 20, 50, 100]
  param duration: duration = 10s in 1s..24h
  param s: string = "x"
  param f: path = "in/put.txt"
  param v: voltage = 1V
}
tool u { command "u" "{n}"; param n: int = 4 in 4.. }
"""


def plan_of(text: str, files: dict[str, str] | None = None, **options) -> Plan:
    whole = {"specs/x.camp": f"{text}\n{TOOL}", **(files or {})}

    def read(path: str) -> bytes:
        return whole[path].encode() if path in whole else Path(path).read_bytes()

    plan, found = make_plan("specs/x.camp", read, Options(**options), Registry)
    assert plan is not None, [str(each) for each in found]
    return plan


def written(parameters) -> list[tuple[str, str, str]]:
    return [(each.name, str(each.value), str(each.low)) for each in parameters]


# --- what can be made smaller -----------------------------------------------------------------------------------------


def test_what_order_names_is_found_with_its_range() -> None:
    run = next(
        plan_of('campaign "x" { }\ninstance a { n = 8; base = 5; s = "{base}"; run t { duration = 3s }; run u }').runs()
    )
    assert written(tunables(run, ["duration", "n", "t.n", "base", "s", "nobody"])) == [
        ("duration", "3s", "1s"),
        ("n", "8", "4"),
        ("t.n", "8", "1"),
        ("base", "5", "None"),
    ]
    assert tunables(run, ["k"])[0].allowed == (10, 20, 50, 100)


def test_limits_narrow_what_can_be_tried() -> None:
    run = next(plan_of('campaign "x" { }\ninstance a { n = 8; run t }').runs())
    origin: Any = None
    some = {"n": Limit(key="n", name="n", allowed=Choice((16, 2, 8, 1), ()))}
    assert tunables(run, ["n"], some)[0].allowed == (1, 2, 8, 16)
    for key in ("t.duration", "type.duration", "duration"):
        least = {key: Limit(key=key, name=key, low=Bound(Quantity.of(3, "s"), origin))}
        assert str(tunables(run, ["duration"], least)[0].low) == "3s"


def test_a_setting_that_a_parameter_gets_its_value_from_is_no_parameter_by_itself() -> None:
    run = next(plan_of('campaign "x" { }\ninstance a { sweep half = [4]; n = half * 2; run t }').runs())
    assert written(tunables(run, ["half", "n"])) == [("half", "4", "None"), ("n", "8", "1")]


def test_without_names_durations_come_first_then_whole_numbers() -> None:
    run = next(plan_of('campaign "x" { }\ninstance a { run t; fault process.kill { at = 1s } }').runs())
    assert [each.name for each in tunables(run)] == ["duration", "n", "k"]


def test_the_clause_is_read_from_the_innermost_place() -> None:
    text = """campaign "x" { minimize { attempts = 60; order = [n] } }
    group g { minimize { order = [duration, n] }; instance a { run t; minimize { by = ddmin } } }"""
    program = next(plan_of(text).runs()).cell.scenario.program
    assert program.minimize == Minimize(attempts=60, order=("duration", "n"), by="ddmin")
    assert next(plan_of('campaign "x" {}\ninstance a { run t }').runs()).scenario.program.minimize is None
    timed = next(plan_of('campaign "x" { minimize { time = 10m } }\ninstance a { run t }').runs()).scenario.program
    assert timed.minimize == Minimize(time=Quantity.of(10, "m"))
    bare = next(plan_of('campaign "x" { minimize { } }\ninstance a { run t }').runs()).scenario.program
    assert bare.minimize == Minimize()


# --- other values -----------------------------------------------------------------------------------------------------

SWEPT = """campaign "x" { seed 9 }
group g {
  keys = n * 2
  instance {n}.x {
    sweep n = [4, 8, 16]
    sweep v = [1V, 2V] jitter 5mV
    seeds 1..3
    exclude keys == 10
    run t { s = "{keys}" }
    fault process.kill { at = 1s..2s }
    expect elapsed < 1h
  }
}"""


def test_a_variant_keeps_key_and_draws() -> None:
    plan = plan_of(SWEPT)
    run = next(each for each in plan.runs() if each.key == "g.8.x[v=2V]#2")
    other = variant(plan, run, {"duration": tunables(run, ["duration"])[0].low}, Registry)
    before, after = render(run, 1, context()), render(other, 1, context())
    assert (after.key, after.cell, after.id, after.seed) == (before.key, before.cell, before.id, before.seed)
    assert after.faults == before.faults
    assert after.directories.public == before.directories.public
    assert [step.values | {"duration": ""} for step in after.steps] == [
        step.values | {"duration": ""} for step in before.steps
    ]
    assert after.steps[0].values["duration"] == "1s"


def test_an_axis_too_can_have_another_value() -> None:
    plan = plan_of(SWEPT)
    run = next(each for each in plan.runs() if each.key == "g.8.x[v=2V]#2")
    order = render(variant(plan, run, {"n": 3}, Registry), 1, context())
    assert order.key == "g.8.x[v=2V]#2"
    assert order.steps[0].values["n"] == 3
    assert order.steps[0].values["s"] == "6"
    assert order.faults == render(run, 1, context()).faults


@pytest.mark.parametrize(("values", "why"), [({"n": 300}, "n"), ({"n": 5}, "excluded"), ({"duration": 7}, "duration")])
def test_a_variant_that_cannot_be_says_why(values, why) -> None:
    plan = plan_of(SWEPT)
    run = next(each for each in plan.runs() if each.key == "g.8.x[v=2V]#2")
    with pytest.raises(CampaignError) as error:
        variant(plan, run, values, Registry)
    assert why in str(error.value)


# --- repro.camp -------------------------------------------------------------------------------------------------------


def same_order(plan: Plan, run, text: str, root: str = "/spec/root"):
    """What the written spec and the run themselves come to, without what belongs to the attempt."""
    again, found = make_plan("/elsewhere/repro.camp", lambda _: text.encode(), Options(), Registry)
    assert again is not None, [str(each) for each in found] + [text]
    (only,) = again.runs()
    made = [render(each, 1, context(root=root, campaign_seed=plan.seed)) for each in (run, only)]
    return [
        (
            o.key,
            [_without_tier(each) for each in o.steps],
            o.services,
            o.faults,
            o.holds,
            o.oracles,
            _texts(o),
            o.timeout_s,
        )
        for o in made
    ]


def _without_tier(step):
    """A repro needs no tier, and says none."""
    return step.label, step.argv, step.values, {**step.env, "CAMPAIGN_TIER": ""}, step.timeout_s, step.counts


def _texts(order):
    return [(each.text, each.why) for each in order.expectations]


SPECS = {
    "swept": SWEPT,
    "paths": """campaign "x" { }
    instance a { f = "data/{n}.txt"; n = 3; run t; run again: t { f = "other.txt"; s = "{workdir}/y \\"q\\" {{}}" } }""",
    "tier": """campaign "x" { n = 1; timeout 5s }
    tier quick { n = 7; timeout 9s; seeds [5] }
    group g { tags a, b; instance {s}.y { sweep s = ["p", "r"]; sweep k = [10, 20]; in quick { duration = 2s }; run t; priority 3 } }""",
    "choices": """campaign "x" { }
    instance a.{chaos} { sweep chaos = fault { kill: process.kill { at = 1s }; none }
      sweep (n, v) = [(1, 2V), (2, 3V)]
      run t; oracle host: text.contains { text = "x" }; expect output matches /a\\/b/ : "because {n}" }""",
    "only elsewhere used": """campaign "x" { unused = 3; n = 2 }
    instance a { exclude unused > 5; run t }
    instance b { s = "{unused}"; run t }""",
    "serve": """campaign "x" { slots gpu = 2 }
    instance a { serve srv: t { n = 3 }; run u; needs gpu = 1; pass-env FOO, secret BAR; steps last; timeout n * 1s; n = 5
      retry { attempts = 3 }; hold limits.rlimit { files = 20 } }""",
}


@pytest.mark.parametrize("name", SPECS)
def test_a_repro_is_the_run_and_nothing_else(name) -> None:
    plan = plan_of(SPECS[name], tier="quick" if name == "tier" else None)
    for run in list(plan.runs())[:6]:
        text = repro(plan, run, "/spec/root", ["why it is here"], Registry)
        before, after = same_order(plan, run, text)
        assert before == after, text
        assert text.startswith("# why it is here\n")


def test_an_axis_of_paths_finds_its_files_and_keeps_the_key() -> None:
    plan = plan_of('campaign "x" {}\ninstance a { sweep f = ["q/a.txt", "b.txt"]; run t }')
    run = next(plan.runs())
    before, after = same_order(plan, run, repro(plan, run, "/spec/root", [], Registry))
    assert before == after


def test_a_repro_holds_the_values_of_a_variant() -> None:
    plan = plan_of(SWEPT)
    run = next(each for each in plan.runs() if each.key == "g.8.x[v=2V]#2")
    other = variant(plan, run, {"k": 10, "t.duration": tunables(run, ["duration"])[0].low}, Registry)
    text = repro(plan, other, "/spec/root", [], Registry)
    before, after = same_order(plan, other, text)
    assert before == after, text
    assert "t.duration = 1s" in text


def test_a_value_in_a_providers_own_block_gives_way_to_the_smaller_one() -> None:
    plan = plan_of('campaign "x" { }\ninstance a { run t { n = 200; duration = 3s } }')
    (run,) = plan.runs()
    other = variant(plan, run, {"n": 3}, Registry)
    text = repro(plan, other, "/spec/root", [], Registry)
    before, after = same_order(plan, other, text)
    assert before == after, text
    assert "200" not in text


def test_faults_can_be_left_out() -> None:
    text = 'campaign "x" {}\ninstance a { run t; fault one: process.kill { at = 1s }; fault two: process.stop { at = 2s } }'
    plan = plan_of(text)
    (run,) = plan.runs()
    made = repro(plan, run, "/spec/root", [], Registry, Less(frozenset(["one"])))
    assert "process.stop" in made
    assert "process.kill" not in made


def test_a_schedule_goes_with_the_last_fault_that_it_lays_out() -> None:
    chaos = "schedule even { over = 1s }; sweep chaos = fault { kill: process.kill {}; none }"
    swept = plan_of(f'campaign "x" {{}}\ninstance a.{{chaos}} {{ {chaos}; run t }}')
    killed, left = swept.runs()
    assert "schedule even" in repro(swept, killed, "", [], Registry)
    assert "schedule" not in repro(swept, left, "", [], Registry)
    plan = plan_of('campaign "x" {}\ninstance a { schedule even { over = 1s }; run t; fault process.kill }')
    (run,) = plan.runs()
    assert "schedule" not in repro(plan, run, "", [], Registry, Less(frozenset({"process.kill"})))


def test_a_fault_that_is_left_out_is_left_out_of_what_a_watch_judges() -> None:
    faults = "fault one: process.kill { at = 1s }; fault two: process.stop { at = 2s; sla = 5s }"
    watches = (
        'watch text.contains { text = "x"; faults = [one, two] }; watch w: file.exists { path = "p"; faults = [one] }'
    )
    plan = plan_of(f'campaign "x" {{}}\ninstance a {{ run t; {faults}; {watches} }}')
    (run,) = plan.runs()
    made = repro(plan, run, "/spec/root", [], Registry, Less(frozenset(["one"])))
    again, problems = make_plan("/r/repro.camp", lambda _: made.encode(), Options(), Registry)
    assert again is not None, problems
    order = render(next(again.runs()), 1, context())
    assert [watch.faults for watch in order.watches] == [("two",), ()]


def test_includes_and_rule_sets_are_found_from_where_the_repro_stands(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: r\nlimits:\n  n: {max: 100}\n")
    spec = f'include "b.camp"\nrules "{tmp_path}/r.yaml"\ncampaign "x" {{ }}\ninstance a {{ run w }}'
    files = {"specs/b.camp": 'tool w { command "./w" "{n}"; param n: int = 3 }'}
    plan = plan_of(spec, files)
    (run,) = plan.runs()
    text = repro(plan, run, "/spec/root", [], Registry)
    assert f'rules "{tmp_path}/r.yaml"' in text
    assert '"/spec/root/specs/w"' in text
