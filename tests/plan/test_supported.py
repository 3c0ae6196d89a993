"""What the language can say and ``exec`` refuses, each at its place."""

from __future__ import annotations

import pytest
from tests.plan.spec import TOOL, checked

from campaign.diagnostics import ExitStatus
from campaign.plan.compile import compile_scenarios
from campaign.plan.supported import _NOT_YET, not_yet
from campaign.plugins.registry import Registry

WITH: dict[str, str] = {
    "clock virtual": "instance a { run t; clock virtual }",
    "chain seeds": "instance a { run t; chain seeds }",
}


def refused(text: str, tier: str | None = None) -> list[tuple[str, int]]:
    spec = checked(TOOL + text)
    scenarios, found = compile_scenarios(spec, tier, {}, Registry())
    assert not found
    refusals = not_yet(scenarios)
    assert all((each.code, each.status) == ("CAMP190", ExitStatus.SETUP) for each in refusals)
    assert all(each.span is not None for each in refusals)
    return [(each.summary.partition(": ")[2], each.span.line if each.span else 0) for each in refusals]


@pytest.mark.parametrize("feature", [name for name in WITH if name in _NOT_YET])
def test_what_cannot_be_carried_out_is_refused_at_its_place(feature: str) -> None:
    assert _NOT_YET[feature] in [what for what, _ in refused(WITH[feature])]


def test_what_the_chosen_tier_leaves_out_is_not_refused() -> None:
    text = (
        "tier deep { }\ninstance a { run t; in deep { chain seeds } }\ninstance b { tiers deep; clock virtual; run t }"
    )
    assert refused(text) == []
    if "clock virtual" in _NOT_YET:
        assert [what for what, _ in refused(text, "deep")].count(_NOT_YET["clock virtual"]) == 1


def test_an_ordinary_spec_is_not_refused() -> None:
    text = """
    instance a {
      sweep n = [1, 2]
      run t
      fault process.kill { at = 1s..2s }
      retry { attempts = 2 }
      trace off; clock real; steps all
      oracle text.contains { text = "x" }
    }
    """
    assert refused(text) == []
