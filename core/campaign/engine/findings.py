"""What can be found of an attempt whose supervisor may be gone; recovery is written over these answers.

An executor answers ``recover(tokens)`` with them, whatever it is: supervisors on this machine, or workers elsewhere.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from campaign.records import Exit


class NeverStarted(Struct, frozen=True):
    """Its claim was free and is now ours: proof that it never ran and never will under this token."""


class Running(Struct, frozen=True):
    """Its supervisor lives; the executor says when that changes."""


class Exited(Struct, frozen=True):
    """Its exit record is whole; ``data`` is the record as JSON."""

    exit: Exit
    data: bytes


class Gone(Struct, frozen=True):
    """Its supervisor is dead, it left no exit record, and it is proved that nothing of its tree runs."""

    why: str = "it left no exit record: its supervisor died, or the disk was full, and nothing of it runs"


class Damaged(Struct, frozen=True):
    """It was carried out, and nothing of it runs, but its exit record cannot be used; ``why`` names the file."""

    why: str


class Unknown(Struct, frozen=True):
    """It cannot be proved what became of it; ``why`` in one sentence."""

    why: str


class Unasked(Struct, frozen=True):
    """Its exit record is whole, and nobody is left here to ask its oracles: whoever has the workspace next does."""


class Uncleared(Struct, frozen=True):
    """Like ``Gone``, but faults that it put in force are still to be taken back; no answer, a step towards one."""


Finding: TypeAlias = NeverStarted | Running | Exited | Unasked | Damaged | Gone | Unknown
