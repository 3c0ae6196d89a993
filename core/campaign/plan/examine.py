"""What only planning finds in a spec that reads well; apart from ``plan.py``, so that ``check`` starts quickly."""

from __future__ import annotations

from campaign.diagnostics import Diagnostic, failed
from campaign.language.files import Reader
from campaign.language.providers import ProviderLookup
from campaign.language.resolve import Checked
from campaign.plan.bounds import check_bounds
from campaign.plan.compile import campaign_facts, compile_scenarios
from campaign.plan.distinct import check_names
from campaign.plan.duties import missing_oracles, skip
from campaign.plan.idle import idle_limits
from campaign.plan.limits import check_limits
from campaign.plan.resources import check_holds
from campaign.plan.ruled import Host, bind_rules
from campaign.plan.scenario import Scenario
from campaign.plan.schedule import check_layouts
from campaign.plan.selection import Selected
from campaign.plan.slas import unwatched
from campaign.rules.structs import RuleBook


def examine(checked: Checked, providers: ProviderLookup, read: Reader, host: Host | None = None) -> list[Diagnostic]:
    """What is wrong with the plan of a sound spec, for no tier and for every tier, and with the rule sets it names.

    Shared names, what is too large, oracles that are missing, holds of one thing, values that break a limit.
    """
    rules, wrong_rules = bind_rules(checked, read, providers, host or Host())
    found: dict[Diagnostic, None] = dict.fromkeys(wrong_rules)
    book = rules.book if rules is not None else RuleBook()
    every: list[Scenario] = []
    for tier in (None, *checked.tiers):
        scenarios, wrong = compile_scenarios(checked, tier, {}, providers, book.limits)
        every += scenarios
        found.update(dict.fromkeys([*wrong, *check_names(scenarios), *check_bounds(scenarios)]))
        selected, _ = skip([Selected(each) for each in scenarios], book)
        left = [each.scenario for each in selected]
        found.update(dict.fromkeys([*missing_oracles(left, book), *unwatched(left, book)]))
        if not failed(found):
            seed = campaign_facts(checked, tier).seed
            found.update(dict.fromkeys(check_holds(selected, checked.name, seed, (host or Host()).place)))
            found.update(dict.fromkeys(check_limits(selected, checked.name, seed, book)))
            found.update(dict.fromkeys(check_layouts(selected, checked.name, seed)))
    if checked.instances and not failed(found):
        found.update(dict.fromkeys(idle_limits(every, book, providers, checked.tools)))
    return list(found)
