"""Specs as text for tests of what is compiled and rendered from them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from campaign.language.parser import parse_expression
from campaign.language.resolve import Checked, check
from campaign.plan.compile import compile_scenarios
from campaign.plan.matrix import Run, runs
from campaign.plan.render import RenderContext, render
from campaign.plan.scenario import Scenario
from campaign.plugins.registry import Registry
from campaign.records import Order

#: Put before the text of a test: a tool with parameters of several types.
TOOL = """
tool t {
  command "bin/t" "--n={n}" "{fast}" "{seed}"
  param n: int = 1
  param m: int = 1
  param s: string = "x"
  param v: voltage = 1V
  param d: duration = 10s
  param fast: bool = false flag "--fast"
}
"""


def checked(text: str, **files: str) -> Checked:
    """A spec that has to be fine; ``files`` are beside it, ``.`` written ``_``."""
    text = f"{text}\n"
    found = {"specs/x.camp": f'campaign "x" {{ }}\n{text}' if "campaign " not in text else text}
    found |= {f"specs/{name.replace('_', '.')}": each for name, each in files.items()}

    def read(path: str) -> bytes:
        if path not in found:
            raise FileNotFoundError(2, "No such file", path)
        return found[path].encode()

    spec, diagnostics = check("specs/x.camp", read, Registry())
    assert not diagnostics, [str(each) for each in diagnostics]
    assert spec is not None
    assert spec.sound
    return spec


def scenarios(text: str, tier: str | None = None, sets: Mapping[str, str] | None = None) -> tuple[Scenario, ...]:
    """The scenarios of a spec, nothing being wrong with tier and sets."""
    overrides = {}
    for name, value in (sets or {}).items():
        tree, wrong = parse_expression(value, "--set", 1, 1)
        assert tree is not None, wrong
        overrides[name] = tree
    found, diagnostics = compile_scenarios(checked(text), tier, overrides, Registry())
    assert not diagnostics, [str(each) for each in diagnostics]
    return found


def all_runs(text: str, tier: str | None = None, sets: Mapping[str, str] | None = None) -> list[Run]:
    """Every run of a spec."""
    return [run for scenario in scenarios(text, tier, sets) for run in runs(scenario, "x", 7)]


def settings(text: str, tier: str | None = None, sets: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The settings of every run."""
    return [run.cell.scenario.program.settings(run.values, run.seed) for run in all_runs(text, tier, sets)]


def context(**changes: Any) -> RenderContext:
    """What orders are rendered in."""
    numbers = count(1)
    known: dict[str, Any] = {
        "campaign": "x-1",
        "campaign_name": "x",
        "campaign_seed": 7,
        "run_root": "/runs",
        "attempts": "/private",
        "root": "/home/me",
        "env": {"PATH": "/bin", "HOME": "/home/me", "LC_ALL": "C", "OTHER": "no", "API_TOKEN": "s3cret"},
        "epoch": 3,
        "token": lambda: f"token-{next(numbers)}",
    }
    return RenderContext(**{**known, **changes})


def orders(text: str, tier: str | None = None, sets: Mapping[str, str] | None = None, **changes: Any) -> list[Order]:
    """The first attempt of every run."""
    return [render(run, 1, context(**changes)) for run in all_runs(text, tier, sets)]
