"""What limits cost on a plan of a million cells: one plan with and without a rule set, expanded to its last run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.measure import Result, alternate, median, run

SPEC = """
campaign "matrix" {{ parallel 2 }}
{rules}
tool nothing {{
  command "/usr/bin/true"
  param a: voltage = 1mV
  param b: frequency = 1MHz
  param c: int = 0
  param d: voltage = 1mV
}}
instance m.{{a}}.{{b}}.{{c}} {{
  sweep a = 1mV..{side}mV step 1mV
  sweep b = 1MHz..{side}MHz step 1MHz
  sweep c = 1..{side}
  exclude a > {inner}mV and b > {inner}MHz
  d = a * 2
  run nothing
}}
"""
RULES = """
name: z
unbounded: deny
limits:
  type.voltage: {max: 10V}
  type.frequency: {max: 10GHz}
  a: {min: 1uV, max: 1V}
  b: {max: 1GHz}
  nothing.c: {min: 0, max: 1_000}
"""
OURS = """
from campaign.cli.files import read_file
from campaign.plan.plan import Options, make_plan
from campaign.plugins.registry import Registry
plan, problems = make_plan({spec!r}, read_file, Options(), Registry)
assert plan is not None, problems
print(sum(1 for _ in plan.runs()))
"""


def measure(*, short: bool) -> list[Result]:
    """The ratio of the two; a million cells in the full form."""
    side = 30 if short else 101
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        base = Path(folder)
        (base / "z.yaml").write_text(RULES)
        for name, rules in (("with", 'rules "z.yaml"'), ("without", "")):
            text = SPEC.format(side=side, inner=side - 5, rules=rules)
            (base / f"{name}.camp").write_text(text)
        without, bound = alternate(3, lambda: _expand(base, "without"), lambda: _expand(base, "with"))
    detail = f"{median(bound):.2f} s against {median(without):.2f} s"
    most = None if short else 1.3  # reading the rule sets themselves weighs only in a small plan
    return [Result("a plan with limits against one without", median(bound) / median(without), "x", most, False, detail)]


def _expand(base: Path, name: str) -> float:
    cost = run([sys.executable, "-c", OURS.format(spec=str(base / f"{name}.camp"))], base)
    if cost.status != 0:
        raise SystemExit(f"limits: the plan {name} limits ended with {cost.status}")
    return cost.wall_s
