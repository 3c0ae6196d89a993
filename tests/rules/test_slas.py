"""The time that rule sets give a fault: the shorter one holds, whatever the order, and somebody watches."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.spec import context
from tests.rules.made import bound, codes, load, loaded, planned

from campaign.plan.explanation import explain_values
from campaign.plan.render import render

TOOL = 'rules "z.yaml"\ntool t { command "bin/t" }\n'


def spec(fault: str, watch: str = 'watch text.contains { text = "x" }') -> str:
    return f"{TOOL}instance a {{ run t; {fault}; {watch} }}"


def slas(fault: str, rules: str, watch: str = 'watch text.contains { text = "x" }') -> list[float | None]:
    plan, found = planned(spec(fault, watch), {"z.yaml": rules})
    assert plan is not None, [str(each) for each in found]
    assert plan.rules is not None
    (run,) = plan.runs()
    return [each.sla_s for each in render(run, 1, context(book=plan.rules.book)).faults]


@pytest.mark.parametrize(
    ("own", "rules", "holds"),
    [
        ("", "{process.kill: 10s}", 10.0),
        ("sla = 5s", "{process.kill: 10s}", 5.0),
        ("sla = 30s", "{process.kill: 10s}", 10.0),
        ("sla = 30s", "{Process.Kill: 1m}", 30.0),
        ("sla = 30s", "{crash: 20s, process.kill: 25s}", 20.0),
        ("sla = 30s", "{process.stop: 1s}", 30.0),
        ("", "{}", None),
    ],
)
def test_the_shorter_time_holds(own: str, rules: str, holds: float | None) -> None:
    assert slas(f"fault crash: process.kill {{ at = 1s; {own} }}", f"name: z\nsla: {rules}\n") == [holds]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=3))
def test_sets_meet_in_the_shortest_whatever_their_order(times: list[int]) -> None:
    files = {f"{number}.yaml": f"name: z{number}\nsla: {{a.b: {time}s}}\n" for number, time in enumerate(times)}
    for order in permutations(files):
        found, wrong = bound(files, *order)
        assert found is not None
        assert not wrong
        assert found.book.slas["a.b"].within.value == min(times)


def test_a_set_that_extends_another_inherits_and_tightens() -> None:
    files = {
        "a.yaml": "name: a\nextends: [b]\nsla: {x: 9s, y: 20s}\n",
        "b.yaml": "name: b\nsla: {x: 10s, y: 10s, z: 1s}\n",
    }
    found, _ = bound(files, "a.yaml")
    assert found is not None
    assert {name: str(sla.within) for name, sla in found.book.slas.items()} == {"x": "9s", "y": "10s", "z": "1s"}
    assert str(found.book.slas["y"].origin) == "b (b.yaml:2:15)"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("sla: {process.kill: 0s}", "CAMP306"),
        ("sla: {process.kill: 5V}", "CAMP306"),
        ("sla: {process.kill: [1s]}", "CAMP306"),
        ("sla: {'a b': 1s}", "CAMP306"),
        ("sla: {a-b: 1s, a_b: 2s}", "CAMP303"),
        ("sla: [1s]", "CAMP301"),
    ],
)
def test_what_is_no_time_of_a_fault_has_its_place(text: str, code: str) -> None:
    _, found = load(f"name: z\n{text}\n")
    assert [each.code for each in found] == [code]
    assert found[0].span is not None
    assert found[0].span.line == 2


def test_a_fault_that_nobody_watches_is_refused_on_the_real_clock_alone() -> None:
    rules = {"z.yaml": "name: z\nsla: {process.kill: 10s, synthetic.recovery: 70s}\n"}
    _, found = planned(spec("fault process.kill { at = 1s }", ""), rules)
    assert [each.code for each in found] == ["CAMP327"]
    assert [str(each.span) for each in found[0].related] == ["z.yaml:2:7"]
    other = 'watch text.contains { text = "x"; faults = [b] }; fault b: process.stop { at = 2s; for = 1s }'
    assert [each[0] for each in codes(planned(spec("fault process.kill { at = 1s }", other), rules)[1])] == ["CAMP327"]
    virtual = f"{TOOL}instance a {{ clock virtual; fault r: synthetic.recovery {{ at = 1s }} }}"
    assert codes(planned(virtual, rules)[1]) == []


def test_explain_says_where_it_comes_from() -> None:
    plan, _ = planned(
        spec("fault crash: process.kill { at = 1s; sla = 30s }"), {"z.yaml": "name: z\nsla: {crash: 9s}\n"}
    )
    assert plan is not None
    assert plan.rules is not None
    (run,) = plan.runs()
    told = [
        (each.value, str(each.span)) for each in explain_values(run, 0, plan.rules.book) if each.name == "crash.sla"
    ]
    assert [value for value, _ in told] == ["30s", "9s"]
    assert told[1][1] == "z.yaml:2:7"
    assert loaded("name: z\n").slas == {}
