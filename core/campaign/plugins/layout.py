"""What a schedule is asked and answers; apart from ``api.py``, which hands it on, so that ``check`` starts quickly."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from campaign.units import Quantity, Value


class UnableError(Exception):
    """Raised by a provider that cannot do what it is asked; the text, one sentence, is shown as it stands.

    An oracle raises it where it cannot judge, which makes the run an error, not a failure.
    """


class Unplaced(Struct, frozen=True, kw_only=True):
    """A fault that has no instant yet: its label, its model, how long it lasts (``for``), its model's settings."""

    label: str
    fault: str
    duration: Quantity | None = None
    settings: Mapping[str, Value] = {}


class Spread(Struct, frozen=True, kw_only=True):
    """What a schedule lays out: the faults, at least one, and the time span that they are spread ``over``.

    ``random`` was drawn for this run from its key, ``seed`` is the run's, both 0 to 2^64-1.
    """

    faults: tuple[Unplaced, ...]
    over: Quantity
    random: int
    seed: int
    settings: Mapping[str, Value]


class Placement(Struct, frozen=True):
    """One injection: which of the faults, from 0, and when, from the start of the run."""

    fault: int
    at: Quantity
