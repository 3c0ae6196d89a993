"""What a format of crash reports is: how one begins, how it is read, and which functions of a stack are noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

#: Frames of a stack that count, unless a format says otherwise: enough to tell two bugs of one function apart.
MOST_FRAMES = 3
_MOST_DROPPED = 16
_LONGEST_NAME = 160

#: A compiled pattern of RE2: linear in time, whatever the text.
Pattern = Any


class Noise(Struct, frozen=True):
    """Functions that say nothing of a cause, by how their names begin, what they contain, or in full.

    Underscores in front do not count.
    """

    starts: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()

    def __contains__(self, name: str) -> bool:
        name = name.lstrip("_")
        return name in self.names or name.startswith(self.starts) or any(part in name for part in self.contains)

    def __or__(self, other: Noise) -> Noise:
        return Noise(self.starts + other.starts, self.contains + other.contains, self.names | other.names)


def noise(starts: str = "", contains: str = "", names: str = "") -> Noise:
    """A table of noise, each word of each text one entry."""
    return Noise(tuple(starts.split()), tuple(contains.split()), frozenset(names.split()))


NOTHING = Noise()


class Found(Struct, frozen=True):
    """A report as it was read: what happened, and the functions of its stack, innermost first, noise still among them.

    ``most`` of those that are not ``noise`` are kept.
    """

    headline: str
    frames: tuple[str, ...] = ()
    noise: Noise = NOTHING
    most: int = MOST_FRAMES


#: Reads a report from its first line on; None where it turns out to be none.
Reader = Callable[[Sequence[str]], "Found | None"]


class Form(Struct, frozen=True):
    """One format: ``sign`` is an RE2 pattern, searched line by line, for the line on which a report may begin."""

    name: str
    sign: str
    read: Reader


def pick(found: Found) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The frames that count, and those before and between them that were left out as noise."""
    kept: list[str] = []
    dropped: list[str] = []
    for name in found.frames:
        if len(kept) == found.most:
            break
        (dropped if name in found.noise else kept).append(name[:_LONGEST_NAME])
    return tuple(kept), tuple(dict.fromkeys(dropped))[:_MOST_DROPPED]
