"""Processes as ``/proc`` shows them: whose they are, to be killed or to be gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path


def command_lines() -> Iterator[tuple[int, str]]:
    """Every living process: its pid and its command line."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has just ended
            yield int(entry), line


def left(mark: str) -> list[str]:
    """The command lines of living processes that bear a mark, a folder say; a folder may be one of pytest's own."""
    return [line for _, line in command_lines() if mark in line and " -m pytest " not in line]


def children(pid: int) -> list[int]:
    """The children of a process, none where it is gone."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def ended(pid: int) -> bool:
    """Whether a process is gone, or waits only to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] in {"Z", "X"}
    except OSError:
        return True


def kill(*pids: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal these, those that are gone excepted."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
