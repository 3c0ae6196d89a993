"""Take out of a line what differs from run to run."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 2000  # of a message; what differs only behind that is the same failure
_MASK = "#"

_PATH = re.compile(r"""(?<![\w#])[\w.+~@%=-]*/[^\s"'`:,;()\[\]{}<>|]*""")
#: A source file: its folders are where it was built, its name is not.
_SOURCE = re.compile(
    r"(?<![\w#])[\w.+~@%=/-]*/([\w+-]+\.(?:c|cc|cpp|cxx|h|hh|hpp|rs|go|py|js|mjs|ts|java|kt|rb|swift|zig|S))(?=[:,)\s]|$)"
)
#: Addresses, UUIDs and digests, numbers with their unit, and digits inside names (``idx_17``).
_NUMBER = re.compile(
    r"""0x[0-9a-f]+ | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b | \b[0-9a-f]{8,}\b | \b(?=[a-f]*\d)[0-9a-f]{4,}\b
      | \d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?(?:\s?(?:[nuµm]?s|min|hours?|[kmgt]i?b|bytes?|[mu]?v|[kmg]?hz|%)\b)?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
#: Dates, clock times, versions, lists of numbers: as many numbers as may be, one mask.
_RUN_OF_NUMBERS = re.compile(r"[+-]?#(?:[\s.,:;tTzZ+-]*#)*(?:[zZ]\b)?")


#: What a program ends with says what it found: a checker's 1 is not its 2.
_STATUS = re.compile(r"(\bexit status \d{1,3}\b)")


def masked(message: str, names: Iterable[str] = ()) -> str:
    """The first line of ``message`` without what differs from run to run."""
    line = next((line for line in message[:_LONGEST].splitlines() if line.strip()), "")
    for name in sorted(names, key=len, reverse=True):
        line = _without(line, name)
    parts = _STATUS.split(_PATH.sub(_MASK, _SOURCE.sub(r"\1", line)))
    parts[::2] = [_RUN_OF_NUMBERS.sub(_MASK, _NUMBER.sub(_MASK, part)) for part in parts[::2]]
    return " ".join("".join(parts).split())


def _without(line: str, name: str) -> str:
    """``line`` without ``name``: a plain word only where it is quoted, for it may be a word of the sentence."""
    if not name or name not in line:
        return line
    for quote in "\"'`":
        line = line.replace(f"{quote}{name}{quote}", _MASK)
    return line if name.isalpha() else re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", _MASK, line)


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")


def unquoted(message: str) -> str:
    """``masked``, with what stands in quotes, mostly data, left out too."""
    return masked(_QUOTED.sub("#", message[:_LONGEST]))
