"""Which rule sets are for a host, and why: those that ``rules auto`` in a spec right here would choose from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from campaign.cli.files import read_file
from campaign.cli.here import this_host
from campaign.cli.tables import table
from campaign.diagnostics import CampaignError
from campaign.plan.ruled import candidates
from campaign.plugins.registry import Registry
from campaign.rules.files import Named, bind
from campaign.rules.match import answers


class RuleSetMatch(Struct, frozen=True, kw_only=True):
    """One rule set: whether it is for the host (None: it cannot be told), and what each matcher says."""

    rule_set: str
    path: str
    matches: bool | None
    why: tuple[str, ...] = ()


def rule_set_matches(facts: Mapping[str, Any], directory: str) -> Iterator[RuleSetMatch]:
    """The rule sets that can be seen from ``directory``, each with what it says of a host."""
    registry = Registry()
    for path in candidates(os.path.join(directory, "spec.camp"), this_host(strict=False)):
        yield _match(path, facts, registry)


def _match(path: str, facts: Mapping[str, Any], registry: Registry) -> RuleSetMatch:
    name = os.path.splitext(os.path.basename(path))[0]
    try:
        bound, found = bind([Named(path, "")], read_file)
    except CampaignError as error:
        bound, found = None, list(error.diagnostics)
    if bound is None:
        wrong = tuple(each.summary for each in found[:1])
        return RuleSetMatch(rule_set=name, path=path, matches=None, why=wrong)
    rule_set = bound.sets[0].rule_set
    said = answers(rule_set, facts, registry)
    holds = bool(said) and all(each.holds for each in said)
    why = tuple(f"{'holds' if each.holds else 'fails'}: {each}" for each in said) or ("it has no match: name it",)
    return RuleSetMatch(rule_set=rule_set.name, path=path, matches=holds, why=why)


def matches_text(found: Sequence[RuleSetMatch]) -> str:
    """A table of them; nothing where there is none."""
    words = {True: "yes", False: "no", None: "cannot be told"}
    rows = [[each.rule_set, words[each.matches], "; ".join(each.why), each.path] for each in found]
    return table(["rule set", "for this host", "why", "file"], rows) if rows else ""
