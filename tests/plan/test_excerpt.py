"""A spec of some cells of another one: the same keys, ids and orders, for the seeds there were and for further ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.plan.spec import context
from tests.plan.test_variants import SPECS, plan_of

from campaign.diagnostics import CampaignError
from campaign.plan.excerpt import excerpt
from campaign.plan.matrix import run_of
from campaign.plan.plan import Options, Plan, make_plan
from campaign.plan.render import render
from campaign.plugins.registry import Registry

OTHERS = {
    "seed and jitter": """campaign "x" { seed 9 }
    instance a { sweep v = [1V, 2V] jitter 10mV; seeds 1..3; s = "p{seed}"; run t }""",
    "zip and exclude": """campaign "x" { }
    instance {s}.z { sweep s = ["p", "q"]; sweep v = [1V, 2V]; sweep n = [1, 3]; combine zip; exclude n == 2; run t }""",
    "cover": """campaign "x" { }
    instance a { sweep n = 1..4; sweep k = [10, 20]; sweep v = [1000mV, 2V]; combine cover 2; run t }""",
    "chained": """campaign "x" { }
    instance a { sweep n = 1..4; seeds 1..2; chain seeds; cooldown 5s; run t; retry { attempts = 2; on = [timeout] } }""",
    "an axis of paths": """campaign "x" { }
    instance a { sweep f = ["q/a.txt", "../b.txt", "/abs/c.txt", "é d.txt"]; run t; run again: t { n = 2 }; run u }""",
    "an axis of paths and texts": """campaign "x" { }
    instance {f} { sweep (f, n) = [("a", 1), ("b", 2)]; s = "{f}!"; run t; oracle file.exists { path = "{f}.out" } }""",
    "paths in a sweep of providers": """campaign "x" { }
    instance a.{how} { sweep f = ["a", "b"]; sweep how = run { one: t; two: t { n = 3 } } }""",
    "paths of names": """campaign "x" { }
    instance a { sweep n = 1..2; here = "x/{n}"; f = "{seed}.txt"; run t; run b: t { f = "data/{n}.txt" }; run c: t { f = here }
      run d: t { f = "{workdir}/x" }; run e: t { f = "/etc/{n}" } }""",
    "values of their own": """campaign "x" { }
    instance a { sweep n = 1..4; duration = n * 1s; run t; expect exit.code == 0 }""",
}


def again(text: str) -> Plan:
    plan, found = make_plan("/elsewhere/excerpt.camp", lambda _: text.encode(), Options(), Registry)
    assert plan is not None, [str(each) for each in found] + [text]
    return plan


def orders(plan: Plan, run: object) -> object:
    order = render(run, 1, context(root="/spec/root", campaign_seed=plan.seed))  # type: ignore[arg-type]
    steps = [(each.label, each.argv, each.values, {**each.env, "CAMPAIGN_TIER": ""}) for each in order.steps]
    rest = (order.services, order.faults, order.holds, order.oracles, order.timeout_s, order.retry)
    return order.key, order.id, steps, rest, [(each.text, each.why) for each in order.expectations]


@pytest.mark.parametrize("name", [*SPECS, *OTHERS])
def test_its_runs_are_those_of_the_whole_spec_and_further_seeds_of_theirs(name: str) -> None:
    plan = plan_of({**SPECS, **OTHERS}[name], tier="quick" if name == "tier" else None)
    seeds: dict[str, tuple[int, ...]] = {}
    for run in plan.runs():
        seeds[run.cell.name] = (*seeds.get(run.cell.name, ()), run.seed)
    chosen = {cell: (*had, 77, 4_711) for number, (cell, had) in enumerate(seeds.items()) if number % 3 != 1}
    text, absent = excerpt(plan, chosen, "/spec/root", ["where it comes from"], Registry)
    assert absent == ()
    assert text.startswith("# where it comes from\n")
    cells = {cell.name: cell for cell in plan.cells()}
    wanted = [run_of(cells[cell], seed, plan.name, plan.seed) for cell, had in chosen.items() for seed in had]
    found = {run.key: run for run in again(text).runs()}
    assert set(found) == {run.key for run in wanted}
    for run in wanted:
        assert orders(plan, found[run.key]) == orders(plan, run), text


def test_cells_that_differ_in_plain_axes_become_one_sweep() -> None:
    plan = plan_of(OTHERS["zip and exclude"])
    cells = dict.fromkeys((cell.name for cell in plan.cells()), (0,))
    text, _ = excerpt(plan, cells, "/spec/root", [], Registry)
    assert text.count("instance ") == 1
    assert "sweep (s, v, n) = [" in text


#: Axes by name, some with values of which one is the start of another; ``chaos`` is one of providers, ``v`` has jitter.
AXES = {
    "n": "[1, 2, 12]",
    "m": '["a", "b", "o p", "x<y>&\'\\"|z"]',
    "s": '["on", "off", "o"]',
    "v": "[1V, 2V] jitter 10mV",
    "d": "[1s, 90s, 2m]",
    "chaos": "fault { kill: process.kill { at = 1s; target = t }; none }",
}
OWN = '\ntool w { command "w" "{m}" "{d:s}"; param m: string = "a"; param d: duration = 1s }'
LABELS = ["c", "c.{n}", "c.{n}.{s}", "{s}.{n}", "c.{s}.{chaos}"]
EXTRAS = [
    "",
    "chain seeds",
    "duration = n * 1s",
    'exclude n == 2 and s == "off"',
    "combine cover 2",
]


@settings(max_examples=15, deadline=None, phases=[Phase.generate])
@given(st.data())
def test_any_cells_with_any_seeds_of_any_instance_become_a_sound_spec(data: st.DataObject) -> None:
    label, extra = data.draw(st.sampled_from(LABELS)), data.draw(st.sampled_from(EXTRAS))
    more = data.draw(st.sets(st.sampled_from(sorted(AXES))))
    names = data.draw(st.permutations(sorted({"n", "s", *more, *(name for name in AXES if f"{{{name}}}" in label)})))
    sweeps = "; ".join(f"sweep {name} = {AXES[name]}" for name in names)
    plan = plan_of(f'campaign "x" {{ }}\ninstance {label} {{ {sweeps}; seeds 1..3; {extra}; run t; run w }}{OWN}')
    every = [cell.name for cell in plan.cells()]
    chosen = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=12, unique=True))
    seeds = st.sampled_from([(1, 2, 3), (1, 2, 3, 4), (7,)])
    wanted = {name: data.draw(seeds) for name in chosen}
    text, _ = excerpt(plan, wanted, "/", [], Registry)
    assert {run.key for run in again(text).runs()} == {f"{name}#{seed}" for name in chosen for seed in wanted[name]}


def test_cells_of_one_label_with_other_seeds_each_are_parted_and_no_more_than_that() -> None:
    plan = plan_of("""campaign "x" { }
    instance c.{n}.{s} { sweep k = [10, 20, 50]; sweep n = [1, 2]; sweep s = ["on", "off"]; run t }""")
    wanted = {cell.name: (1, 2) if "k=50" in cell.name else (1,) for cell in plan.cells()}
    text, _ = excerpt(plan, wanted, "/", [], Registry)
    assert text.count("\ninstance ") == 2
    assert len(list(again(text).runs())) == 8 + 2 * 4


def test_cells_that_are_gone_are_named_and_none_at_all_is_refused() -> None:
    plan = plan_of('campaign "x" {}\ninstance a { sweep n = [1, 2]; run t }')
    text, absent = excerpt(plan, {"a[n=1]": (0,), "a[n=7]": (0,)}, "/", [], Registry)
    assert absent == ("a[n=7]",)
    assert "n = [1]" in text
    with pytest.raises(CampaignError) as refused:
        excerpt(plan, {"b": (0,)}, "/", [], Registry)
    assert refused.value.diagnostics[0].code == "CAMP594"


@pytest.mark.parametrize("name", ["quickstart", "cover", "joint", "serve", "tiers", "margins"])
def test_the_specs_that_come_along_can_be_excerpted(root: Path, name: str) -> None:
    plan, found = make_plan(
        str(root / "specs" / f"{name}.camp"), lambda path: Path(path).read_bytes(), Options(), Registry
    )
    assert plan is not None, found
    runs = list(plan.runs())[::7]
    text, _ = excerpt(plan, {run.cell.name: (run.seed,) for run in runs}, os.getcwd(), [], Registry)
    kept = again_from_disk(text, root)
    assert {run.key: run.id for run in kept.runs()} == {run.key: run.id for run in runs}


def again_from_disk(text: str, root: Path) -> Plan:
    """With the files that it includes or whose rule sets bind it."""

    def read(path: str) -> bytes:
        return text.encode() if path == "/elsewhere/excerpt.camp" else Path(path).read_bytes()

    plan, found = make_plan("/elsewhere/excerpt.camp", read, Options(), Registry)
    assert plan is not None, [str(each) for each in found] + [text]
    return plan
