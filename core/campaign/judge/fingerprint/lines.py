"""Where nothing else is recognised: the first lines that speak of an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import re2

from campaign.judge.fingerprint.masking import masked

MOST_LINES = 2
_ERROR = re2.compile(
    r"(?i)\b(?:errors?|fatal|panic|fail(?:ed|ure|s)?|assert(?:ion)?|abort(?:ed|ing)?|exception|corrupt(?:ed|ion)?"
    r"|cannot|can't|could not|unable to|violation|mismatch|denied|no such|not found|invalid|segmentation fault"
    r"|core dumped|out of memory)\b"
)
_NONE = re2.compile(r"(?i)\b(?:no|0|zero|without) (?:errors?|failures?)\b|\b(?:errors?|fail(?:ed|ures?))[:=] *0\b")


def error_lines(lines: Sequence[str]) -> Iterator[str]:
    """The first lines that speak of an error, masked, each once."""
    seen: list[str] = []
    for line in lines:
        if len(seen) == MOST_LINES:
            return
        if _ERROR.search(line) and not _NONE.search(line) and not line.isupper():  # a banner says nothing
            text = masked(line)
            if text and text not in seen:
                seen.append(text)
                yield text
