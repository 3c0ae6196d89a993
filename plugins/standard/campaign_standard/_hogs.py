"""Faults that take something away from everybody by a program of ours beside the tools, see ``_hog.py``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from campaign.plugins.api import Fault, Injected, Injection, Process, process_tree
from campaign_standard import _hog
from campaign_standard._beside import end_beside, ended_early, start_beside
from campaign_standard._memo import forget, memo_of, recall, remember


class Hog(Fault):
    """The program takes while the fault is in force; it dies with the provider host, and ``clear`` ends it."""

    overlaps = "adds"

    def available(self) -> str | None:
        """What ties the program to the provider host."""
        return None if shutil.which("setpriv") else "setpriv was not found: apt-get install util-linux"

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Where its number will stand."""
        return memo_of(injection)

    def take(self, undo: Mapping[str, Any], words: Sequence[str], notes: str) -> Injected:
        """Start it, and note its number.  Raises UnableError."""
        process = start_beside((sys.executable, "-P", "-m", "campaign_standard._hog", *words), _is_up)
        try:
            remember(undo, [process.pid, process.start_time, process.boot_id])
        except BaseException:
            _end(process)
            raise
        return Injected(notes=notes)

    def lapsed(self, undo: Mapping[str, Any]) -> str | None:
        """Whether somebody has ended it: the kernel, where memory ran out, or a person."""
        known = recall(undo)
        return None if known is None else ended_early(Process(*known))

    def clear(self, undo: Mapping[str, Any]) -> None:
        """End it, and all that it has started."""
        known = recall(undo)
        if known is not None:
            _end(Process(*known))
        forget(undo)


def _end(process: Process) -> None:
    for each in (*process_tree(process), process):
        end_beside(each)


def _is_up(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip() == _hog.UP
    except OSError:
        return False
