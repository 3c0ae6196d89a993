"""What only planning finds in a spec that reads well; apart from ``plan.py``, so that ``check`` starts quickly."""

from __future__ import annotations

from campaign.diagnostics import Diagnostic
from campaign.language.providers import ProviderLookup
from campaign.language.resolve import Checked
from campaign.plan.bounds import check_bounds
from campaign.plan.compile import compile_scenarios
from campaign.plan.distinct import check_names


def examine(checked: Checked, providers: ProviderLookup) -> list[Diagnostic]:
    """What is wrong with the plan of a sound spec, for no tier and for every tier: shared names, what is too large."""
    found: dict[Diagnostic, None] = {}
    for tier in (None, *checked.tiers):
        scenarios, wrong = compile_scenarios(checked, tier, {}, providers)
        found.update(dict.fromkeys([*wrong, *check_names(scenarios), *check_bounds(scenarios)]))
    return list(found)
