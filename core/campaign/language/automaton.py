"""The LALR(1) automaton: eats tokens, builds nodes, and never falls over a wrong one.

A wrong token is refused.  The caller then goes on by the book: pop what was begun, and feed the error symbol
(Aho, Sethi, Ullman, *Compilers*, 4.8: error productions; yacc's ``error``).
"""

from __future__ import annotations

from msgspec import Struct

from campaign.language.tokens import END, Token
from campaign_grammar.tables import Tables


class Node(Struct, frozen=True, gc=False):
    """What a rule of the grammar matched, from ``start`` to ``end`` (offsets); an optional part may be None."""

    rule: str
    children: list[Node | Token | None]
    start: int
    end: int


class _Value(Struct, gc=False):
    """What stands on the stack for a symbol: its nodes and its place, which counts dropped tokens too."""

    nodes: list[Node | Token | None]
    start: int
    end: int


class Automaton:
    """One parse. ``state`` tells the lexer what may come next."""

    def __init__(self, tables: Tables, start: str) -> None:
        self._rows = tables.states
        self._rules = tables.rules
        first, self._last = tables.starts[start]
        self._states = [first]
        self._values: list[_Value] = []

    @property
    def state(self) -> int:
        """The state on top."""
        return self._states[-1]

    @property
    def height(self) -> int:
        """How many states are stacked."""
        return len(self._states)

    def feed(self, token: Token) -> bool:
        """Take a token and do what it decides; False where it cannot stand here."""
        while True:
            action = self._rows[self._states[-1]].get(token.kind)
            if action is None:
                return False
            if action >= 0:
                self._states.append(action)
                self._values.append(_Value([token], token.start, token.end))
                return True
            self._reduce(~action)
            if token.kind == END and self._states[-1] == self._last:
                return True

    def result(self) -> Node:
        """The root, when the ``END`` was taken."""
        root = self._values[0].nodes[0]
        assert isinstance(root, Node)
        return root

    def accepts(self, kind: str) -> bool:
        """Whether a token of this kind can stand here; nothing changes."""
        states, above, height = self._states, list[int](), len(self._states)
        while (action := self._rows[above[-1] if above else states[height - 1]].get(kind)) is not None:
            if action >= 0:
                return True
            origin, size, _ = self._rules[~action]
            height -= max(0, size - len(above))
            del above[max(0, len(above) - size) :]
            above.append(self._rows[above[-1] if above else states[height - 1]][origin])
            if kind == END and above[-1] == self._last:
                return True
        return False

    def expected(self) -> set[str]:
        """The kinds of tokens that can stand here."""
        return {
            kind
            for kind in self._rows[self.state]
            if kind.lstrip("_")[:1].isupper() or kind == END
            if self.accepts(kind)
        }

    def cut(self, height: int) -> None:
        """Give up what was begun above ``height``."""
        del self._states[height:]
        del self._values[height - 1 :]

    def _reduce(self, number: int) -> None:
        origin, size, shape = self._rules[number]
        states, values = self._states, self._values
        taken = values[len(values) - size :]
        if size:
            del states[-size:]
            del values[-size:]
        states.append(self._rows[states[-1]][origin])
        value = _Value([], taken[0].start, taken[-1].end) if size else _nothing(values)
        value.nodes = taken[0].nodes if shape == "s" else _children(shape, taken)
        if origin[0] != "_":
            value.nodes = [Node(origin, value.nodes, value.start, value.end)]
        values.append(value)


def _nothing(values: list[_Value]) -> _Value:
    """An empty part stands where the one before it ends."""
    place = values[-1].end if values else 0
    return _Value([], place, place)


def _children(shape: str, taken: list[_Value]) -> list[Node | Token | None]:
    """What a rule keeps; the list of a first spliced part is extended in place, or long lists would be quadratic."""
    remaining = iter(taken)
    nodes = next(remaining).nodes if shape[:1] == "s" else []
    for fate in shape[1:] if shape[:1] == "s" else shape:
        if fate == "n":
            nodes.append(None)
        elif fate == "d":
            next(remaining)
        else:
            nodes.extend(next(remaining).nodes)
    return nodes
