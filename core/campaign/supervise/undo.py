"""The journal of inverses: what must be taken back, written and synced before anything is done.

One file a fault in force, ``undo/<label>.json`` of the attempt's private folder, removed when it has been taken back.
Whatever is still there after a crash is what the next owner has to clear; clearing is idempotent.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
from msgspec import Struct

from campaign.failpoints import reach
from campaign.supervise.folders import write_synced

_SUFFIX = ".json"


class UndoEntry(Struct, frozen=True, kw_only=True, tag_field="schema", tag="campaign.undo/1"):
    """One fault in force: ``undo`` is what its model needs to take it back, ``plugins`` what has to be loaded."""

    label: str
    fault: str
    undo: dict[str, Any]
    plugins: tuple[str, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(UndoEntry).decode


def write(folder: int, entry: UndoEntry) -> None:
    """Journal an inverse, synced, before the fault acts.  ``folder`` is the open ``undo/``; raises OSError."""
    reach("undo.write.before")
    write_synced(folder, _file(entry), _encode(entry))
    reach("undo.write.after")


def remove(folder: int, entry: UndoEntry) -> None:
    """Strike out an inverse that was carried out.  Not synced: to clear once more does no harm.  Raises OSError."""
    reach("undo.remove.before")
    os.unlink(_file(entry), dir_fd=folder)
    reach("undo.remove.after")


def pending(private: str) -> tuple[UndoEntry, ...]:
    """What is still in force under an attempt's private folder; raises OSError, and DecodeError for a damaged one."""
    folder = os.path.join(private, "undo")
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))
    except FileNotFoundError:
        return ()
    return tuple(_read(os.path.join(folder, name)) for name in names)


def _read(path: str) -> UndoEntry:
    with open(path, "rb") as file:
        return _decode(file.read())


def _file(entry: UndoEntry) -> str:
    return entry.label.replace("/", "_") + _SUFFIX
