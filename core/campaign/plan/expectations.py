"""Expectations as an order carries them: settings put in, and what the output has to be searched for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Raw, Struct

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.language.expressions import (
    EvaluationError,
    InText,
    Lookup,
    Missing,
    evaluate,
    references,
    walk,
)
from campaign.language.instances import Case, Expectation
from campaign.language.observed import ROOTS
from campaign.language.substitution import substitute
from campaign.language.syntax import Binary, Expr, Name, Regex, Text
from campaign.language.values import Values
from campaign.plan.assignment import Assignment
from campaign.records import ExpectOrder, PatternOrder, pattern_order
from campaign.units import UnitError, Value


class Rendered(Struct, frozen=True):
    """An expectation with its settings put in, and the patterns that it asks the output for."""

    order: ExpectOrder
    patterns: tuple[PatternOrder, ...]


class Prepared(Struct, frozen=True):
    """An expectation of a scenario; ``fixed`` where it is the same in every run."""

    expectation: Expectation
    fixed: Rendered | None

    def applies(self, axes: Assignment) -> bool:
        """False where it names a provider that this cell's axis value lacks."""
        return all(
            any(axes.get(each.axis) == each.value for each in alternatives)
            for alternatives in self.expectation.conditions
        )


def prepare(expectation: Expectation, case: Case) -> Prepared:
    """Render an expectation that names no setting once and for all."""
    texts = [expr for expr in (expectation.expect.condition, expectation.expect.why) if expr is not None]
    if any(_key(name, case.values) is not None for expr in texts for name in _names(expr)):
        return Prepared(expectation, None)
    return Prepared(expectation, _render(expectation, _missing))


def _names(expr: Expr) -> list[str]:
    return [each.text if isinstance(each, Name) else InText(each.name) for each in references(expr)]


def _missing(name: str) -> Value:
    raise Missing(name)


def render_expectations(
    prepared: Iterable[Prepared], values: Values, axes: Assignment, environment: Mapping[str, Value]
) -> tuple[tuple[ExpectOrder, ...], tuple[PatternOrder, ...]]:
    """The expectations that apply in one run, and each pattern once; raises CampaignError."""

    def known(name: str) -> Value:
        key = _key(name, values)
        return _missing(name) if key is None or key not in environment else environment[key]

    rendered = [each.fixed or _render(each.expectation, known) for each in prepared if each.applies(axes)]
    patterns = {pattern.id: pattern for each in rendered for pattern in each.patterns}
    return tuple(each.order for each in rendered), tuple(patterns.values())


def _key(name: str, values: Values) -> str | None:
    """The key of a setting's value; None for what is known only when the run has ended."""
    if name == "attempt":
        return "@attempt"
    if name.partition(".")[0].partition("[")[0] in ROOTS:
        return None
    return values.refer(name, None, isinstance(name, InText))


def _render(expectation: Expectation, known: Lookup) -> Rendered:
    expect = expectation.expect
    tree = _substituted(expect.condition, known)
    why = None if expect.why is None else str(evaluate(_substituted(expect.why, known), known))
    order = ExpectOrder(text=expect.text, tree=Raw(msgspec.json.encode(tree)), why=why, place=str(expect.span))
    return Rendered(order, tuple(patterns_of(tree)))


def _substituted(expr: Expr, known: Lookup) -> Expr:
    try:
        return substitute(expr, known)
    except (EvaluationError, UnitError) as error:
        span = error.span if isinstance(error, EvaluationError) else None
        raise CampaignError([Diagnostic("CAMP113", str(error), span or expr.span)]) from None


def patterns_of(tree: Expr) -> list[PatternOrder]:
    """What the output is asked for in an expectation whose names are put in."""
    found = []
    for part in walk(tree):
        if isinstance(part, Binary) and part.left == Name(("output",)):
            if part.operator == "contains" and isinstance(part.right, Text) and part.right.plain is not None:
                found.append(pattern_order("contains", part.right.plain))
            elif part.operator == "matches" and isinstance(part.right, Regex):
                found.append(pattern_order("matches", part.right.pattern))
    return found


def searched(condition: Expr) -> list[PatternOrder]:
    """What the output is asked for in the condition of a rule, whatever its other names mean."""
    return patterns_of(_substituted(condition, _missing))
