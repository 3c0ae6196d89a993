"""Diagnostics for people: the place, what is wrong, the source line with the exact span marked, what to write instead.

The same diagnostics are written for programs by ``sarif`` and ``github``; everything that comes from a spec is
neutralised here, so that no spec can move the cursor or hide what is printed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

from campaign.cli.lines import Lines, marked
from campaign.cli.terminal import colour_wanted, visible
from campaign.diagnostics import Diagnostic, Severity, Span

_RESET = "\x1b[0m"
_BOLD, _DIM = "\x1b[1m", "\x1b[2m"
_COLOURS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m", Severity.NOTE: "\x1b[1;36m"}


Paint = Callable[[str, str], str]


def painter(colour: bool) -> Paint:
    """A function of a style and a text, which colours the text or leaves it as it is."""
    return lambda style, text: f"{style}{text}{_RESET}" if colour and text else text


def print_diagnostics(diagnostics: Iterable[Diagnostic], stream: TextIO, lines: Lines | None = None) -> None:
    """Write diagnostics to a stream, in colour where it is a terminal; a closed stream raises OSError."""
    text = diagnostics_text(diagnostics, lines or Lines(), colour=colour_wanted(stream, os.environ))
    if text:
        print(text, file=stream, flush=True)


def diagnostics_text(diagnostics: Iterable[Diagnostic], lines: Lines, *, colour: bool = False) -> str:
    """All of them as text, an empty line between two."""
    paint = painter(colour)
    return "\n\n".join("\n".join(_block(diagnostic, lines, paint)) for diagnostic in diagnostics)


def _block(diagnostic: Diagnostic, lines: Lines, paint: Paint) -> list[str]:
    style = _COLOURS[diagnostic.severity]
    gutter = _gutter(diagnostic)
    place = paint(_BOLD, visible(str(diagnostic.span)) + ": ") if diagnostic.span else ""
    label = paint(style, f"{diagnostic.severity}[{diagnostic.code}]")
    block = [f"{place}{label}: {visible(diagnostic.summary)}"]
    if diagnostic.span:
        block += _excerpt(diagnostic.span, lines, gutter, style, paint)
    for related in diagnostic.related:
        block.append(f"{' ' * gutter} {paint(_DIM, '=')} {visible(related.message)}: {visible(str(related.span))}")
        block += _excerpt(related.span, lines, gutter, _COLOURS[Severity.NOTE], paint)
    if diagnostic.hint:
        block.append(f"{' ' * gutter} {paint(_DIM, '=')} {visible(diagnostic.hint)}")
    return block


def _gutter(diagnostic: Diagnostic) -> int:
    """How wide the line numbers of a diagnostic are."""
    spans = [related.span for related in diagnostic.related] + ([diagnostic.span] if diagnostic.span else [])
    return max((len(str(span.line)) for span in spans), default=0) + 1


def _excerpt(span: Span, lines: Lines, gutter: int, style: str, paint: Paint) -> list[str]:
    """The first line of a span, and the marks under it; nothing where the file cannot be read any more."""
    source = lines.line(span.file, span.line)
    if source is None:
        return []
    several = span.end_line > span.line
    text, marks = marked(source, span.column, len(source) + 1 if several else span.end_column)
    more = f" … to line {span.end_line}" if several else ""
    bar = paint(_DIM, "|")
    return [
        f"{paint(_DIM, str(span.line).rjust(gutter))} {bar} {text}".rstrip(),
        f"{' ' * gutter} {bar} {paint(style, marks)}{more}",
    ]


def counted(diagnostics: Sequence[Diagnostic]) -> str:
    """``2 errors, 1 warning``; empty where there is nothing."""
    counts = {severity: sum(1 for found in diagnostics if found.severity is severity) for severity in Severity}
    return ", ".join(f"{count} {severity}{'s' * (count > 1)}" for severity, count in counts.items() if count)


def diagnostics_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """Diagnostics as JSON values; lines and columns are 1-based, columns in code points, ends exclusive."""
    return [_as_json(diagnostic) for diagnostic in diagnostics]


def _as_json(diagnostic: Diagnostic) -> dict[str, object]:
    related = [{"message": other.message, **_place(other.span)} for other in diagnostic.related]
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "summary": diagnostic.summary,
        "hint": diagnostic.hint,
        **_place(diagnostic.span),
        "related": related,
    }


def _place(span: Span | None) -> dict[str, object]:
    names = ("file", "line", "column", "end_line", "end_column")
    return {name: getattr(span, name, None) for name in names}
