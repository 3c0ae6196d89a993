"""Which instances a tier holds, by ``tiers`` and ``only``; whole segments of labels."""

from __future__ import annotations

from collections.abc import Sequence

from campaign.language.scopes import Scope
from campaign.language.syntax import Block, Group, Hole, Instance, Words


def holds_in(scope: Scope, tier: Block | None) -> bool:
    """Whether the tier may hold cells of this instance; ``only`` is decided for each cell where its label has holes."""
    limited = limited_to(scope)
    if limited is not None and (tier is None or tier.name.text not in limited):
        return False
    wanted = only_of(tier)
    return not wanted or any(matches_label(scope.label, label) for label in wanted)


def limited_to(scope: Scope) -> tuple[str, ...] | None:
    """The tiers to which the innermost ``tiers`` clause limits an instance, None for any and for no tier."""
    holders: list[Group | Instance] = [scope.instance, *reversed(scope.groups)]
    for holder in holders:
        for clause in reversed(holder.body):
            if isinstance(clause, Words) and clause.keyword == "tiers":
                return tuple(word.text for word in clause.words)
    return None


def only_of(tier: Block | None) -> tuple[str, ...]:
    """The labels of a tier's ``only`` clauses, empty for no limit."""
    clauses = tier.body if tier else ()
    return tuple(
        word.text for each in clauses if isinstance(each, Words) and each.keyword == "only" for word in each.words
    )


def segments(label: Sequence[str | Hole]) -> list[list[str | Hole]]:
    """A label in its dotted segments, holes in their places."""
    found: list[list[str | Hole]] = [[]]
    for part in label:
        if isinstance(part, Hole):
            found[-1].append(part)
            continue
        first, *others = part.split(".")
        found[-1].append(first)
        found += [[other] for other in others]
    return [[part for part in segment if part] for segment in found]


def matches_label(label: Sequence[str | Hole], prefix: str) -> bool:
    """Whether some filling of the label's holes begins with ``prefix``, in whole segments.

    A value may hold dots (``1.5GHz``), so a hole can stand for more than one segment.
    """
    return _begins(segments(label), prefix.split("."))


def _begins(pattern: list[list[str | Hole]], wanted: list[str]) -> bool:
    if not wanted:
        return True
    if not pattern:
        return False
    open_ended = any(isinstance(part, Hole) for part in pattern[0])
    most = len(wanted) if open_ended else 1
    return any(
        _fits(pattern[0], ".".join(wanted[:count])) and _begins(pattern[1:], wanted[count:])
        for count in range(1, most + 1)
    ) or (open_ended and _fits_start(pattern[0], ".".join(wanted)))


def _fits(segment: list[str | Hole], text: str) -> bool:
    if not segment:
        return not text
    head, rest = segment[0], segment[1:]
    if isinstance(head, str):
        return text.startswith(head) and _fits(rest, text[len(head) :])
    return any(_fits(rest, text[count:]) for count in range(1, len(text) + 1))


def _fits_start(segment: list[str | Hole], text: str) -> bool:
    """Whether ``text`` is how a longer filling of the segment begins, up to a dot inside a value."""
    head = segment[0]
    if isinstance(head, Hole):
        return True
    return text.startswith(head) and len(segment) > 1 and len(text) > len(head)
