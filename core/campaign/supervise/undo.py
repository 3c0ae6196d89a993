"""The journal of inverses: what must be taken back, written and synced before anything is done.

One file a fault or hold in force, ``undo/<label>.json`` of the attempt's private folder (``<label>@hold.json`` of a
hold), removed when it has been taken back.  Whatever is still there after a crash is what the next owner has to clear,
the last one first; clearing is idempotent.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct

from campaign.failpoints import reach
from campaign.supervise.folders import write_synced

_SUFFIX = ".json"
_FOLDER = "undo"


class UndoEntry(Struct, frozen=True, kw_only=True, tag_field="schema", tag="campaign.undo/1"):
    """One fault in force: ``undo`` is what its model needs to take it back, ``plugins`` what has to be loaded.

    ``at`` is when it was journalled, on the monotonic clock; what takes it back bears the mark of the attempt's
    ``workdir``; ``held`` tells a hold from a fault of the same label.
    """

    label: str
    fault: str
    undo: dict[str, Any]
    plugins: tuple[str, ...] = ()
    at: float = 0.0
    workdir: str = ""
    held: bool = False


class Journal(Struct, frozen=True):
    """What one folder holds: its entries, the last one first, and of each damaged one what is wrong."""

    entries: tuple[UndoEntry, ...] = ()
    damaged: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entries or self.damaged)


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


def pending(private: str) -> Journal:
    """What is still in force under an attempt's private folder; raises OSError."""
    folder = os.path.join(private, _FOLDER)
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))
    except FileNotFoundError:
        return Journal()
    entries, damaged = list[UndoEntry](), list[str]()
    for name in names:
        try:
            entries.append(_read(os.path.join(folder, name)))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            damaged.append(f"the journal cannot be read: {os.path.join(folder, name)}: {error}")
    return Journal(tuple(sorted(entries, key=lambda entry: -entry.at)), tuple(damaged))


def give_up(private: str) -> None:
    """Put a journal aside, beside the folder: what it says is a person's to take back.  Raises OSError."""
    with suppress(FileNotFoundError):
        reach("undo.give-up.before")
        os.rename(os.path.join(private, _FOLDER), os.path.join(private, f"{_FOLDER}.released-{time.time_ns()}"))
        reach("undo.give-up.after")


def _read(path: str) -> UndoEntry:
    with open(path, "rb") as file:
        return _decode(file.read())


def _file(entry: UndoEntry) -> str:
    return entry.label.replace("/", "_") + ("@hold" if entry.held else "") + _SUFFIX
