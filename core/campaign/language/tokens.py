"""From text to tokens: what a word is depends on what the grammar has at that place.

``Lexer`` is contextual: a keyword, a label or a regular expression is one only where the parser can take it, so that
a parameter may be called ``timeout`` and ``/`` may divide.  Nothing here fails: what is no token is an ``OTHER``.
``Layout`` then takes out what has no meaning: comments, and line ends inside brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from msgspec import Struct

from campaign_grammar.tables import load_tables

END = "$END"
NEWLINE = "_NEWLINE"
BROKEN = "BROKEN"
_OPENING, _CLOSING, _BRACES = frozenset(("LPAR", "LSQB")), frozenset(("RPAR", "RSQB")), frozenset(("LBRACE", "RBRACE"))
#: These are tokens only where the grammar has them; every other pattern is one everywhere.
_CONTEXTUAL = frozenset(("SETTING", "LABEL", "PATH", "ITEM_LABEL", "CHOICE_KIND", "REGEX", "NEGATIVE"))


class Token(Struct, frozen=True, gc=False):
    """``text`` stands at ``start`` (an offset in code points) and is a ``kind``: a terminal of the grammar."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset behind the last character."""
        return self.start + len(self.text)


class Lexer:
    """The tokens of one text, one at a time; ``position`` may be moved by whoever recovers from an error."""

    def __init__(self, text: str) -> None:
        tables = load_tables()
        self.text = text
        self.position = 0
        self._states = tables.states
        self._words = tables.words
        self._signs = tables.signs

    def next(self, state: int) -> Token:
        """The next token where the parser is in ``state``; at the end of the text an ``END``."""
        row = self._states[state]
        for pattern in _patterns(state):
            if match := pattern.match(self.text, self.position):
                break
        else:
            self.position = len(self.text)
            return Token(END, "", len(self.text))
        kind = match.lastgroup or "OTHER"
        text, self.position = match[kind], match.end()
        if kind == "NAME" and (word := self._words.get(text)) in row:
            kind = word or kind
        elif kind == "SIGN":
            kind = self._signs[text]
        return Token(kind, text, self.position - len(text))


@cache
def _patterns(state: int) -> tuple[re.Pattern[str], ...]:
    """What to try in this state, in this order: what only stands here, then what stands anywhere."""
    return (*map(_contextual, sorted(_CONTEXTUAL & load_tables().states[state].keys())), _anywhere())


@cache
def _contextual(name: str) -> re.Pattern[str]:
    return _compiled([(name, dict(load_tables().patterns)[name])])


@cache
def _anywhere() -> re.Pattern[str]:
    tables = load_tables()
    *patterns, other = (one for one in tables.patterns if one[0] not in _CONTEXTUAL)
    signs = "|".join(map(re.escape, sorted(tables.signs, key=len, reverse=True)))
    return _compiled([*patterns, ("SIGN", signs), other])


def _compiled(patterns: Iterable[tuple[str, str]]) -> re.Pattern[str]:
    """One expression, with a group for each; compiling is half of a cold start, so only what is needed is.

    Space is never given back (``?+``): at the end of a file there is nothing behind it that could be a token.
    """
    tokens = "|".join(f"(?P<{name}>{one})" for name, one in patterns)
    return re.compile(f"(?:{load_tables().space})?+(?:{tokens})")


class Layout:
    """Takes comments out, and line ends inside ``( )`` and ``[ ]``; ``{`` and ``}`` end all brackets.

    ``opened`` holds the brackets that are open, so that an error can point at the one that was never closed.
    """

    def __init__(self) -> None:
        self.opened: list[Token] = []
        self.comments: list[Token] = []

    def hides(self, token: Token) -> bool:
        """Whether the parser shall not see this token."""
        if token.kind == "COMMENT":
            self.comments.append(token)
            return True
        return token.kind == NEWLINE and bool(self.opened)

    def follow(self, token: Token) -> None:
        """Take note of a token that the parser took."""
        if token.kind in _OPENING:
            self.opened.append(token)
        elif token.kind in _CLOSING:
            del self.opened[-1:]
        elif token.kind in _BRACES:
            self.opened.clear()
