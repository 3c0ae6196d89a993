"""Clocks: the time of day that the tools of a run see, by libfaketime."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from glob import glob
from typing import Any, ClassVar

from campaign.plugins.api import Fault, Injected, Injection, Quantity, Schema, UnableError, Value, hookimpl

api = 1

#: Where Debian, Fedora, Arch and a build of one's own put it.
_LIBRARIES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)


class Offset(Fault):
    """``clock.offset { offset = 2h }``: the clock of the day is that much ahead, or behind where it is negative."""

    name = "offset"
    about = "have the tools see another time of day (libfaketime; dynamically linked programs only)"
    holds = True
    injects = False
    parameters: ClassVar[Schema] = {
        "offset": {"type": "duration", "required": True, "meta": {"help": "how far ahead; `0s - 2h` is behind"}}
    }

    def available(self) -> str | None:
        """The library."""
        return None if library() else "libfaketime was not found: apt-get install faketime"

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - nothing to undo
        """Have the tools started with the library; clocks that only ever count on are left alone."""
        path = library()
        if path is None:
            raise UnableError("libfaketime was not found")
        shift = _written(injection.settings["offset"])
        env = {"LD_PRELOAD": path, "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}
        return Injected(env=env, notes=f"{shift} s")


def library() -> str | None:
    """Where libfaketime is."""
    return next((path for pattern in _LIBRARIES for path in _found(pattern)), None)


def _found(pattern: str) -> Iterator[str]:
    return (path for path in sorted(glob(pattern)) if os.access(path, os.R_OK))


def _written(offset: Value) -> str:
    """Seconds with a sign, as libfaketime takes them."""
    return f"{float(offset.value) if isinstance(offset, Quantity) else 0.0:+.6f}"


@hookimpl
def campaign_faults() -> list[Fault]:
    """The holds of this plugin."""
    return [Offset()]
