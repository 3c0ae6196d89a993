"""Limits that bind nothing: a misspelt one protects nothing, and nothing else would say so.

Rule sets are shared, so a limit may well be about what another spec has: it is told what is near to a name of this one,
and what nothing known bears.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Severity
from campaign.language.names import shown
from campaign.language.providers import KINDS, Facts, ProviderLookup
from campaign.language.resolve import Checked
from campaign.plan.compile import compile_scenarios
from campaign.plan.limits import keys_of_source
from campaign.plan.scenario import Scenario
from campaign.plan.sources import sources
from campaign.plugins.names import canonical
from campaign.plugins.parameters import parameter_types
from campaign.rules.structs import TYPE, Limit, RuleBook

_NEAR = 0.75


class Names(Struct, frozen=True):
    """What limits can be about in some scenarios: keys, each with the name as the spec writes it."""

    keys: Mapping[str, str]

    def idle(self, book: RuleBook) -> list[Limit]:
        """The limits that bind none of these; those of types aside, which bind what may come."""
        return [each for each in book.limits.values() if not each.key.startswith(TYPE) and each.key not in self.keys]


def names_of(scenarios: Iterable[Scenario]) -> Names:
    """The names of every value of these scenarios."""
    keys: dict[str, str] = {}
    for scenario in scenarios:
        for source in sources(scenario):
            for key in keys_of_source(source):
                name = source.name if key == canonical(source.name) else key
                keys.setdefault(key, name)
    return Names({key: name for key, name in keys.items() if not key.startswith(TYPE)})


def idle_limits(
    scenarios: Iterable[Scenario], book: RuleBook, find: ProviderLookup, tools: Mapping[str, Facts]
) -> Iterator[Diagnostic]:
    """What is told of limits that bind nothing in these scenarios, which are those of every tier."""
    if not book.limits:
        return
    names = names_of(scenarios)
    for limit in names.idle(book):
        if _of_a_tool(limit.key, tools) or is_known(limit.key, find):
            continue
        near = _nearest(limit.key, names)
        place = limit.origins[0].span if limit.origins else None
        summary = f"the limit of {shown(limit.name)} binds nothing in this campaign"
        if near is not None:
            yield Diagnostic("CAMP328", summary, place, f"did you mean {near}?", severity=Severity.WARNING)
        else:
            hint = "no value here is called so, nor that of a provider that this spec can name"
            yield Diagnostic("CAMP328", summary, place, hint, severity=Severity.NOTE)


def idle_in(checked: Checked, planned: Iterable[Scenario], book: RuleBook, find: ProviderLookup) -> list[Diagnostic]:
    """The same for a spec of which one tier is planned; the others are looked at only where a limit is idle."""
    scenarios = list(planned)
    if not names_of(scenarios).idle(book):
        return []
    for tier in (None, *checked.tiers):
        scenarios += compile_scenarios(checked, tier, {}, find, book.limits)[0]
    return list(idle_limits(scenarios, book, find, checked.tools))


def is_known(key: str, find: ProviderLookup) -> bool:
    """Whether a provider that can be named has a parameter that this key binds."""
    provider, _, name = key.rpartition(".")
    for kind in dict.fromkeys(KINDS.values()):
        for each in find.names(kind):
            if provider in {"", canonical(each)} and name in map(canonical, parameter_types(find.find(kind, each))):
                return True
    return False


def _of_a_tool(key: str, tools: Mapping[str, Facts]) -> bool:
    """Whether a tool that the spec declares has it, though no instance may run that."""
    provider, _, name = key.rpartition(".")
    return any(provider in {"", canonical(each.name)} and name in each.parameters for each in tools.values())


def _nearest(key: str, names: Names) -> str | None:
    from difflib import get_close_matches  # late: only a mistake needs it

    near = get_close_matches(key, names.keys, n=1, cutoff=_NEAR)
    return names.keys[near[0]] if near else None
