"""The holds of a plan as people see them, and two holds of one thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.rules.made import TOOL, planned

from campaign.plan.held import guarded_by, held_in
from campaign.plan.plan import Plan

RULES = """name: z
limits:
  voltage: {min: 700mV, max: 1100mV}
  rails.sysfs.value: {min: 700, max: 1100, why: "the file takes millivolts"}
guard:
  - {oracle: file.exists, path: cool, every: 1s}
"""
SPEC = f"""
rules "z.yaml"
{TOOL}
instance a {{
  sweep voltage = 800mV..1000mV step 50mV
  sweep x = hold {{ low: rails.sysfs {{ path = "low"; value = "900" }}; none }}
  hold vcore: rails.sysfs {{ path = "rails/vcore"; value = "{{voltage:mV}}"; settle = 200ms }}
  hold at: rails.sysfs {{ path = "{{workdir}}/x"; value = "950" }}
  run diag
}}
"""


def plan_of() -> Plan:
    plan, found = planned(SPEC, {"z.yaml": RULES})
    assert plan is not None, found
    return plan


def test_each_hold_is_told_with_its_values_and_limits() -> None:
    plan = plan_of()
    assert plan.rules is not None
    book = plan.rules.book
    found = {each.label: each for each in held_in(plan.scenarios[0], book)}
    assert {label: each.hold for label, each in found.items()} == dict.fromkeys(("vcore", "at", "low"), "rails.sysfs")
    vcore = {each.name: each for each in found["vcore"].values}
    assert str(vcore["value"]) == "value = 800, 850, 900 … 1000 (5)"
    assert vcore["value"].limits == ("rails.sysfs.value: 700..1100",)
    assert str(vcore["settle"]) == "settle = 200ms"
    assert str(next(each for each in found["at"].values if each.name == "path")) == "path = known when it starts"
    (guard,) = guarded_by(book)
    assert (guard.oracle, guard.every, guard.settings, guard.rule_set) == ("file.exists", "1s", {"path": "cool"}, "z")
    assert guard.place.startswith("z.yaml:6:")


def test_of_a_run_only_what_it_has() -> None:
    plan = plan_of()
    assert plan.rules is not None
    for run in plan.runs():
        found = {each.label: each for each in held_in(run.scenario, plan.rules.book, run)}
        assert ("low" in found) == (run.values["x"] == "low")
        value = next(each for each in found["vcore"].values if each.name == "value")
        assert value.values == (str(run.values["voltage"]).removesuffix("mV"),)


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "z.yaml").write_text(RULES)
    (tmp_path / "x.camp").write_text(f'campaign "x" {{ }}\n{SPEC}')
    return tmp_path


def test_plan_and_explain_show_them(in_process: Any, bench: Path) -> None:
    told = in_process("plan", "x.camp").stdout
    assert "value = 800, 850, 900 … 1000 (5)  rails.sysfs.value: 700..1100" in told
    assert "guarded by file.exists (path = cool) every 1s: z, z.yaml:6:5" in told
    whole = json.loads(in_process("plan", "x.camp", "--format", "json").stdout)
    assert [each["label"] for each in whole["holds"]] == ["low", "vcore", "at"]
    assert whole["guards"][0]["oracle"] == "file.exists"
    run = "a[voltage=850mV,x=none]#0"
    told = in_process("explain", "x.camp", run).stdout
    assert "value = 850" in told
    assert "guarded by file.exists" in told
    one = json.loads(in_process("explain", "x.camp", run, "--format", "json").stdout)
    assert [each["label"] for each in one["holds"]] == ["vcore", "at"]


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ('path = "rail"', 'path = "rail"', True),
        ('path = "rail"', 'path = "./sub/../rail"', True),
        ('path = "rail"', 'path = "link"', True),
        ('path = "rail"', 'path = "RAIL"', False),
        ('path = "{which}"', 'path = "rail"', True),
        ('path = "{which}"', 'path = "other"', False),
        ('path = "{workdir}/rail"', 'path = "rail"', False),
    ],
)
def test_two_holds_of_one_file_are_refused_before_anything_runs(
    in_process: Any, tmp_path: Path, first: str, second: str, refused: bool
) -> None:
    (tmp_path / "rail").write_text("900\n")
    (tmp_path / "other").write_text("900\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("rail")
    spec = f"""campaign "x" {{ }}
tool t {{ command "true" }}
instance i {{
  sweep which = ["mine", "rail"]
  exclude which == "other"
  hold a: rails.sysfs {{ {first}; value = "1" }}
  hold b: rails.sysfs {{ {second}; value = "1{{which}}" }}
  run t
}}
"""
    (tmp_path / "x.camp").write_text(spec)
    for verb in ("check", "plan"):
        done = in_process(verb, "x.camp")
        assert done.exit_code == (2 if refused else 0), done.stdout + done.stderr
        assert ("x.camp:7:3: error[CAMP165]: the holds a and b both change" in done.stdout + done.stderr) == refused


def test_what_depends_on_too_much_is_not_counted() -> None:
    spec = SPEC.replace('"{voltage:mV}"', '"{v}"').replace(
        "run diag", "sweep n = 1..900; v = 700 + n / 10 + 0; run diag", 1
    )
    plan, found = planned(spec.replace("voltage = 800mV..1000mV step 50mV", "voltage = [900mV]"), {"z.yaml": RULES})
    assert plan is not None, found
    assert plan.rules is not None
    vcore = next(each for each in held_in(plan.scenarios[0], plan.rules.book) if each.label == "vcore")
    assert str(next(each for each in vcore.values if each.name == "value")) == "value = 700.1, 700.2, 700.3, 700.4 …"
