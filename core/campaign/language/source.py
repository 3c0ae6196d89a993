"""The text of a spec: decoded, bounded, free of characters that deceive a reader, and able to say where things are."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Span

#: A spec is written by people; what a program writes belongs into several files and an ``include``.
MAX_BYTES = 1 << 20
#: Errors of one file that are shown; the rest is mostly the consequence of these.
MAX_ERRORS = 100

_BOM = b"\xef\xbb\xbf"
# Control characters but tab and line ends, and those that reorder text on the screen (https://trojansource.codes).
_REFUSED = re.compile(
    "\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


class Placed(Protocol):
    """A token or a node: a stretch of the text, offsets in code points."""

    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def end(self) -> int: ...  # noqa: D102


class Source(Struct, frozen=True):
    """A file as text; ``path`` is how it was named to us.

    A text out of the middle of a file says with ``first_line`` and ``first_column`` where it begins there.
    """

    path: str
    text: str
    first_line: int = 1
    first_column: int = 1

    def span(self, start: int, end: int) -> Span:
        """The place of ``text[start:end]``, offsets in code points."""
        return Span(self.path, *self._place(start), *self._place(max(start, end)))

    def _place(self, offset: int) -> tuple[int, int]:
        starts = _line_starts(self.text)
        line = bisect_right(starts, offset)
        column = offset - starts[line - 1] + (1 if line > 1 else self.first_column)
        return line + self.first_line - 1, column

    def at(self, placed: Placed) -> Span:
        """The place of a token or a node."""
        return self.span(placed.start, placed.end)

    def line(self, number: int) -> str:
        """A line by its 1-based number, without its end; empty for a line that does not exist."""
        starts = _line_starts(self.text)
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")


@lru_cache(maxsize=16)
def _line_starts(text: str) -> list[int]:
    starts, position = [0], text.find("\n")
    while position >= 0:
        starts.append(position + 1)
        position = text.find("\n", position + 1)
    return starts


def read_source(path: str, data: bytes) -> tuple[Source | None, list[Diagnostic]]:
    """Decode a spec; no source where the bytes are no text, or too many.

    Characters that may not stand in a spec are reported and become spaces, so that the rest can still be checked and
    nothing of it can play tricks on a terminal.
    """
    if len(data) > MAX_BYTES:
        summary = f"the file is {len(data):,} bytes long; a spec has at most {MAX_BYTES:,}"
        return None, [Diagnostic("CAMP002", summary, _start(path), "split it into files that it includes")]
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        return None, [_undecodable(path, data, error)]
    source = Source(path, _REFUSED.sub(" ", text))
    return source, refused_characters(source, text)


def refused_characters(source: Source, text: str) -> list[Diagnostic]:
    """A diagnostic for each character of ``text`` that may not stand in a spec, at its place in ``source``."""
    found: list[Diagnostic] = []
    for match in _REFUSED.finditer(text):
        if len(found) == MAX_ERRORS:
            break
        found.append(_refused(match.group(), source.span(match.start(), match.end())))
    return found


def _refused(char: str, span: Span) -> Diagnostic:
    kind = "a control character" if ord(char) < 0xA0 else "a character that reorders or hides text"
    hint = (
        "end lines with a newline"
        if char == "\r"
        else f'take it out; in a string it can be written as "\\u{{{ord(char):X}}}"'
    )
    return Diagnostic("CAMP003", f"U+{ord(char):04X} is {kind}", span, hint)


def _undecodable(path: str, data: bytes, error: UnicodeDecodeError) -> Diagnostic:
    offset = error.start + (len(_BOM) if data.startswith(_BOM) else 0)
    before = data[:offset]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].removeprefix(_BOM).decode("utf-8", "replace")) + 1
    summary = f"the file is no UTF-8 text: byte 0x{data[offset]:02X} cannot stand here"
    return Diagnostic("CAMP001", summary, Span(path, line, column, line, column + 1), "save it as UTF-8")


def _start(path: str) -> Span:
    return Span(path, 1, 1, 1, 1)
