"""Texts of strangers as plain words: nothing that moves a cursor, hides, or reorders what stands beside it."""

from __future__ import annotations

import re

#: Control characters, marks of direction, line ends that editors do not count, and halves of surrogate pairs.
UNSEEN = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
LONGEST = 4_000


def plain(text: str, most: int = LONGEST) -> str:
    """``text`` with what cannot be seen written out as ``\\u{202e}``; line feeds and tabs stay, long ones are cut."""
    if len(text) > most:
        text = f"{text[: most - 1]}…"
    return UNSEEN.sub(_written, text)


def one_line(text: str, most: int = LONGEST) -> str:
    """The same on one line."""
    return " ".join(plain(text, most).split())


def _written(found: re.Match[str]) -> str:
    return f"\\u{{{ord(found[0]):x}}}"
