"""``report NAME { … }``: which reporter writes when the campaign ends, and with what settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Related, Span
from campaign.language.expressions import EvaluationError, compile_expression, references
from campaign.language.names import meant, shown
from campaign.language.providers import Facts, ProviderLookup, Providers
from campaign.language.syntax import Block, Expr, Setting
from campaign.language.typecheck import STRING, Type, Typer, article, fits, type_of
from campaign.plugins.names import canonical
from campaign.units import Value

#: Settings of a report that belong to the engine: the file it is written to.
FILE = "file"


class Report(Struct, frozen=True):
    """A report that the campaign writes at its end: the reporter, the file (None: its own name), its settings."""

    name: str
    file: str | None
    settings: Mapping[str, Value]
    span: Span


def check_reports(
    blocks: Iterable[Block], find: ProviderLookup, report: Callable[[Diagnostic], None]
) -> tuple[Report, ...]:
    """The reports of a spec; what is wrong in them is reported."""
    providers = Providers({}, find)
    found = [_check(block, providers, report) for block in blocks]
    return tuple(each for each in found if each is not None)


def _check(block: Block, providers: Providers, report: Callable[[Diagnostic], None]) -> Report | None:
    facts = providers.facts("reporter", block.name.text, block.name.span, report)
    if facts is None or not facts.complete:
        return None
    settings: dict[str, Value] = {}
    spans: dict[str, Span] = {}
    for clause in block.body:
        if not isinstance(clause, Setting):
            report(Diagnostic("CAMP120", "this clause does not stand in a report", clause.span))
            continue
        name = clause.name.text
        if canonical(name) in spans:
            related = (Related(spans[canonical(name)], "given here first"),)
            report(Diagnostic("CAMP103", f"{shown(name)} is given twice", clause.name.span, None, related))
        spans[canonical(name)] = clause.name.span
        value = _value(clause.value, report)
        if value is not None and _takes(facts, clause, value, report):
            settings[canonical(name)] = value
    file = settings.pop(FILE, None) if FILE not in facts.parameters else None
    given = {facts.parameters[key].name: value for key, value in settings.items()}
    if given:
        for problem in providers.problems(facts, {**_defaults(facts), **given}):
            report(Diagnostic("CAMP112", str(problem), spans.get(canonical(str(problem.path[0])), block.name.span)))
    return Report(block.name.text, file if isinstance(file, str) else None, given, block.span)


def _defaults(facts: Facts) -> dict[str, Value]:
    return {each.name: each.default for each in facts.parameters.values() if each.default is not None}


def _value(expr: Expr, report: Callable[[Diagnostic], None]) -> Value | None:
    """The value of an expression that names nothing: a report has no run whose names it could use."""
    for reference in references(expr):
        report(Diagnostic("CAMP100", "a report names nothing of a run: its settings are written out", reference.span))
        return None
    wrong: list[Diagnostic] = []
    Typer(lambda _: STRING, wrong.append).infer(expr)
    for each in wrong:
        report(each)
    try:
        return None if wrong else compile_expression(expr, lambda name: lambda _: name)(None)
    except EvaluationError as error:
        report(Diagnostic("CAMP113", error.message, error.span or expr.span))
        return None


def _takes(facts: Facts, clause: Setting, value: Value, report: Callable[[Diagnostic], None]) -> bool:
    parameter = facts.parameters.get(canonical(clause.name.text))
    wanted: Type | None = parameter.type if parameter else STRING if canonical(clause.name.text) == FILE else None
    if wanted is None:
        known = [FILE, *(each.name for each in facts.parameters.values())]
        hint = meant(clause.name.text, known) or f"it has {', '.join(known)}"
        summary = f"{shown(facts.name)} has no parameter {shown(clause.name.text)}"
        report(Diagnostic("CAMP143", summary, clause.name.span, hint))
        return False
    if not fits(type_of(value), wanted):
        summary = f"{clause.name.text} takes {article(wanted)}, this is {article(type_of(value))}"
        report(Diagnostic("CAMP111", summary, clause.value.span))
        return False
    return True
