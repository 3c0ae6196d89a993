"""Diagnostics as GitHub annotations, the ``::error file=…::`` lines of a workflow's log.

Format: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterable

from campaign.cli.terminal import visible
from campaign.diagnostics import Diagnostic, Severity, Span

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def github_annotations(diagnostics: Iterable[Diagnostic]) -> str:
    """One line for each diagnostic."""
    return "\n".join(_annotation(diagnostic) for diagnostic in diagnostics)


def _annotation(diagnostic: Diagnostic) -> str:
    properties = _place(diagnostic.span) | {"title": diagnostic.code}
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    message = diagnostic.summary + (f"\n{diagnostic.hint}" if diagnostic.hint else "")
    return f"::{_COMMANDS[diagnostic.severity]} {written}::{_data(message)}"


def _place(span: Span | None) -> dict[str, str]:
    """Where; GitHub takes columns only where a mark stays on one line, and includes its end."""
    if span is None:
        return {}
    place = {"file": span.file, "line": str(span.line), "endLine": str(span.end_line)}
    if span.line == span.end_line:
        place |= {"col": str(span.column), "endColumn": str(max(span.column, span.end_column - 1))}
    return place


def _data(text: str) -> str:
    """A message: ``%``, CR and LF would end or forge a command."""
    return visible(text, keep="\r\n").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
