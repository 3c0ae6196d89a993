"""What bug a message of the oracle or of ``verify`` speaks of: which file and which key were hit is chance."""

from __future__ import annotations

#: What a message says, and the bug that it is; the first one that fits.
_SIGNATURES = (
    ("CURRENT is ", "damaged CURRENT"),
    (".log is cut off ", "cut log"),
    (".log is damaged: ", "damaged log"),
    (".sst is missing", "missing table"),
    (".sst is damaged: ", "damaged table"),
    (" that the MANIFEST holds", "wrong table"),
    ("that were never written to it", "foreign value"),
    ("which was never asked for", "foreign value"),
    ("a key that was never written", "foreign key"),
    ("there is a hole: ", "hole in the history"),
)


def signature(message: str) -> str | None:
    """The bug; None for a message of somebody else."""
    if message.startswith("acknowledged ") and " is lost: it holds " in message:
        return "rocksdb: lost write"
    if message.startswith("MANIFEST-"):
        return "rocksdb: damaged MANIFEST"
    return next((f"rocksdb: {bug}" for part, bug in _SIGNATURES if part in message), None)
