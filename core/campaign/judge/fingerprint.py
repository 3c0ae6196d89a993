"""A signature for a failure, so that a thousand failures of one cause are one line in a report.

Version 1: BLAKE2b over the kind of failure, what failed first (an expectation as written, an oracle, a step and how
it ended) and the first line of the message with everything masked that differs from run to run: numbers,
hexadecimal, addresses, paths, times, and the names of cells and runs.  The seed, the cell and paths never enter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

VERSION = 1
_LONGEST = 2000  # of a message; what differs only behind that is the same failure
_MASK = "#"

_PATH = re.compile(r"""(?<![\w#])[\w.+~@%=-]*/[^\s"'`:,;()\[\]{}<>|]*""")
#: Addresses, UUIDs and digests, numbers with their unit, and digits inside names (``idx_17``).
_NUMBER = re.compile(
    r"""0x[0-9a-f]+ | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b | \b[0-9a-f]{8,}\b | \b(?=[a-f]*\d)[0-9a-f]{4,}\b
      | \d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?(?:\s?(?:[nuµm]?s|min|hours?|[kmgt]i?b|bytes?|[mu]?v|[kmg]?hz|%)\b)?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
#: Dates, clock times, versions, lists of numbers: as many numbers as may be, one mask.
_RUN_OF_NUMBERS = re.compile(r"[+-]?#(?:[\s.,:;tTzZ+-]*#)*(?:[zZ]\b)?")


def fingerprint(kind: str, subject: str, message: str, names: Iterable[str] = ()) -> str:
    """16 hexadecimal digits for a failure of ``kind`` whose ``subject`` (taken as it is) failed first.

    ``names`` are the run's own: its cell, its key, its directories; masked wherever ``message`` quotes them.
    """
    signature = msgspec.json.encode([VERSION, kind, subject, masked(message, names)])
    return blake2b(signature, digest_size=8).hexdigest()


def masked(message: str, names: Iterable[str] = ()) -> str:
    """The first line of ``message`` without what differs from run to run."""
    line = next((line for line in message[:_LONGEST].splitlines() if line.strip()), "")
    for name in sorted(names, key=len, reverse=True):
        line = _without(line, name)
    line = _PATH.sub(_MASK, line)
    line = _NUMBER.sub(_MASK, line)
    return " ".join(_RUN_OF_NUMBERS.sub(_MASK, line).split())


def _without(line: str, name: str) -> str:
    """``line`` without ``name``: a plain word only where it is quoted, for it may be a word of the sentence."""
    if not name or name not in line:
        return line
    for quote in "\"'`":
        line = line.replace(f"{quote}{name}{quote}", _MASK)
    return line if name.isalpha() else re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", _MASK, line)
