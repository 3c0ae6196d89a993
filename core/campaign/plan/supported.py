"""What the language can say and ``exec`` cannot carry out yet: refused at its place, before anything runs.

``check`` and ``plan`` take all of it.  Whoever makes one of these work deletes its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from campaign.diagnostics import Diagnostic, ExitStatus, Span
from campaign.language.syntax import Choice, Clause, Item, Options, Plain, Setting, Sweep, Words
from campaign.plan.scenario import Scenario

#: Clauses by their keyword, or by keyword and word.
_NOT_YET: dict[str, str] = {
    "chain seeds": "chains of seeds on one set of served tools",
}


def not_yet(scenarios: Sequence[Scenario]) -> list[Diagnostic]:
    """A diagnostic for each place of these scenarios that ``exec`` would have to leave out; none: it can run."""
    found: dict[tuple[str, Span], None] = {}
    for scenario in scenarios:
        for layer in scenario.program.case.merged.layers:
            for clause in layer.clauses:
                found.update((place, None) for place in _features(clause))
    return [
        Diagnostic("CAMP190", f"exec cannot carry this out yet: {_NOT_YET[feature]}", span, status=ExitStatus.SETUP)
        for feature, span in found
        if feature in _NOT_YET
    ]


def _features(clause: Clause) -> Iterable[tuple[str, Span]]:
    """The features that a clause asks for, each with its place."""
    if isinstance(clause, Item):
        yield clause.kind, clause.span
        yield from _in_block(clause.body)
    elif isinstance(clause, Sweep):
        for choice in clause.choices:
            yield from _chosen(clause, choice)
    elif isinstance(clause, Words):
        yield f"{clause.keyword} {clause.words[0].text}", clause.span
    elif isinstance(clause, Plain | Options):
        yield clause.keyword, clause.span


def _chosen(sweep: Sweep, choice: Choice) -> Iterable[tuple[str, Span]]:
    if choice.provider is not None and sweep.kind is not None:
        yield sweep.kind, choice.span
        yield from _in_block(choice.body)


def _in_block(body: Iterable[Clause]) -> Iterable[tuple[str, Span]]:
    return ((each.name.text, each.span) for each in body if isinstance(each, Setting))
