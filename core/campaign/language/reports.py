"""``report NAME { … }``: which reporter writes when the campaign ends, and with what settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, Related, Span
from campaign.language.expressions import EvaluationError, compile_expression, references
from campaign.language.names import meant, shown
from campaign.language.parser import parse_expression
from campaign.language.providers import Facts, Parameter, ProviderLookup, Providers
from campaign.language.syntax import Block, Expr, Setting, Text, Word
from campaign.language.typecheck import PATH, STRING, Type, Typer, article, fits, type_of
from campaign.plugins.names import canonical
from campaign.plugins.parameters import validate
from campaign.plugins.printing import printing_aside
from campaign.units import Value

#: Settings of a report that belong to the engine: the file it is written to.
FILE = "file"


#: Other names of reporters, in a spec and on the command line.
SHORT = {"md": "markdown"}


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


def command_settings(name: str, sets: Iterable[str], find: ProviderLookup) -> Mapping[str, Value]:
    """The settings of ``--set name=value``, the last of a name wins; texts need no quotes there.

    Raises CampaignError with everything that is wrong.
    """
    found: list[Diagnostic] = []
    place = Span("--set", 1, 1, 1, 1)
    facts = Providers({}, find).facts("reporter", name, place, found.append)
    given: dict[str, _Given] = {}
    for text in sets if facts is not None else ():
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            found.append(Diagnostic("CAMP213", f"--set {text}: this is not name=value"))
            continue
        word = Word(key.strip(), Span(f"--set {text}", 1, 1, 1, len(key) + 1))
        assert facts is not None
        expr = _written(facts, word, value, found.append)
        if expr is not None:
            given[canonical(word.text)] = _Given(word, expr)
    settings = {} if facts is None else _settings(facts, given.values(), place, found.append)
    if found:
        raise CampaignError(found)
    return settings


class _Given(Struct, frozen=True):
    """A setting as written."""

    name: Word
    value: Expr


def _written(facts: Facts, name: Word, text: str, report: Callable[[Diagnostic], None]) -> Expr | None:
    """What stands behind ``name=`` on a command line: for a parameter of text, the text itself."""
    parameter = facts.parameters.get(canonical(name.text))
    if parameter is not None and parameter.type in (STRING, PATH) and not text.startswith('"'):
        return Text((text,), name.span)
    parsed, wrong = parse_expression(text, name.span.file, 1, len(name.text) + 2)
    for each in wrong:
        report(each)
    return parsed


def _check(block: Block, providers: Providers, report: Callable[[Diagnostic], None]) -> Report | None:
    reporter = SHORT.get(block.name.text, block.name.text)
    facts = providers.facts("reporter", reporter, block.name.span, report)
    if facts is None or not facts.complete:
        return None
    given: list[_Given] = []
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
        given.append(_Given(clause.name, clause.value))
    settings = _settings(facts, given, block.name.span, report)
    file = settings.pop(FILE, None) if FILE not in facts.parameters else None
    if isinstance(file, str):
        _check_file(facts, file, settings, block, report)
    placed = {name: _placed(facts.parameters.get(canonical(name)), value, block) for name, value in settings.items()}
    return Report(reporter, file if isinstance(file, str) else None, placed, block.span)


def _check_file(
    facts: Facts, file: str, settings: Mapping[str, Value], block: Block, report: Callable[[Diagnostic], None]
) -> None:
    """Whether the reporter can write a file of that name, with these settings."""
    written = (each for each in block.body if isinstance(each, Setting) and canonical(each.name.text) == FILE)
    place = next((each.value.span for each in written), None)
    try:
        with printing_aside():
            why = facts.provider.objection(file, {**_defaults(facts), **settings})
    except (Exception, SystemExit) as error:  # a stranger's code: it must not take the check down
        summary = f"the reporter {facts.name} raises in objection(): {type(error).__name__}: {error}"
        report(Diagnostic("CAMP181", summary, place, status=ExitStatus.SETUP))
        return
    if isinstance(why, str):
        report(Diagnostic("CAMP112", f"{shown(file)} cannot be written: {why}", place))


def _settings(
    facts: Facts, given: Iterable[_Given], place: Span, report: Callable[[Diagnostic], None]
) -> dict[str, Value]:
    """Settings by the reporter's own names (``file`` among them); what is wrong with them is reported."""
    settings: dict[str, Value] = {}
    spans: dict[str, Span] = {}
    for each in given:
        key, value = canonical(each.name.text), _value(each.value, report)
        if value is not None and _takes(facts, each, value, report):
            parameter = facts.parameters.get(key)
            settings[parameter.name if parameter else key] = value
            spans[key] = each.name.span
    own = {name: value for name, value in settings.items() if canonical(name) in facts.parameters}
    if facts.parameters:
        for problem in validate(facts.provider, {**_defaults(facts), **own}):
            report(Diagnostic("CAMP112", str(problem), spans.get(canonical(str(problem.path[0])), place)))
    return settings


def _placed(parameter: Parameter | None, value: Value, block: Block) -> Value:
    """A relative path belongs to the file that writes it."""
    if parameter is None or parameter.type is not PATH or not isinstance(value, str):
        return value
    return os.path.join(os.path.dirname(block.span.file), value)


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


def _takes(facts: Facts, clause: _Given, value: Value, report: Callable[[Diagnostic], None]) -> bool:
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
