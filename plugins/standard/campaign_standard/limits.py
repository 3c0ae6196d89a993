"""Limits: what the kernel lets the tools of a run have, see setrlimit(2)."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Mapping
from math import ceil
from typing import Any, ClassVar

from campaign.plugins.api import Fault, Injected, Injection, Quantity, Schema, Value, hookimpl

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
    """The holds of this plugin."""
    return [Rlimit()]
