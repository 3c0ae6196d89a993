"""What bug a message of the oracle speaks of: which key was hit, and when, is chance."""

from __future__ import annotations

#: What a message says, and the bug that it is; the first one that fits.
_SIGNATURES = (
    ("no server can load it: Bad file format reading the append only file", "damaged append-only file"),
    ("no server can load it: ", "data that cannot be loaded"),
    ("which was refused or never asked for", "foreign value"),
    ("holds what was never written to it", "foreign value"),
)


def signature(message: str) -> str | None:
    """The bug; None for a message of somebody else."""
    if message.startswith("acknowledged write ") and " is lost: it holds " in message:
        return "redis: lost write"
    return next((f"redis: {bug}" for part, bug in _SIGNATURES if part in message), None)
