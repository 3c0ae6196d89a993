"""What a scheduler and its supervisors say to each other: one JSON object a line, over a socket pair."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from campaign.records.exit import Exit, Stop
from campaign.records.judgement import OracleRecord
from campaign.records.order import Order


class Start(Struct, frozen=True, tag="start"):
    """Carry this out; while an attempt is under way the next one waits its turn."""

    order: Order


class Judge(Struct, frozen=True, tag="judge"):
    """Ask the oracles of an attempt whose exit record is already there."""

    order: Order
    exit: Exit


class Halt(Struct, frozen=True, tag="halt"):
    """End an attempt: TERM and CONT to its whole tree, ``grace_s`` later KILL until nothing is left.

    One that waits its turn is given back without being started (``Refused``).
    """

    token: str
    reason: Stop
    grace_s: float = 5.0


class Clear(Struct, frozen=True, tag="clear"):
    """Take back the faults that an attempt left in force: its supervisor died, its ``undo/`` did not."""

    token: str
    private: str


class Quit(Struct, frozen=True, tag="quit"):
    """Leave once nothing is under way."""


ToSupervisor: TypeAlias = Start | Judge | Halt | Clear | Quit


class Waiting(Struct, frozen=True, tag="waiting"):
    """Not begun yet, and its time does not run: what it is to hold or a device of it is another attempt's."""

    token: str
    why: str


class Started(Struct, frozen=True, tag="started"):
    """The claim is on disk and the first process is about to start; UTC, RFC 3339."""

    token: str
    at: str


class Exited(Struct, frozen=True, tag="exited"):
    """``exit.json`` is on disk and synced; the tree is empty unless the record says otherwise."""

    token: str
    exit: Exit


class Judged(Struct, frozen=True, tag="judged"):
    """The oracles have answered; sent for every attempt whose order names one.

    ``fingerprint`` is a plugin's own signature of the failure, if one had one.
    """

    token: str
    oracles: tuple[OracleRecord, ...]
    fingerprint: str | None = None


class Refused(Struct, frozen=True, tag="refused"):
    """Never started, and never will be under this token: revoked, claimed elsewhere, or not what was admitted."""

    token: str
    why: str


class Cleared(Struct, frozen=True, tag="cleared"):
    """The answer to ``Clear``: ``failed`` says of each fault that is still in force why."""

    token: str
    failed: tuple[str, ...] = ()


FromSupervisor: TypeAlias = Waiting | Started | Exited | Judged | Refused | Cleared
