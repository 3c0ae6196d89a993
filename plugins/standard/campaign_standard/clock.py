"""Clocks: the time of day that the tools of a run see, by libfaketime, and jumps of it while they run.

libfaketime reads the offset from a file again at every call.  What it reads is the sum of what is held and of the jumps
in force; beside it lies a list of these, so that each can be taken back by itself, in any order, and twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from glob import glob
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from campaign.plugins.api import (
    Fault,
    Injected,
    Injection,
    Process,
    Quantity,
    Schema,
    UnableError,
    Value,
    boot_id,
    hookimpl,
    identify,
    running,
)
from campaign_standard._inside import OWN, GoneError, read_within, remove_within, write_within

api = 1

#: Where Debian, Fedora, Arch and a build of one's own put it.
_LIBRARIES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)
_FILE = "FAKETIME_TIMESTAMP_FILE"
_ALONE = {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
_LONGEST = 1 << 16
#: What libfaketime shares among the processes of a tree, and leaves behind where they are killed.
_SHARED = "/dev/shm"  # noqa: S108 - its place, not ours
_SHARED_NAMES = ("faketime_shm_", "sem.faketime_sem_")


class Clock(Struct):
    """What makes up an offset, in seconds: what is held, and by fault the jumps in force."""

    held_s: float
    jumps_s: dict[str, float] = {}


class Offset(Fault):
    """``clock.offset { offset = 2h }``: the clock of the day is that much ahead, or behind where it is negative."""

    name = "offset"
    about = "have the tools see another time of day (libfaketime; dynamically linked programs only)"
    holds = True
    injects = False
    after_tools = True
    parameters: ClassVar[Schema] = {
        "offset": {
            "type": "duration",
            "required": True,
            "meta": {"help": "how far ahead; `0s - 2h` is behind; with `0s` a `clock.jump` can come later"},
        }
    }

    def available(self) -> str | None:
        """The library."""
        return None if library() else "libfaketime was not found: apt-get install faketime"

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Where the clock is kept, and since when what killed tools leave behind may be ours."""
        label = injection.label.replace("/", "_")
        return {"workdir": injection.workdir, "clock": f"{OWN}clock-{label}", "since": time.time()}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Have the tools started with the library; clocks that only ever count on are left alone where that works."""
        path = library()
        if path is None:
            raise UnableError("libfaketime was not found")
        shown = _set(undo, Clock(_seconds(injection.settings["offset"])))
        env = {"LD_PRELOAD": path, _FILE: f"{injection.workdir}/{undo['clock']}", "FAKETIME_NO_CACHE": "1"}
        if _sleeps(path):
            return Injected(env={**env, **_ALONE}, notes=f"{shown} s")
        return Injected(env=env, notes=f"{shown} s, the monotonic clock too: this libfaketime cannot leave it alone")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Remove the clock, and what tools that were killed left of it."""
        with suppress(GoneError):
            remove_within(undo["workdir"], undo["clock"])
            remove_within(undo["workdir"], f"{undo['clock']}.json")
        _sweep(undo["since"])


class Jump(Fault):
    """``clock.jump { offset = 1h; at = 2s; for = 5s }``: the clock goes an hour ahead, and 5 seconds later back."""

    name = "jump"
    overlaps = "adds"
    about = "have the time of day jump under running tools that a `clock.offset` is held for"
    parameters: ClassVar[Schema] = {
        "offset": {"type": "duration", "required": True, "meta": {"help": "how far it goes ahead; `0s - 1h` is back"}}
    }

    def available(self) -> str | None:
        """The library."""
        return None if library() else "libfaketime was not found: apt-get install faketime"

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Find the clock of the target; all tools of that hold see the jump."""
        clock = _clock_of(injection.target, injection.workdir)
        return {"workdir": injection.workdir, "clock": clock, "jump": f"{injection.label}-{injection.random:016x}"}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Jump."""
        clock = _read(undo)
        before = _written(clock)
        clock.jumps_s[undo["jump"]] = _seconds(injection.settings["offset"])
        return Injected(notes=f"{before} → {_set(undo, clock)} s")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Jump back; other jumps stay in force."""
        with suppress(GoneError):
            clock = _read(undo)
            clock.jumps_s.pop(undo["jump"], None)
            _set(undo, clock)


@cache
def _sleeps(library: str) -> bool:
    """Whether a tool whose monotonic clock is left alone can still sleep until an instant of it.

    It cannot with libfaketime before 0.9.11, which takes that instant for one of the day and answers EINVAL; Python
    since 3.11 sleeps so.  Tried on a Python.
    """
    env = {"LD_PRELOAD": library, "FAKETIME": "+1", **_ALONE}
    argv = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(0.001)"]
    try:
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def library() -> str | None:
    """Where libfaketime is."""
    return next((path for pattern in _LIBRARIES for path in _found(pattern)), None)


def _found(pattern: str) -> Iterator[str]:
    return (path for path in sorted(glob(pattern)) if os.access(path, os.R_OK))


def _clock_of(target: Process | None, workdir: str) -> str:
    """The file that a process reads its clock from; raises UnableError."""
    try:
        with open(f"/proc/{target.pid if target else 0}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        raise UnableError("the process had already ended") from None
    prefix = os.fsencode(f"{_FILE}={workdir}/{OWN}")
    found = next((each for each in entries if each.startswith(prefix)), None)
    if found is None:
        raise UnableError("the process has no clock that could jump: hold clock.offset { offset = 0s } for it")
    return os.path.basename(os.fsdecode(found))


def _set(undo: Mapping[str, Any], clock: Clock) -> str:
    """Keep the list, then the sum; what libfaketime reads from now on."""
    write_within(undo["workdir"], f"{undo['clock']}.json", msgspec.json.encode(clock))
    shown = _written(clock)
    write_within(undo["workdir"], undo["clock"], shown.encode() + b"\n")
    return shown


def _read(undo: Mapping[str, Any]) -> Clock:
    try:
        content = read_within(undo["workdir"], f"{undo['clock']}.json", _LONGEST)
        return msgspec.json.decode(content, type=Clock)
    except msgspec.MsgspecError as error:
        raise UnableError(f"the clock cannot be read: {error}") from None


def _written(clock: Clock) -> str:
    """Seconds with a sign, as libfaketime takes them."""
    return f"{clock.held_s + sum(clock.jumps_s.values()):+.6f}"


def _seconds(offset: Value) -> float:
    return float(offset.value) if isinstance(offset, Quantity) else 0.0


# --- what killed tools leave behind -------------------------------------------------------------------------------


def _sweep(since: float) -> None:
    """Remove what was made since then, by this user, for processes that are gone, and that nobody uses."""
    with suppress(FileNotFoundError):
        stale = [name for name in os.listdir(_SHARED) if _is_stale(name, since)]
        used = _mapped() if stale else set()
        for name in stale:
            if name not in used:
                with suppress(FileNotFoundError, PermissionError):
                    os.unlink(f"{_SHARED}/{name}")


def _is_stale(name: str, since: float) -> bool:
    pid = next((name.removeprefix(prefix) for prefix in _SHARED_NAMES if name.startswith(prefix)), "")
    if not pid.isdigit() or _lives(int(pid)):
        return False
    with suppress(FileNotFoundError):
        status = os.stat(f"{_SHARED}/{name}")
        return status.st_uid == os.getuid() and status.st_mtime >= since - 1
    return False


def _lives(pid: int) -> bool:
    """Whether a process of that number runs; one that only waits to be reaped does not."""
    found = identify(pid, boot_id())
    return found is not None and running(found, found.boot_id)


def _mapped() -> set[str]:
    """The names in there that some process has mapped, of those that this user may look at."""
    found = set[str]()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{pid}/maps", "rb") as file:
            found |= {os.path.basename(os.fsdecode(line.split()[-1])) for line in file if b" /dev/shm/" in line}
    return found


@hookimpl
def campaign_faults() -> list[Fault]:
    """The holds and faults of this plugin."""
    return [Offset(), Jump()]
