"""What a stream can show: colour, live progress, and text that cannot play tricks on the reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

#: Marks that change the direction of what follows them: harmless in most texts, a trap in a source line.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINE_ENDS = frozenset("\u0085\u2028\u2029")


def colour_wanted(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour: only on a terminal, and neither ``NO_COLOR`` nor ``CI`` is set."""
    return not environ.get("NO_COLOR") and live_wanted(stream, environ)


def live_wanted(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether progress may redraw itself: only on a terminal that can, and not in CI."""
    if environ.get("CI") or environ.get("TERM") == "dumb":
        return False
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def visible(text: str, keep: str = "") -> str:
    """``text`` with control characters, direction marks and lone surrogates written out as ``\\u{1b}``.

    What comes from a spec, a tool or a file name can then neither move the cursor nor hide or reorder what is
    printed.  ``keep`` names characters to leave alone, such as ``"\\n\\t"``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in keep else shown(char) for char in text)


def shown(char: str) -> str:
    """One character as it may be printed: itself, or ``\\u{…}`` with its number in hexadecimal."""
    number = ord(char)
    hostile = number < 0x20 or 0x7F <= number < 0xA0 or 0xD800 <= number < 0xE000
    return f"\\u{{{number:x}}}" if hostile or char in _BIDI or char in _LINE_ENDS else char
