"""Assertions of C and C++ (``assert``, ``CHECK``): what did not hold, and the stack where one follows."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from campaign.judge.fingerprint.forms import Form, Found
from campaign.judge.fingerprint.masking import masked
from campaign.judge.fingerprint.names import function
from campaign.judge.fingerprint.sanitizer import NOISE, stack_of

#: glibc, the BSDs and macOS, and the check macros of logging libraries.
_GLIBC = re2.compile(r"(\S+):\d+: (?:(.+): )?Assertion [`'](.*)' failed")
_BSD = re2.compile(r"Assertion failed: \(?(.*?)\)?, (?:function (\S+), )?file (\S+), line \d+")
_CHECK = re2.compile(r"\bD?CHECK failed: (.*)|\bD?[Cc]heck failed: (.*)")
#: So far from the assertion its own stack begins, or it is another's.
_NEAR = 60


def _read(lines: Sequence[str]) -> Found | None:
    what, names = _told(lines[0])
    if what is None:
        return None
    frames = tuple(stack_of(lines[1:_NEAR]))
    return Found(f"assertion {masked(what)}", frames or names, NOISE)


def _told(line: str) -> tuple[str | None, tuple[str, ...]]:
    """What should have held, and the function or else the file that said so."""
    if match := _GLIBC.search(line):
        return match.group(3), (function(match.group(2)) if match.group(2) else _file(match.group(1)),)
    if match := _BSD.search(line):
        return match.group(1), (match.group(2) or _file(match.group(3)),)
    if match := _CHECK.search(line):
        return match.group(1) or match.group(2), ()
    return None, ()


def _file(path: str) -> str:
    return path.rpartition("/")[2]


FORM = Form(
    "assertion", r": Assertion [`'].*' failed|Assertion failed: .*, line \d+|\bD?(?:CHECK|[Cc]heck) failed: ", _read
)
