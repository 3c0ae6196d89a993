"""The values of orders, as they are rendered and as a supervisor gets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.plan.spec import context
from tests.rules.made import planned

from campaign.diagnostics import CampaignError
from campaign.plan.render import render
from campaign.records import Order, RulesOrder, order_digest
from campaign.rules.files import bind_paths
from campaign.rules.orders import broken, differing, given_of, read
from campaign.rules.structs import RuleBook
from campaign.supervise.limits import Limits
from campaign.units import UnitError, format_exact

TOOL = """
tool t {
  command "bin/t" "--v={v:uV}" "{v}" "{d}/{d:ms}" "{r}" "{f}" "{n}" "{s}{workdir}x{n}" "{p}" "{fast}" "{b}" "{seed}"
  env RAIL = "{v:mV}"
  env NOTE = "{s} at {workdir}, {v}"
  param v: voltage = 900mV
  param d: duration = 1h30m
  param r: ratio = 90%
  param f: decimal = 0.125
  param n: int = 10_000
  param s: string = "a b"
  param p: path = "x/y"
  param fast: bool = false flag "--fast"
  param b: bool = true
}
"""
RULES = "name: z\nlimits:\n  v: {min: 800mV, max: 1100mV, why: sheet}\n  n: {max: 20000}\n"


def orders(text: str, folder: Path, rules: str = RULES) -> list[Order]:
    (folder / "z.yaml").write_text(rules)
    plan, found = planned(f'rules "z.yaml"\n{TOOL}\n{text}', {"z.yaml": rules})
    assert plan is not None, found
    assert plan.rules is not None
    known = RulesOrder(paths=(str(folder / "z.yaml"),), files={})
    made = (render(run, 1, context(rules=known, book=plan.rules.book)) for run in plan.runs())
    return [msgspec.json.decode(msgspec.json.encode(order), type=Order) for order in made]


SOUND = [
    "instance i { run t }",
    "instance i { sweep v = 800mV..1.1V step 50mV jitter 7mV; seeds 1..3; run t }",
    'instance i { run t { d = 90s; r = 0.5; f = 1 / 8; n = 5; fast = true; p = "/abs"; s = "{workdir}" } }',
    "instance i { serve a: t { v = 1V }; run b: t { sweep n = [1, 2]; v = 1000000uV } ; d = 1500ms }",
    'instance i { r = 1 / 3 * 0.6; v = 2V / 2; run t; oracle text.contains { text = "{v}" } }',
    'instance i { x = 1s / 3; s = "{x}"; run t { s = "-" } ; oracle text.contains { text = "a" }; exclude x > 2s }',
]


@pytest.mark.parametrize("text", SOUND)
def test_a_sound_order_is_taken_and_made_of_its_values(text: str, tmp_path: Path) -> None:
    limits = Limits()
    for order in orders(text, tmp_path):
        assert limits.broken(order) is None
        assert list(differing(order)) == []
        assert order.digest == order_digest(order)


def test_every_value_is_given_with_its_name_and_kind(tmp_path: Path) -> None:
    (order,) = orders("instance i { v = 1V; run t }", tmp_path)
    found = {(each.provider, each.name): (each.kind, format_exact(each.value)) for each in given_of(order)}
    assert found["t", "v"] == ("voltage", "1V")
    assert found[None, "v"] == ("voltage", "1V")
    assert found["t", "d"] == ("duration", "1h30m")


def changed(order: Order, **values: Any) -> Order:
    step = replace(order.steps[0], values={**order.steps[0].values, **values})
    return replace(order, steps=(step,))


@pytest.mark.parametrize(
    "value", ["1.2V", "0V", "-1V", "900", 0.9, 900, True, None, [], ["900mV"], "900mA", "５V", {}, ""]
)
def test_a_value_that_was_put_into_an_order_is_refused(value: Any, tmp_path: Path) -> None:
    (order,) = orders("instance i { run t }", tmp_path)
    assert Limits().broken(changed(order, v=value)) is not None


def test_arguments_that_are_not_made_of_the_values_are_refused(tmp_path: Path) -> None:
    (order,) = orders("instance i { run t }", tmp_path)
    step = order.steps[0]
    for number, word in ((1, "--v=2000000"), (2, "2V"), (3, "1h30m/1"), (8, "--fast"), (7, "/z")):
        argv = (*step.argv[:number], word, *step.argv[number + 1 :])
        assert Limits().broken(replace(order, steps=(replace(step, argv=argv),))) is not None
    assert Limits().broken(replace(order, steps=(replace(step, argv=(*step.argv, "more")),))) is not None
    assert Limits().broken(changed(order, v="1V")) is not None, "the argument is that of 900mV"


@pytest.mark.parametrize(
    ("name", "text"),
    [("RAIL", "2000"), ("RAIL", None), ("NOTE", "a b at here, 2V"), ("CAMPAIGN_PARAM_V", "2V"),
     ("CAMPAIGN_PARAM_V", None), ("CAMPAIGN_PARAM_N", "10001"), ("CAMPAIGN_PARAM_FAST", "true")],
)  # fmt: skip
def test_variables_that_are_not_made_of_the_values_are_refused(name: str, text: str | None, tmp_path: Path) -> None:
    (order,) = orders("instance i { serve a: t; run t }", tmp_path)
    for part in ("steps", "services"):
        process = getattr(order, part)[0]
        env = {key: value for key, value in {**process.env, name: text}.items() if value is not None}
        said = Limits().broken(replace(order, **{part: (replace(process, env=env),)}))
        assert said is not None
        assert said == f"the variable {name} of {process.label} is not what its values come to"


def test_the_rule_sets_are_those_of_now(tmp_path: Path) -> None:
    limits = Limits()
    (order,) = orders("instance i { run t }", tmp_path)
    assert limits.broken(order) is None
    (tmp_path / "z.yaml").write_text(RULES.replace("1100mV", "850mV"))
    said = limits.broken(order)
    assert said is not None
    assert "t.v = 900mV must be at most 850mV (z (" in said
    assert "sheet" in said
    (tmp_path / "z.yaml").unlink()
    assert "cannot be read" in str(limits.broken(order))
    (tmp_path / "z.yaml").write_text(RULES)
    assert limits.broken(order) is None


def test_what_only_rendering_knows_is_refused_there(tmp_path: Path) -> None:
    rules = 'name: z\nlimits:\n  s: {in: ["a b"]}\n'
    with pytest.raises(CampaignError) as caught:
        orders('instance i { run t { s = "{workdir}" } }', tmp_path, rules)
    assert [(each.code, each.status) for each in caught.value.diagnostics] == [("CAMP320", 4)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("voltage", float("nan")), ("voltage", float("inf")), ("voltage", None), ("voltage", "1 / 0"), ("int", 1.5),
     ("voltage", "1V / 0"), ("int", "0x10"), ("decimal", "1e3"), ("list/voltage", ["1V", "1s"]), ("any", {"a": 1}),
     ("any", float("nan"))],
)  # fmt: skip
def test_what_is_no_value_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(UnitError):
        read(kind, value)


def test_order_values_are_held_against_the_book_alone(tmp_path: Path) -> None:
    (order,) = orders("instance i { run t }", tmp_path)
    plan, _ = planned(f'rules "z.yaml"\n{TOOL}\ninstance i {{ run t }}', {"z.yaml": RULES})
    assert plan is not None
    assert plan.rules is not None
    assert broken(order, plan.rules.book) == []
    assert [each.given.name for each in broken(changed(order, n=30000), plan.rules.book)] == ["n"]


def test_what_a_hold_writes_is_denied_when_it_is_to_start_too(tmp_path: Path) -> None:
    hold = 'hold rails.sysfs { path = "rail"; value = "900" }'
    (order,) = orders(f"instance i {{ {hold}; run t }}", tmp_path)
    assert broken(order, loaded_book(tmp_path, "name: z\nlimits: {v: {max: 1V}}\n")) == []
    (found,) = broken(order, loaded_book(tmp_path, "name: z\nlimits: {v: {max: 1V}}\nunbounded: deny\n"))
    assert (found.given.provider, found.given.name, found.limit) == ("rails.sysfs", "value", None)
    (found,) = broken(order, loaded_book(tmp_path, "name: z\nlimits: {rails.sysfs.value: {max: 850}}\n"))
    assert found.value == "900"


def loaded_book(folder: Path, rules: str) -> RuleBook:
    (folder / "book.yaml").write_text(rules)
    return bind_paths([str(folder / "book.yaml")], lambda path: Path(path).read_bytes()).book
