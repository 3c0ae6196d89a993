"""Laws over specs put together at random: whatever ``check`` finds sound compiles and renders, and nothing ever crashes."""

from __future__ import annotations

import random
from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.spec import context

from campaign.diagnostics import CampaignError
from campaign.language.parser import parse_expression
from campaign.language.resolve import check
from campaign.plan.compile import campaign_facts, compile_scenarios
from campaign.plan.examine import examine
from campaign.plan.listing import planned_steps
from campaign.plan.matrix import runs
from campaign.plan.render import render
from campaign.plugins.registry import Registry

TOOLS = r"""
tool t {
  command "bin/t" "{n}" "{s}" "{d:s}" "{b}"
  param n: int = 1 in 0..100
  param m: int = 2
  param s: string = "s"
  param d: duration = 1s in 1ms..1h
  param b: bool = false flag "-b"
  param v: voltage = 1V
  metric ops = /(\d+)/
}
tool u { command "u" "{n}" "{port}"; param n: int = 1; param port: int = 99; param r: ratio = 50%; needs gpu = 1 }
"""
VALUES = {
    "n": ["1", "m", "m + 1", "n + 1", "seed", "round(d / 1s)", "len(s)", "max(n, m)", "n / 2", '"x"', "1 / 0", "nn"],
    "m": ["2", "n", "n * 2", "m + 1", "n / m"],
    "s": ['"a"', '"{n}-{cell}"', '"{workdir}/{seed}"', '"{d:ms}"', '"{env.HOME}"', '"{s}x"', '"{srv.port}"', '"{n:s}"'],
    "d": ["1s", "d * 2", "d / 4", "n * 1s", "5m", "5V", "d / d"],
    "v": ["1V", "850mV", "v + 10mV"],
    "x": ["1", "n"],
}
AXES = {
    "n": ["[1, 2]", "1..3", "[m, m + 1]", "1..100", "[1, 1]"],
    "m": ["[1, 2]", "1..1000000000", "10..1 step -3", "[n]"],
    "s": ['["a", "b"]', '["{d}", "q"]'],
    "d": ["[1s, 2s]", "1s..5s step 1s", "[1s, 2s] jitter 10ms", "1s..2s"],
    "v": ["[850mV, 1V]", "850mV..1050mV step 10mV jitter 5mV"],
    "x": ["[1, 2]"],
}
EXPRESSIONS = [
    "n == 1",
    "n > m",
    's == "a"',
    "d < 5s",
    "seed == 1",
    'tier == "q"',
    "n in [1, 2]",
    "m in 1..3",
    "x == 1",
]
OUTCOMES = [
    "exit.ok",
    "exit.code == n",
    'output contains "{s}"',
    "output matches /x/",
    "metrics.ops > n",
    "oracle.ok",
    "step.t.exit.ok",
    "faults.recovered",
    "fault.kill.recovered",
    "elapsed < d",
    "output contains s",
    "oracle.text.contains.ok",
]
OTHERS = [
    "sweep (n, m) = [(1, 2), (3, 4)]",
    "sweep chaos = fault { kill: process.kill { at = 1s; target = t }; none }",
    "sweep how = run { one: t; two: u { n = 3 } }",
    "run w: t { n = n * 2; timeout d }",
    "run w: t { sweep n = [1, 2]; ok-exits = [0, 1] }",
    "serve srv: u",
    "fault f: process.kill { at = d..10s; target = t }",
    'oracle text.contains { text = "{s}" }',
    "seeds 1..3",
    "timeout d",
    "combine zip",
    "combine cover 2",
    "combine sample 3",
    "steps last",
    "tags a, b",
    "prefer gpu = 1",
    "chain seeds",
    "minimize { order = [n, m] }",
    "t.n = 5",
    "u.n = n",
    "pass-env HOME, secret USER",
]


def clause(chance: random.Random, depth: int = 0) -> str:
    kind, name = chance.randrange(12), chance.choice([*VALUES])
    if kind < 3:
        return f"{name} = {chance.choice(VALUES[name])}"
    if kind < 5:
        return f"sweep {name} = {chance.choice(AXES[name])}"
    if kind == 5:
        return f"exclude {chance.choice(EXPRESSIONS)} and {chance.choice(EXPRESSIONS)}"
    if kind == 6:
        return f'expect {chance.choice(OUTCOMES)} : "because {{n}}"'
    if kind == 7 and depth == 0:
        return f"in q {{ {'; '.join(clause(chance, 1) for _ in range(chance.randrange(3)))} }}"
    return chance.choice(OTHERS)


def body(chance: random.Random, most: int) -> str:
    return "\n".join(clause(chance) for _ in range(chance.randrange(most)))


def spec(chance: random.Random) -> str:
    tier = chance.choice(["", "n = 3", "seeds 1..2", "only g.a", "v = 1V; d = 5s"])
    instances = "\n".join(f"instance {label} {{\n{body(chance, 6)}\nrun t\n}}" for label in ("a", "{n}.b", "c"))
    return f'campaign "x" {{ }}\ntier q {{ {tier} }}\n{TOOLS}\ngroup g {{\n{body(chance, 4)}\n{instances}\n}}\n'


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_is_sound_compiles_and_renders(chance: random.Random) -> None:
    text = spec(chance)
    registry = Registry()
    checked, found = check("x.camp", lambda _: text.encode(), registry)
    assert checked is not None
    assert checked.sound is not bool(found)
    if not checked.sound or examine(checked, registry, lambda _: text.encode()):
        return
    for tier in (None, "q"):
        scenarios, wrong = compile_scenarios(checked, tier, {}, registry)
        assert not wrong
        campaign_facts(checked, tier)
        for scenario in scenarios:
            for run in islice(runs(scenario, "x", 7), 2):
                planned_steps(run, "x", 7)
                scenario.program.settings(run.values, run.seed)
                assert render(run, 1, context()).key == run.key


@settings(max_examples=80, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([*VALUES, "t.n", "chaos"]))
def test_set_never_crashes(chance: random.Random, name: str) -> None:
    text, value = spec(chance), chance.choice(VALUES[chance.choice([*VALUES])])
    checked, _ = check("x.camp", lambda _: text.encode(), Registry())
    tree, _ = parse_expression(value, "--set", 1, 1)
    assert checked is not None
    assert tree is not None
    if not checked.sound:
        return
    scenarios, _ = compile_scenarios(checked, "q", {name: tree}, Registry())
    refused: set[str] = set()
    for scenario in scenarios:
        for run in islice(runs(scenario, "x", 7), 2):
            try:
                render(run, 1, context())
            except CampaignError as error:  # a value that only this run has: refused, with its place
                refused |= {each.code for each in error.diagnostics}
    assert refused <= {"CAMP112", "CAMP113"}
