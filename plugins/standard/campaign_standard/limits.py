"""Limits: what the kernel lets the tools of a run have, see setrlimit(2)."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Mapping
from itertools import count, islice
from math import ceil
from typing import Any, ClassVar

from campaign.plugins.api import (
    Fault,
    Injected,
    Injection,
    Process,
    Quantity,
    Schema,
    UnableError,
    Value,
    hookimpl,
    process_tree,
    running,
)
from campaign_standard._memo import forget, memo_of, recall, remember

api = 1

#: By parameter: the option of prlimit(1), and the limit.
_LIMITS = {
    "files": ("nofile", resource.RLIMIT_NOFILE),
    "processes": ("nproc", resource.RLIMIT_NPROC),
    "memory": ("as", resource.RLIMIT_AS),
    "file-size": ("fsize", resource.RLIMIT_FSIZE),
    "stack": ("stack", resource.RLIMIT_STACK),
    "core": ("core", resource.RLIMIT_CORE),
    "locked": ("memlock", resource.RLIMIT_MEMLOCK),
    "cpu": ("cpu", resource.RLIMIT_CPU),
}


class Rlimit(Fault):
    """``limits.rlimit { files = 64; memory = 1GiB }``: soft and hard limit, of each tool from its first instruction."""

    name = "rlimit"
    about = "start the tools with less than they would have: open files, memory, processes …"
    holds = True
    injects = False
    parameters: ClassVar[Schema] = {
        "files": {"type": "int", "min": 0, "meta": {"help": "open files, one above the highest descriptor"}},
        "processes": {"type": "int", "min": 0, "meta": {"help": "processes of the user; root is not limited"}},
        "memory": {"type": "size", "meta": {"help": "address space of a process"}},
        "file-size": {"type": "size", "meta": {"help": "of a file that is written; beyond it comes SIGXFSZ"}},
        "stack": {"type": "size", "meta": {"help": "of the first thread"}},
        "core": {"type": "size", "meta": {"help": "of a core dump"}},
        "locked": {"type": "size", "meta": {"help": "memory that cannot be swapped out"}},
        "cpu": {"type": "duration", "meta": {"help": "of a process, in whole seconds; beyond it comes SIGXCPU"}},
    }

    def available(self) -> str | None:
        """The program that sets a limit and becomes the tool."""
        return None if shutil.which("prlimit") else "prlimit was not found: apt-get install util-linux"

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A limit at all, and one that this user may set."""
        wanted = _wanted(settings)
        if not wanted:
            return f"nothing is limited: give one of {', '.join(_LIMITS)}"
        for name, value in wanted.items():
            hard = resource.getrlimit(_LIMITS[name][1])[1]
            if hard not in {resource.RLIM_INFINITY, -1} and value > hard:
                return f"{name} is limited to {hard} here already, so that {value} cannot be had"
        return None

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - nothing to undo
        """Have the tools started by prlimit."""
        options = [f"--{_LIMITS[name][0]}={value}" for name, value in _wanted(injection.settings).items()]
        program = shutil.which("prlimit") or "prlimit"
        return Injected(wrap=(program, *options, "--"), notes=" ".join(options))


class Files(Fault):
    """``limits.files { spare = 2 }``: a running process can open so many more files, then comes EMFILE.

    The soft limit is lowered to what it has open; the hard one stays, so that it can be raised again by anybody.
    """

    name = "files"
    about = "have a running process run out of file descriptors"
    parameters: ClassVar[Schema] = {
        "spare": {"type": "int", "default": 0, "min": 0, "meta": {"help": "how many more it may open"}},
        "tree": {
            "type": "bool",
            "default": False,
            "meta": {"help": "its descendants and its session too, not only the process itself"},
        },
    }

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Where to write down whose limit was what: a server often raises its own when it starts."""
        return memo_of(injection)

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Lower the soft limits."""
        target, spare = injection.target, int(str(injection.settings["spare"]))
        if target is None or not running(target, target.boot_id):
            raise UnableError("the process had already ended")
        found = [_descriptors(each, spare) for each in (process_tree(target) if _whole(injection) else [target])]
        hit = [each for each in found if each is not None]
        if not hit:
            raise UnableError("the process had already ended")
        remember(undo, [[each.pid, each.start_time, each.boot_id, soft, low] for each, soft, low in hit])
        for each, _, low in hit:
            _limit(each, low)
        (_, soft, low), more = hit[0], f", and {len(hit) - 1} more processes" if len(hit) > 1 else ""
        return Injected(notes=f"{soft} → {low} descriptors{more}")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Raise them again, of whom has ours still."""
        for pid, start_time, boot_id, soft, low in recall(undo) or ():
            each = Process(pid, start_time, boot_id)
            if running(each, boot_id) and resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] == low:
                _limit(each, soft)
        forget(undo)


def _whole(injection: Injection) -> bool:
    return bool(injection.settings["tree"])


def _descriptors(process: Process, spare: int) -> tuple[Process, int, int] | None:
    """Its soft limit now, and the one with which it can open ``spare`` more; None where it is gone."""
    try:
        used = {int(name) for name in os.listdir(f"/proc/{process.pid}/fd")}
        soft = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0]
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError as error:
        raise UnableError(f"the limits of process {process.pid} may not be seen: {error.strerror}") from None
    free = (number for number in count() if number not in used)
    low = next(islice(free, spare, None))
    return process, soft, min(low, soft) if soft != resource.RLIM_INFINITY else low


def _limit(process: Process, soft: int) -> None:
    """Set the soft limit of exactly this process; one that is gone is passed over."""
    try:
        hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[1]
        if running(process, process.boot_id):
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    except ProcessLookupError:
        return
    except (PermissionError, ValueError) as error:
        raise UnableError(f"the limit of process {process.pid} cannot be set: {error}") from None


def _wanted(settings: Mapping[str, Value]) -> dict[str, int]:
    """The limits that are given, in the kernel's units: bytes, whole seconds, counts."""
    found: dict[str, int] = {}
    for name in _LIMITS:
        value = settings.get(name)
        if isinstance(value, Quantity):
            found[name] = ceil(value.value)
        elif isinstance(value, int):
            found[name] = value
    return found


@hookimpl
def campaign_faults() -> list[Fault]:
    """The holds and faults of this plugin."""
    return [Rlimit(), Files()]
