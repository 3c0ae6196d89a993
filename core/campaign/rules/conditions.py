"""The ``when`` of a triage rule: an expression of the language inside a YAML scalar, every mistake at its own place."""

from __future__ import annotations

from campaign.diagnostics import Diagnostic, Severity, Span
from campaign.language.names import meant, shown
from campaign.language.observed import VERDICT, Observations
from campaign.language.parser import parse_expression
from campaign.language.source import Source
from campaign.language.syntax import Expr, Hole, Name
from campaign.language.typecheck import ANY, BOOL, Type, Typer
from campaign.rules.reading import Scalar


def read_condition(node: Scalar, source: Source) -> tuple[Expr | None, list[Diagnostic]]:
    """The condition that a scalar holds, and what is wrong with it: syntax, names, types."""
    text, line, column, exact = _placed(node)
    expr, found = parse_expression(text, source.path, line, column)
    if expr is not None and not found:
        found = _check(expr)
    return (None if _wrong(found) else expr), found if exact else [_of_whole(each, node) for each in found]


def _placed(node: Scalar) -> tuple[str, int, int, bool]:
    """The text to parse, the line and column of its first character, and whether places in it are exact."""
    quote = 1 if node.raw[:1] in ("'", '"') and not node.plain else 0
    inner = node.raw[quote : len(node.raw) - quote] if quote else node.raw
    if inner.strip() == node.text:
        return node.text, node.span.line, node.span.column + quote, True
    if node.raw[:1] in ("|", ">"):
        return _block(node)
    return node.text, node.span.line, node.span.column, False


def _block(node: Scalar) -> tuple[str, int, int, bool]:
    """A block scalar as it stands, in brackets so that its lines belong together.

    The first bracket takes the place of a blank of the indentation, so that every column stays what it is.
    """
    _, _, body = node.raw.partition("\n")
    skipped = len(body) - len(body.lstrip("\n"))
    body = body[skipped:].rstrip()
    if body[:1] != " ":
        return node.text, node.span.line, node.span.column, False
    return f"({body[1:]})", node.span.line + 1 + skipped, 1, True


def _check(expr: Expr) -> list[Diagnostic]:
    """Names and types; a name that no run knows for sure may be a setting, and is taken for one."""
    found: list[Diagnostic] = []

    def type_of(name: Name | Hole) -> Type:
        type_, wrong = _asked(name.name if isinstance(name, Hole) else name.text, name.span)
        found.extend(wrong)
        return type_

    Typer(type_of, found.append).expect(expr, BOOL, "when")
    return found


def check_name(text: str, span: Span) -> list[Diagnostic]:
    """What is wrong with the name of a value of a run."""
    return _asked(text, span)[1]


def _asked(text: str, span: Span | None) -> tuple[Type, list[Diagnostic]]:
    """The type of a name, any of what may be a setting; and what is wrong with it."""
    observations = Observations((), lost=True)
    if text in VERDICT:
        return VERDICT[text], []
    if text.partition(".")[0] in ("verdict", "failure"):
        hint = meant(text, VERDICT) or f"there is {', '.join(VERDICT)}"
        return ANY, [Diagnostic("CAMP100", f"{shown(text)} asks for nothing", span, hint)]
    if not observations.is_observed(text):
        return ANY, []
    answer = observations.ask(text)
    wrong = [Diagnostic("CAMP100", answer.wrong, span, answer.hint)] if answer.wrong is not None else []
    return answer.type, wrong


def _wrong(found: list[Diagnostic]) -> bool:
    return any(each.severity is Severity.ERROR for each in found)


def _of_whole(diagnostic: Diagnostic, node: Scalar) -> Diagnostic:
    """Escapes and folded lines move what follows them: the place is the whole scalar."""
    return Diagnostic(diagnostic.code, diagnostic.summary, node.span, diagnostic.hint, (), diagnostic.severity)
