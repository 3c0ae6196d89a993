"""What a scheduler is told and what it says to that: see ``scheduler``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from campaign.engine.protocol import Lane

# --- events -----------------------------------------------------------------------------------------------------


class Laned(Struct, frozen=True):
    """A campaign's lanes are known; ``parallel`` and ``slots`` are the most that it may have of each at a time.

    ``ahead``: its orders may be placed before there is a place for them.
    """

    lanes: tuple[Lane, ...]
    campaign: str = ""
    parallel: int | None = None
    slots: Mapping[str, int] | None = None
    ahead: bool = True


class Joined(Struct, frozen=True):
    """A lane beside the plan: nobody is asked for its orders, they come as they come."""

    lane: Lane
    campaign: str


class Parted(Struct, frozen=True):
    """These lanes beside the plan are at their end."""

    lanes: tuple[int, ...]
    campaign: str


class Offered(Struct, frozen=True):
    """Orders of a lane arrived, by token."""

    lane: int
    tokens: tuple[str, ...]
    exhausted: bool
    campaign: str = ""


class Awaited(Struct, frozen=True):
    """``count`` more (or, negative, fewer) orders will come back: retries that are due later, or are being rendered."""

    count: int
    campaign: str = ""


class Returned(Struct, frozen=True):
    """An awaited order arrived; it goes first in its lane."""

    lane: int
    token: str
    campaign: str = ""


class Adopted(Struct, frozen=True):
    """An attempt of an earlier owner still runs, or is judged: it takes its place and its slots."""

    token: str
    granted: Mapping[str, tuple[int, ...]]
    campaign: str = ""


class Yielded(Struct, frozen=True):
    """An attempt's processes are gone: its named slots are free, its place is not yet."""

    token: str


class Resting(Struct, frozen=True):
    """An attempt is over but for its cooldown: place and slots are not free yet, but its campaign does not wait."""

    token: str


class Left(Struct, frozen=True):
    """An attempt is over, its place is free; ``holding``: its named slots stay held until a person releases them."""

    token: str
    holding: bool = False


class Held(Struct, frozen=True):
    """These units stay held until a person releases them: an earlier owner's attempt is lost."""

    units: Mapping[str, tuple[int, ...]]


class Released(Struct, frozen=True):
    """A person gives these units back."""

    units: Mapping[str, tuple[int, ...]]


class Busy(Struct, frozen=True):
    """These units are in use in another workspace: not to be granted until they are ``Free``."""

    units: Mapping[str, tuple[int, ...]]


class Free(Struct, frozen=True):
    """These units are not in use elsewhere any more."""

    units: Mapping[str, tuple[int, ...]]


class Resized(Struct, frozen=True):
    """There are that many places now."""

    places: int


class Stopped(Struct, frozen=True):
    """Nothing more is to be placed, of this campaign; ``plan``: of its plan, but what is beside it goes on."""

    campaign: str = ""
    plan: bool = False


class Paused(Struct, frozen=True):
    """What matches one of these is not to be placed, and nothing else is held back: (campaign, prefix) pairs."""

    prefixes: frozenset[tuple[str, str]]


class Dropped(Struct, frozen=True):
    """Lanes of a campaign that start with ``prefix`` have nothing more to place, ever."""

    campaign: str
    prefix: str


class Detached(Struct, frozen=True):
    """A campaign's planner is gone, its orders with it; what was placed stays."""

    campaign: str


Event: TypeAlias = (
    Laned
    | Joined
    | Parted
    | Offered
    | Awaited
    | Returned
    | Adopted
    | Yielded
    | Resting
    | Left
    | Held
    | Released
    | Busy
    | Free
    | Resized
    | Stopped
    | Paused
    | Dropped
    | Detached
)

# --- instructions -----------------------------------------------------------------------------------------------


class Wanted(Struct, frozen=True):
    """Ask the planner for ``count`` more orders of a lane."""

    lane: int
    count: int
    campaign: str = ""


class Placed(Struct, frozen=True):
    """Admit and start this one; ``fallback`` says why preferred slots were not granted."""

    token: str
    lane: int
    granted: Mapping[str, tuple[int, ...]]
    fallback: str | None = None
    campaign: str = ""


Instruction: TypeAlias = Wanted | Placed
