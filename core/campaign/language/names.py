"""Names: one spelling for each throughout a spec, and which one was meant."""

from __future__ import annotations

from collections.abc import Iterable

from campaign.diagnostics import Diagnostic, Related, Span
from campaign.plugins.names import canonical


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that was probably meant by ``name``: at most a third of it mistyped."""
    wanted = canonical(name)
    allowed = max(1, (len(wanted) + 1) // 3)
    best: tuple[int, str] | None = None
    for candidate in known:
        if abs(len(candidate) - len(wanted)) > allowed or len(wanted) > 80:
            continue
        distance = _distance(wanted, canonical(candidate), allowed)
        if distance <= allowed and (best is None or (distance, candidate) < best):
            best = (distance, candidate)
    return best[1] if best else None


def _distance(left: str, right: str, bound: int) -> int:
    """Edits that turn one into the other, a swap of neighbours counting once; anything over ``bound`` is not exact.

    Optimal string alignment: https://en.wikipedia.org/wiki/Damerau-Levenshtein_distance
    """
    before, previous = [0] * (len(right) + 1), list(range(len(right) + 1))
    for row, char in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            cost = min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (char != other))
            if row > 1 and column > 1 and char == right[column - 2] and left[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        if min(current) > bound:
            return bound + 1
        before, previous = previous, current
    return previous[-1]


def meant(name: str, known: Iterable[str]) -> str | None:
    """A hint in words, or None where nothing is near."""
    near = nearest(name, known)
    return f"did you mean {near}?" if near is not None else None


class Spelling:
    """Sees to it that each name is spelt one way throughout a spec."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, Span | None]] = {}

    def check(self, name: str, span: Span | None) -> Diagnostic | None:
        """A diagnostic where the same name was spelt in another way before."""
        first, place = self._first.setdefault(canonical(name), (name, span))
        if first == name:
            return None
        related = () if place is None else (Related(place, f"spelt {first} here"),)
        summary = f"{shown(name)} is the name {shown(first)} in another spelling"
        return Diagnostic("CAMP102", summary, span, f"write {first}, as elsewhere", related)


def with_article(noun: str) -> str:
    """``an oracle``, ``a fault``: nouns of the language, none of which sounds unlike it is spelt."""
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def shown(name: str) -> str:
    """A name as a message shows it: shortened where it is very long."""
    return name if len(name) <= 60 else f"{name[:57]}..."
