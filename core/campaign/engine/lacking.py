"""What of a spec is not there on this machine although no plan can be made, because a plugin is not installed.

Whoever installs that one plugin should not learn only then what is missing besides.  Nothing is known of what the
plugin would have brought, so only what the spec names itself is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from campaign.diagnostics import Diagnostic, ExitStatus, Severity
from campaign.engine.admission import available, lacks, program_missing, program_problem
from campaign.language.files import Reader
from campaign.language.providers import KINDS, Facts
from campaign.language.resolve import check
from campaign.language.scopes import Merged, Placed, merge
from campaign.language.syntax import Boolean, Setting
from campaign.plan.plan import Options
from campaign.plugins.names import canonical
from campaign.plugins.registry import Registry


def only_missing(found: list[Diagnostic]) -> bool:
    """Whether nothing is wrong but that something is not installed."""
    errors = [each for each in found if each.severity is Severity.ERROR]
    return bool(errors) and all(each.status is ExitStatus.SETUP for each in errors)


def lacking(
    spec: str, read: Reader, options: Options, registry: Registry, environ: Mapping[str, str]
) -> list[Diagnostic]:
    """What is missing of all that the instances of a spec name, each once."""
    checked, _ = check(spec, read, registry)
    if checked is None or (options.tier is not None and options.tier not in checked.tiers):
        return []
    found: dict[str, Diagnostic] = {}
    providers = checked.providers(registry)
    for scope in checked.holding(options.tier):
        tier = checked.tiers[options.tier] if options.tier is not None else None
        merged = merge(scope, checked.campaign, tier, (), _ignore)
        for item in merged.items:
            facts = providers.facts(KINDS[item.kind], item.provider.text, item.provider.span, _ignore)
            if facts is not None and not _may_be_missing(item):
                for each in _missing(facts, item, merged, registry, environ):
                    found.setdefault(each.summary, each)
    return list(found.values())


def _ignore(_: Diagnostic) -> None:
    """It was reported."""


def _may_be_missing(item: Placed) -> bool:
    """``required = false``."""
    settings = (each for each in item.body if isinstance(each, Setting) and canonical(each.name.text) == "required")
    return any(isinstance(each.value, Boolean) and not each.value.value for each in settings)


def _missing(
    facts: Facts, item: Placed, merged: Merged, registry: Registry, environ: Mapping[str, str]
) -> Iterator[Diagnostic]:
    if facts.declared is not None:
        yield from _program(facts, item, environ)
    elif facts.provider is not None:
        why = available(registry, facts.kind, facts.name, item.span)
        if why is None and _has_defaults(facts, item, merged):
            why = lacks(registry, facts.kind, facts.name, environ, item.span)
        if why is not None:
            yield replace(why, span=item.span)


def _program(facts: Facts, item: Placed, environ: Mapping[str, str]) -> Iterator[Diagnostic]:
    """The program of a declared tool, where its name stands in the spec as it is."""
    assert facts.declared is not None
    span, words = facts.declared.span, facts.declared.command.arguments
    name = words[0].plain if words else None
    if name is None:
        return
    if "/" in name:
        name = os.path.abspath(os.path.join(os.path.dirname(span.file), name))
    why = program_problem((name,), environ, "\0")
    if why is not None:
        yield program_missing(facts.name, why, item.span)


def _has_defaults(facts: Facts, item: Placed, merged: Merged) -> bool:
    """Whether nothing in the spec sets one of its parameters, so that it is asked for what it will be asked for."""
    own = {canonical(each.name.text) for each in item.body if isinstance(each, Setting)}
    qualified = {f"{canonical(facts.name)}.{name}" for name in facts.parameters}
    return not (facts.parameters.keys() & (own | merged.definitions.keys()) or qualified & merged.qualified.keys())
