"""The values of a plan against limits: wherever they come from, and only those that some run would have."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from tests.rules.made import TOOL, codes, planned

from campaign.diagnostics import CampaignError, ExitStatus
from campaign.plugins.api import Schedule, Schema
from campaign.plugins.registry import Registry

RULES = "name: z\nlimits:\n  voltage: {min: 800mV, max: 1100mV, why: sheet}\n"


def told(text: str, rules: str = RULES, *sets: str, tool: str = TOOL) -> list[str]:
    """What is said of each offending value; every one of them is a safety error with a place and a reason."""
    plan, found = planned(f'rules "z.yaml"\n{tool}\n{text}', {"z.yaml": rules}, sets)
    errors = [each for each in found if each.severity == "error"]
    assert plan is None or plan.rules is not None
    for each in errors:
        assert each.code in ("CAMP320", "CAMP321", "CAMP324"), str(each)
        assert each.status is ExitStatus.SAFETY
        assert each.span is not None
        assert each.related or each.code == "CAMP324"
    assert not errors or CampaignError(found).status == ExitStatus.SAFETY
    return [each.summary.partition(" must")[0].partition(" is ")[0] for each in errors]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("instance a { voltage = 1200mV; run diag }", "voltage = 1200mV"),
        ("instance a { sweep voltage = [1V, 1.2V]; run diag }", "voltage = 1.2V"),
        ("instance a { sweep voltage = 1V..1.2V step 100mV; run diag }", "voltage = 1.2V"),
        ("instance a { sweep (voltage, n) = [(1V, 1), (2V, 2)]; run diag }", "voltage = 2V"),
        ("instance a { sweep voltage = [1V, 2V]; sweep n = [1, 2]; combine zip; run diag }", "voltage = 2V"),
        ("instance a { run diag { voltage = 1200mV } }", "diag.voltage = 1200mV"),
        ("instance a { run diag { sweep voltage = [1V, 1.5V] } }", "diag.voltage = 1.5V"),
        ("instance a { diag.voltage = 1200mV; run diag }", "diag.voltage = 1200mV"),
        ("instance a { VOLTAGE = 1200mV; x = VOLTAGE; run diag { voltage = x } }", None),
        ("instance a { x = 600mV; run diag { voltage = x * 2 } }", "diag.voltage = 1200mV"),
        ("instance a { sweep n = 1..3; run diag { voltage = 500mV * n } }", "diag.voltage = 500mV"),
        ("instance a { seeds 1..3; run diag { voltage = 500mV * seed } }", "diag.voltage = 500mV"),
        ("group g { voltage = 700mV; instance a { run diag } }", "voltage = 700mV"),
        ("instance a { serve diag { voltage = 3V }; run x: diag }", "diag.voltage = 3V"),
        ("instance a { run diag { voltage = 1 / 3 * 6V } }", "diag.voltage = 2V"),
    ],
)
def test_a_value_is_refused_wherever_it_comes_from(text: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(AssertionError, match="another spelling"):
            told(text)
        return
    assert told(text)[0] == value


def test_the_default_of_a_parameter_is_a_value_too() -> None:
    assert told("instance a { run diag }", "name: z\nlimits: {voltage: {max: 800mV}}\n") == ["diag.voltage = 900mV"]


def test_set_is_checked_as_everything_else() -> None:
    assert told("instance a { run diag }", RULES, "voltage=2V")[0] == "voltage = 2V"
    assert told("instance a { sweep voltage = [1V]; run diag }", RULES, "voltage=2V")[0] == "voltage = 2V"
    assert told("instance a { run diag }", RULES, "diag.voltage=2V")[0] == "diag.voltage = 2V"


def test_everything_is_listed_at_once() -> None:
    text = "instance a { sweep voltage = [1V, 1.2V, 2V]; run diag }\ninstance b { voltage = 100mV; run diag }"
    assert told(text) == ["voltage = 1.2V", "voltage = 2V", "voltage = 100mV"]


def test_what_no_run_has_breaks_no_limit() -> None:
    assert told("instance a { sweep voltage = [1V, 2V]; exclude voltage > 1V; run diag }") == []
    text = "instance a { sweep voltage = [1V, 2V]; sweep n = [1, 2]; exclude voltage > 1V and n == 2; run diag }"
    assert told(text) == ["voltage = 2V"]
    text = "instance a { seeds 1..4; run diag { voltage = 500mV * seed }; exclude seed != 2 }"
    assert told(text) == []
    text = "instance a { sweep n = 1..3; exclude n == 1 or n == 3; run diag { voltage = 500mV * n } }"
    assert told(text) == []


def test_the_first_run_that_offends_is_named() -> None:
    text = "instance a { sweep n = 1..2; sweep voltage = [1V, 2V]; exclude n == 1 and voltage > 1V; run diag }"
    _, found = planned(f'rules "z.yaml"\n{TOOL}\n{text}', {"z.yaml": RULES})
    assert found[0].hint == "first in a[n=2,voltage=2V]#0"


def test_limits_bind_by_provider_and_by_type() -> None:
    by_provider = "name: z\nlimits: {diag.voltage: {max: 1V}}\n"
    assert told("instance a { voltage = 2V; run diag }", by_provider)[0] == "voltage = 2V"
    by_type = "name: z\nlimits: {type.voltage: {max: 1V}}\n"
    assert told("instance a { run diag { voltage = 2V } }", by_type) == ["diag.voltage = 2V"]
    assert told('instance a { x = 2V; run diag { method = "{x:V}" } }', by_type) == ["x = 2V"]


@pytest.mark.parametrize("spelling", ["vcore-mv", "vcore_mv", "VCORE_MV", "Vcore-MV"])
def test_names_are_canonical(spelling: str) -> None:
    tool = 'tool diag {\n command "bin/diag" "{vcore_mv}"\n param vcore_mv: int = 900\n}\n'
    rules = f"name: z\nlimits: {{{spelling}: {{max: 1000}}}}\n"
    assert told("instance a { vcore_mv = 1200; run diag }", rules, tool=tool) == ["vcore_mv = 1200"]


def test_a_value_that_a_limit_cannot_judge_is_refused() -> None:
    tool = 'tool diag {\n command "bin/diag" "{voltage}"\n param voltage: string = "1V"\n param n: int = 1\n}\n'
    assert told("instance a { run diag }", tool=tool) == ["diag.voltage = 1V"]
    tool = 'tool diag {\n command "bin/diag" "{voltage}"\n param voltage: int = 900\n}\n'
    assert told("instance a { run diag }", tool=tool) == ["diag.voltage = 900"]
    tool = 'tool diag {\n command "bin/diag" "{voltage:ms}"\n param voltage: duration = 900ms\n}\n'
    assert told("instance a { run diag }", tool=tool) == ["diag.voltage = 900ms"]
    assert told("instance a { run diag }", "name: z\nlimits: {voltage: {max: 5}}\n") == ["diag.voltage = 900mV"]


def test_what_is_unbounded_is_denied() -> None:
    rules = "name: z\nunbounded: deny\nlimits: {voltage: {max: 2V}}\n"
    assert told("instance a { run diag }", rules) == ["diag.frequency = 1GHz"]
    rules = "name: z\nunbounded: deny\nlimits: {diag.voltage: {max: 2V}, type.frequency: {max: 2GHz}}\n"
    assert told("instance a { sweep voltage = [1V]; run diag }", rules) == []
    assert told('instance a { x = 3C; y = x; run diag { n = 1; method = "{y:C}" } }', rules) == ["x = 3C", "y = 3C"]


def test_jitter_stays_inside_the_limits() -> None:
    text = "instance a { sweep voltage = [800mV, 1100mV] jitter 50mV; seeds 1..200; run diag }"
    plan, found = planned(f'rules "z.yaml"\n{TOOL}\n{text}', {"z.yaml": RULES})
    assert plan is not None
    assert not [str(each) for each in found]
    values = [run.values["voltage"].value for run in plan.runs()]  # type: ignore[union-attr]
    assert min(values) >= 0.8
    assert max(values) <= 1.1
    assert len(set(values)) > 100
    derived = "instance a { sweep n-ish = [1.0] jitter 0.5; run diag { voltage = 1V * n-ish } }"
    assert told(derived)[0].startswith("diag.voltage = ")


def test_too_many_combinations_to_ask_are_refused() -> None:
    text = "instance a { sweep i = 1..2000; sweep j = 1..2000; run diag { voltage = 1V + 1uV * i + 1uV * j } }"
    assert [code for code, _ in codes(planned(f'rules "z.yaml"\n{TOOL}\n{text}', {"z.yaml": RULES})[1])] == ["CAMP324"]


def test_a_long_range_is_told_by_its_ends() -> None:
    assert told("instance a { sweep voltage = 800mV..1100mV step 1nV; run diag }".replace("1nV", "1uV")) == []
    assert told("instance a { sweep voltage = 800mV..1100100uV step 100uV; run diag }") == ["voltage = 1100.1mV"]


def test_a_limit_of_a_provider_binds_the_setting_that_it_gets() -> None:
    rules = "name: z\nlimits: {file.exists.path: {in: [a]}}\n"
    _, found = planned(
        f'rules "z.yaml"\n{TOOL}\ninstance a {{ path = "b"; run diag; oracle file.exists }}', {"z.yaml": rules}
    )
    assert [each.code for each in found] == ["CAMP320"]


def test_an_override_is_said_every_time() -> None:
    rules = {"base.yaml": RULES.replace("name: z", "name: base")}
    rules["z.yaml"] = "name: z\nextends: [base]\nlimits: {voltage: {max: 2V, override: true, why: cooled}}\n"
    plan, found = planned(f'rules "z.yaml"\n{TOOL}\ninstance a {{ voltage = 1500mV; run diag }}', rules)
    assert plan is not None
    assert [(each.code, each.severity) for each in found] == [("CAMP314", "note")]
    assert "cooled" in found[0].summary


def test_skips_leave_cells_out_and_say_why() -> None:
    rules = 'name: z\nskip:\n  - {cell: "a.1*", why: unsafe, issue: DB-7}\n  - {instance: b, why: slow}\n  - {tags: [old], why: gone}\n'
    text = (
        "instance a.{n} { sweep n = [1, 2, 10]; run diag }\ninstance b { run diag }\ninstance c { tags old; run diag }"
    )
    plan, found = planned(f'rules "z.yaml"\n{TOOL}\n{text}', {"z.yaml": rules})
    assert plan is not None
    assert not found
    assert [run.key for run in plan.runs()] == ["a.2#0"]
    reasons = {key: plan.why_not(key) for key in ("a.1#0", "b#0", "c#0")}
    assert all(reason is not None for reason in reasons.values())
    assert reasons["a.1#0"] is not None
    assert "DB-7" in reasons["a.1#0"].summary
    assert reasons["a.1#0"].span is not None
    assert reasons["b#0"] is not None
    assert "slow" in reasons["b#0"].summary


def test_a_skipped_cell_breaks_no_limit() -> None:
    rules = RULES + 'skip:\n  - {cell: "a.2*", why: unsafe}\n'
    assert told("instance a.{voltage} { sweep voltage = [1V, 2V]; run diag }", rules) == []


@pytest.mark.parametrize(
    ("oracle", "fine"),
    [
        ('oracle text.contains { text = "x" }', True),
        ('oracle named: text.contains { text = "x" }', True),
        ('oracle text.contains { text = "x"; advisory = true }', False),
        ('oracle text.contains { text = "x"; required = false }', False),
        ("", False),
    ],
)
def test_a_required_oracle_must_be_there_and_count(oracle: str, fine: bool) -> None:
    rules = "name: z\nrequire:\n  - {tags: [db], oracle: text.contains}\n"
    text = f"instance a {{ tags db, slow; run diag; {oracle} }}\ninstance b {{ run diag }}"
    _, found = planned(f'rules "z.yaml"\n{TOOL}\n{text}', {"z.yaml": rules})
    assert [each.code for each in found] == ([] if fine else ["CAMP325"])


@pytest.mark.parametrize(
    "body",
    [
        "VOLTAGE = 1V; run diag",
        "run diag { Voltage = 1V }",
        "run diag { sweep VOLTAGE = [1V] }",
        "diag.VOLTAGE = 1V; run diag",
        "sweep Voltage = [1V]; run diag",
        "serve diag { vOLTAGE = 1V }; run x: diag",
    ],
)
def test_two_spellings_of_one_parameter_are_an_error_everywhere(body: str) -> None:
    with pytest.raises(AssertionError, match="CAMP102"):
        planned(f'rules "z.yaml"\n{TOOL}\ninstance a {{ {body} }}', {"z.yaml": RULES})


RAIL = 'instance a {{ sweep voltage = [900mV, 1V]; hold rails.sysfs {{ path = "rail"; value = {} }}; run diag }}'
WRITTEN = "name: z\nlimits:\n  voltage: {max: 1100mV}\n  rails.sysfs.value: {min: 800, max: 1100}\n  frequency: {max: 2GHz}\nunbounded: deny\n"


@pytest.mark.parametrize(
    "value", ['"{voltage:mV}0"', '"1300"', '"0900"', '" 900"', '"9e2"', '"+900"', '"900mV"', '"٩٠٠"']
)
def test_a_limit_reaches_what_a_hold_writes(value: str) -> None:
    assert any(each.startswith("rails.sysfs.value = ") for each in told(RAIL.format(value), WRITTEN))
    assert told(RAIL.format('"{voltage:mV}"'), WRITTEN) == []


def test_what_a_hold_writes_is_denied_where_nothing_binds_it() -> None:
    rules = WRITTEN.replace("rails.sysfs.value", "other")
    assert told(RAIL.format('"900"'), rules) == ["rails.sysfs.value = 900"]


def test_a_setting_does_not_hide_what_a_hold_writes() -> None:
    text = 'instance a { value = "900"; hold rails.sysfs { path = "rail" }; run diag }'
    rules = WRITTEN.replace("rails.sysfs.value", "other")
    assert "rails.sysfs.value = 900" in told(text, rules)
    assert told(text, WRITTEN) == []


class Spread(Schedule):
    name = "spread"
    about = "evenly"
    parameters: ClassVar[Schema] = {"voltage": {"type": "voltage", "default": "900mV"}}


class WithSchedule(Registry):
    def find(self, kind: Any, name: str) -> Any:
        return Spread() if (kind, name) == ("schedule", "spread") else super().find(kind, name)


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("schedule spread { over = 8h; voltage = 2V }", "voltage", ["spread.voltage = 2V"]),
        ("voltage = 2V; schedule spread { over = 8h }", "spread.voltage", ["voltage = 2V"]),
        ("x = 2V; schedule spread { over = 8h; voltage = x }", "spread.voltage", ["spread.voltage = 2V"]),
        ("schedule spread { over = 8h; voltage = 1V }", "voltage", []),
    ],
)
def test_what_lays_faults_out_keeps_the_limits_too(text: str, key: str, values: list[str]) -> None:
    spec = f'rules "z.yaml"\n{TOOL}\ninstance a {{ {text}; fault process.kill; run diag {{ voltage = 900mV }} }}'
    rules = f"name: z\nlimits: {{{key}: {{max: 1100mV}}}}\n"
    _, found = planned(spec, {"z.yaml": rules}, registry=WithSchedule())
    assert [each.summary.partition(" must")[0] for each in found] == values
    assert {each.code for each in found} <= {"CAMP320"}
