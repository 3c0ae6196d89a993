"""Whether a host is one that a rule set was written for: each of its matchers is a plugin's, and all must hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.language.names import meant, shown
from campaign.language.providers import ProviderLookup
from campaign.plugins.api import Matcher
from campaign.plugins.names import canonical
from campaign.plugins.printing import printing_aside
from campaign.rules.structs import Match, RuleSet


class Answer(Struct, frozen=True):
    """What one matcher says of a host: ``found`` is what the host has, in words, where that is known."""

    match: Match
    holds: bool
    found: str | None = None

    def __str__(self) -> str:
        wanted = self.match.wanted
        asked = ", ".join(map(str, wanted)) if isinstance(wanted, list) else str(wanted)
        return f"{self.match.matcher}: {asked} (this host: {self.found or 'not known'})"


def check_matchers(rule_sets: Iterable[RuleSet], find: ProviderLookup) -> Iterator[Diagnostic]:
    """Matchers that no plugin brings, and what they can never be asked."""
    for rule_set in rule_sets:
        for match in rule_set.match:
            matcher = find_matcher(match.matcher, find)
            if matcher is None:
                known = sorted(name.rpartition(".")[2] for name in find.names("matcher"))
                hint = meant(match.matcher, known) or f"matchers are {', '.join(known)}"
                summary = f"no matcher is called {shown(match.matcher)}"
                yield Diagnostic("CAMP305", summary, match.origin.span, hint)
                continue
            objection = _asked(matcher.objection, match.wanted)
            if objection is not None:
                summary = f"{shown(match.matcher)} {objection}"
                yield Diagnostic("CAMP306", summary, match.origin.span, getattr(matcher, "about", None))


def find_matcher(name: str, find: ProviderLookup) -> Matcher | None:
    """The matcher of a name: in full, or by its last part where one plugin alone brings such a one."""
    named = [name] if "." in name else [each for each in find.names("matcher") if _last(each) == canonical(name)]
    found = find.find("matcher", named[0]) if len(named) == 1 else None
    return found if isinstance(found, Matcher) else None


def _last(name: str) -> str:
    return canonical(name.rpartition(".")[2])


def answers(rule_set: RuleSet, facts: Mapping[str, Any], find: ProviderLookup) -> list[Answer]:
    """What each matcher of a rule set says of a host; one that cannot be asked says no."""
    return [_answer(match, facts, find) for match in rule_set.match]


def _answer(match: Match, facts: Mapping[str, Any], find: ProviderLookup) -> Answer:
    matcher = find_matcher(match.matcher, find)
    if matcher is None or _asked(matcher.objection, match.wanted) is not None:
        return Answer(match, False)
    holds = _asked(matcher.matches, facts, match.wanted) is True
    found = _asked(matcher.found, facts)
    return Answer(match, holds, found if isinstance(found, str) else None)


def _asked(question: Any, *arguments: Any) -> Any:
    """A plugin's answer; a plugin that raises has none but its failure."""
    try:
        with printing_aside():
            return question(*arguments)
    except CampaignError:
        raise
    except (Exception, SystemExit) as error:  # a stranger's code: it must not take the plan down
        return f"cannot be asked: {type(error).__name__}: {error}"


def mismatch(rule_set: RuleSet, found: Iterable[Answer]) -> Diagnostic | None:
    """Why a rule set is not for this host; None where it is."""
    failing = [each for each in found if not each.holds]
    if not failing:
        return None
    said = "; ".join(map(str, failing))
    summary = f"the rule set {rule_set.name} is not for this host: {said}"
    hint = "name the rule set of this host's product line; campaign host shows what is known of it"
    return Diagnostic("CAMP322", summary, failing[0].match.origin.span, hint, status=ExitStatus.SAFETY)
