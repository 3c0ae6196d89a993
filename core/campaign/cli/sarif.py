"""Diagnostics as SARIF 2.1.0, with the pages of the codes as rules.

Format: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.  Columns count UTF-16 code units there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from campaign import __version__
from campaign.cli.codes import code_page
from campaign.cli.lines import Lines, utf16_column
from campaign.diagnostics import Diagnostic, ExitStatus, Severity, Span

SARIF_VERSION = "2.1.0"
SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(diagnostics: Sequence[Diagnostic], lines: Lines, status: ExitStatus, directory: str) -> dict[str, Any]:
    """A SARIF log of one run; files inside ``directory`` get relative URIs, others absolute ones."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    driver = {"name": "campaign", "semanticVersion": __version__, "rules": [_rule(code) for code in codes]}
    results = [_result(found, codes.index(found.code), lines, directory) for found in diagnostics]
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "invocations": [{"executionSuccessful": status is not ExitStatus.DEFECT, "exitCode": int(status)}],
        "results": results,
    }
    return {"$schema": SARIF_SCHEMA, "version": SARIF_VERSION, "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    page = code_page(code)
    if page is None:  # a plugin's own code, say
        return {"id": code}
    what = " ".join(page.sections.get("What", page.title).split())
    return {
        "id": code,
        "shortDescription": {"text": page.title},
        "fullDescription": {"text": what},
        "help": {"text": page.markdown, "markdown": page.markdown},
    }


def _result(diagnostic: Diagnostic, rule: int, lines: Lines, directory: str) -> dict[str, Any]:
    text = diagnostic.summary + (f"\n{diagnostic.hint}" if diagnostic.hint else "")
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _level(diagnostic.severity),
        "message": {"text": text},
    }
    if diagnostic.span:
        result["locations"] = [_location(diagnostic.span, lines, directory)]
    if diagnostic.related:
        result["relatedLocations"] = [
            {"id": number, **_location(related.span, lines, directory), "message": {"text": related.message}}
            for number, related in enumerate(diagnostic.related, 1)
        ]
    return result


def _level(severity: Severity) -> str:
    return str(severity)  # SARIF's levels bear the same names: error, warning, note


def _location(span: Span, lines: Lines, directory: str) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(span.file, directory)},
            "region": _region(span, lines),
        }
    }


def _region(span: Span, lines: Lines) -> dict[str, Any]:
    first = lines.line(span.file, span.line) or ""
    last = lines.line(span.file, span.end_line) or ""
    return {
        "startLine": span.line,
        "startColumn": utf16_column(first, span.column),
        "endLine": span.end_line,
        "endColumn": utf16_column(last, span.end_column),
    }


def _uri(path: str, directory: str) -> str:
    """A relative URI below ``directory``, else an absolute ``file:`` one; bytes outside ASCII percent-encoded."""
    absolute = os.path.normpath(os.path.join(directory, path))
    inside = absolute.startswith(directory.rstrip("/") + "/")
    shown = os.path.relpath(absolute, directory) if inside else absolute
    return ("" if inside else "file://") + quote(os.fsencode(shown))
