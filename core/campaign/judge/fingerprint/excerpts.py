"""Find what an output says of the cause of a failure: which format it is written in, its headline and its stack."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from campaign.judge.fingerprint import (
    assertion,
    bsd,
    debugger,
    golang,
    java,
    javascript,
    kernel,
    python,
    rust,
    sanitizer,
)
from campaign.judge.fingerprint.forms import Form, pick
from campaign.judge.fingerprint.lines import error_lines
from campaign.judge.fingerprint.signature import LINES
from campaign.records import Excerpt

#: In the order in which they are asked about a line that several may begin with.
FORMS: tuple[Form, ...] = (
    *(assertion.FORM, sanitizer.FORM, bsd.FORM, kernel.FORM, golang.FORM, rust.FORM),
    *(python.FORM, java.FORM, javascript.FORM, debugger.FORM),
)
#: So much is looked at, from shortly before the first line on which a report may begin.
WINDOW_BYTES = 1 << 16
_BEFORE_BYTES = 1 << 12
_LONGEST_LINE = 1000
_LONGEST_REPORT = 1000  # lines
_MOST_REPORTS = 20  # beginnings that turn out to be none

_SIGN = re2.compile("(?m)" + "|".join(f"(?:{form.sign})" for form in FORMS))
_SIGNS = tuple(re2.compile(form.sign) for form in FORMS)
_CONTROL = re2.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def excerpt_of(data: bytes, path: str | None = None) -> Excerpt | None:
    """What an output says of the cause of a failure; None where it says nothing."""
    text = _text(data)
    lines = [line[:_LONGEST_LINE] for line in text.splitlines()]
    report = _report(lines, path) if _SIGN.search(text) else None
    if report is not None:
        return report
    kept = tuple(error_lines(lines))
    return Excerpt(LINES, "", kept, (), path) if kept else None


def _report(lines: Sequence[str], path: str | None) -> Excerpt | None:
    """The first report of any format."""
    tried = 0
    for at, line in enumerate(lines):
        if tried >= _MOST_REPORTS:
            break
        if not _SIGN.search(line):
            continue
        tried += 1
        for form, sign in zip(FORMS, _SIGNS, strict=True):
            found = form.read(lines[at : at + _LONGEST_REPORT]) if sign.search(line) else None
            if found is not None:
                kept, dropped = pick(found)
                return Excerpt(form.name, found.headline, kept, dropped, path)
    return None


def _text(data: bytes) -> str:
    """The part of an output in which a report may stand, without control characters."""
    return str(_CONTROL.sub("", window(data).decode("utf-8", "replace")))


def window(data: bytes) -> bytes:
    """At most ``WINDOW_BYTES``: where the first report may begin, else the beginning and the end."""
    if len(data) <= WINDOW_BYTES:
        return data
    first = _SIGN_BYTES.search(data)
    if first is None:
        half = WINDOW_BYTES // 2
        return data[:half] + b"\n" + data[-half:]
    start = max(0, first.start() - _BEFORE_BYTES)
    return data[start : start + WINDOW_BYTES]


_SIGN_BYTES = re2.compile(("(?m)" + "|".join(f"(?:{form.sign})" for form in FORMS)).encode())
