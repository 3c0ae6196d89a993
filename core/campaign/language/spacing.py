"""How tokens stand side by side: the one spelling of a line, for the formatter and for expressions shown to people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from campaign.language.tokens import Token

_TIGHT_AFTER = frozenset(("LPAR", "LSQB", "NEGATIVE"))
_TIGHT_BEFORE = frozenset(("RPAR", "RSQB", "COMMA", "SEMICOLON", "RANGE_DOTS"))
# What may follow `a..` as its upper end; anything else (`step`, `jitter`) keeps its space.
_OPERANDS = frozenset(("NUMBER", "STRING", "NAME", "DOTTED", "LPAR", "LSQB", "NEGATIVE", "TRUE", "FALSE", "REGEX"))


def joined(tokens: Sequence[Token], explains: bool = False) -> str:
    """The tokens of one line, spaced canonically.

    ``explains`` tells a line of an ``expect``: its colon parts two thoughts, any other belongs to the name before it.
    """
    pieces = [token.text for token in tokens[:1]]
    for left, right in pairwise(tokens):
        pieces.append(" " * _apart(left.kind, right.kind, explains) + right.text)
    return "".join(pieces)


def _apart(left: str, right: str, explains: bool) -> bool:
    if left in _TIGHT_AFTER or right in _TIGHT_BEFORE:
        return False
    if left == "RANGE_DOTS":
        return right not in _OPERANDS
    if right == "COLON":
        return explains
    return not (left == "NAME" and right == "LPAR")  # a call
