"""The rule sets that bind a spec: those it names and those that ``rules auto`` finds for this host.

All are read through the same reader as the spec itself, so that a snapshot holds them too.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, failed
from campaign.language.files import Reader
from campaign.language.providers import ProviderLookup
from campaign.language.resolve import Checked
from campaign.language.syntax import Rules
from campaign.plan.duties import unknown_guards
from campaign.rules.files import SUFFIXES, Bound, Installed, Named, bind, from_packages

#: Folders above a spec in which a folder of rule sets is looked for.
_MOST_ABOVE = 32


class Host(Struct, frozen=True, kw_only=True):
    """What of this machine decides which rule sets hold, and whether two holds change one thing.

    ``facts`` are what matchers see, None where it must not be asked; ``folder`` lists a folder (raises OSError);
    ``installed`` are the sets that packages bring, by name.  ``chosen`` is what ``rules auto`` came to before.
    Where nothing is to run it is not ``strict``: a set may be for another host.  ``place`` says where a path really is.
    """

    facts: Callable[[], Mapping[str, Any]] | None = None
    folder: Callable[[str], Sequence[str]] | None = None
    installed: Callable[[], Mapping[str, str]] | None = None
    find_installed: Installed = from_packages
    chosen: tuple[str, ...] | None = None
    strict: bool = True
    place: Callable[[str], str] | None = None


def bind_rules(
    checked: Checked, read: Reader, find: ProviderLookup, host: Host
) -> tuple[Bound | None, list[Diagnostic]]:
    """The rule sets of a spec and what is wrong with them; None where it names none, or any is wrong.

    Where the host is asked, a set whose ``match`` fails is a safety error.
    """
    if not checked.rules:
        return None, []
    from campaign.rules.match import (
        check_matchers,
    )  # late: what plugins see is slow to import, and few specs have rules

    found: list[Diagnostic] = []
    named = [each for declaration in checked.rules for each in _named(declaration, found)]
    automatic = next((declaration for declaration in checked.rules if declaration.auto), None)
    chosen: tuple[str, ...] = ()
    if automatic is not None:
        chosen, wrong = _automatic(automatic, read, find, host)
        found += wrong
        named += [Named(path, "", automatic.span) for path in chosen]
    bound, wrong = bind(named, read, host.find_installed)
    found += wrong
    if bound is None:
        return None, found
    found += check_matchers([each.rule_set for each in bound.sets], find)
    found += unknown_guards(bound.book, find)
    if not failed(found) and host.facts is not None and host.strict:
        found += _mismatches(bound, host.facts(), find)
    return (None if failed(found) else replace(bound, chosen=chosen)), found


def _named(declaration: Rules, found: list[Diagnostic]) -> Iterable[Named]:
    for path in declaration.paths:
        if path.plain is None:
            found.append(Diagnostic("CAMP311", "the path of a rule set has no placeholders", path.span))
        else:
            yield Named(path.plain, declaration.span.file, path.span)


def _mismatches(bound: Bound, facts: Mapping[str, Any], find: ProviderLookup) -> list[Diagnostic]:
    from campaign.rules.match import answers, mismatch  # late, as above

    asked = ((each.rule_set, answers(each.rule_set, facts, find)) for each in bound.sets if each.rule_set.match)
    return [wrong for rule_set, said in asked if (wrong := mismatch(rule_set, said)) is not None]


# --- rules auto -------------------------------------------------------------------------------------------------


def _automatic(
    declaration: Rules, read: Reader, find: ProviderLookup, host: Host
) -> tuple[tuple[str, ...], list[Diagnostic]]:
    """The files of the rules path whose ``match`` holds here; none is a safety error."""
    if host.chosen is not None:
        return host.chosen, []
    from campaign.rules.match import answers  # late, as above

    matching: list[str] = []
    found: list[Diagnostic] = []
    choice = candidates(declaration.span.file, host)
    facts = host.facts() if host.facts is not None else {}
    for path in choice:
        try:
            bound, wrong = bind([Named(path, "")], read, host.find_installed)
        except CampaignError as error:
            bound, wrong = None, list(error.diagnostics)
        found += wrong
        if bound is not None and bound.sets:
            rule_set = bound.sets[0].rule_set
            if rule_set.match and all(each.holds for each in answers(rule_set, facts, find)):
                matching.append(path)
    if not matching and not failed(found) and host.strict:
        found.append(_none(declaration, choice))
    return tuple(matching), found


def _none(declaration: Rules, candidates: Sequence[str]) -> Diagnostic:
    looked = f"none of {len(candidates)} matches it" if candidates else "there is no rule set to choose from"
    hint = "campaign host shows what is known of this host; name a rule set instead of auto"
    return Diagnostic(
        "CAMP323", f"no rule set is for this host: {looked}", declaration.span, hint, status=ExitStatus.SAFETY
    )


def candidates(file: str, host: Host) -> list[str]:
    """Every rule set of the rules path: the nearest folder ``rules`` beside or above a spec, and installed ones."""
    found = sorted(_in_folder(os.path.dirname(file), host.folder)) if host.folder is not None else []
    packages = host.installed().values() if host.installed is not None else ()
    return list(dict.fromkeys((*found, *map(os.path.normpath, packages))))


def _in_folder(start: str, listing: Callable[[str], Sequence[str]]) -> Iterable[str]:
    folder = start
    for _ in range(_MOST_ABOVE):
        rules = os.path.normpath(os.path.join(folder, "rules"))
        names = _listed(rules, listing)
        if names is not None:
            for name in names:
                if name.endswith(SUFFIXES):
                    yield os.path.join(rules, name)
                elif any(
                    f"{name}{suffix}" in (_listed(os.path.join(rules, name), listing) or ()) for suffix in SUFFIXES
                ):
                    yield os.path.join(rules, name, f"{name}.yaml")
            return
        folder = os.path.join(folder, "..")


def _listed(folder: str, listing: Callable[[str], Sequence[str]]) -> Sequence[str] | None:
    try:
        return listing(folder)
    except OSError:
        return None
