"""Memory: a program of ours holds so much of it that the machine becomes tight, and never all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from campaign.plugins.api import Fault, Injected, Injection, Quantity, Schema, UnableError, Value, hookimpl
from campaign_standard._hog import available_memory
from campaign_standard._hogs import Hog
from campaign_standard._setting import bytes_of

api = 1

_MIB = 1 << 20


class Pressure(Hog):
    """``memory.pressure { share = 80% }`` of what is available, or ``{ size = 4GiB }``."""

    name = "pressure"
    about = "hold so much memory that the machine becomes tight"
    parameters: ClassVar[Schema] = {
        "size": {"type": "size", "min": "1MiB", "meta": {"help": "how much"}},
        "share": {
            "type": "ratio",
            "min": "1%",
            "max": "100%",
            "meta": {"help": "how much of what is available at that instant; instead of `size`"},
        },
        "floor": {
            "type": "size",
            "default": "512MiB",
            "min": "128MiB",
            "meta": {"help": "what stays available to all others: what would go below it is not taken, or given back"},
        },
    }

    def resources(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """The machine's memory: two that each leave the floor would not, together."""
        del settings
        return ("memory",)

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """How much is asked for, and whether the machine has that to spare."""
        if (settings.get("size") is None) == (settings.get("share") is None):
            return "memory.pressure takes a size or a share: give one of them"
        if (size := bytes_of(settings.get("size"))) and size + bytes_of(settings["floor"]) > available_memory():
            left = available_memory() // _MIB
            return f"{size // _MIB} MiB above the floor cannot be had: {left} MiB are available"
        return None

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Take it."""
        settings, before = injection.settings, available_memory()
        share, floor = settings.get("share"), bytes_of(settings["floor"])
        part = share.value if isinstance(share, Quantity) else 0
        size = min(bytes_of(settings.get("size")) or int(before * part), before - floor)
        if size <= 0:
            raise UnableError(f"{before // _MIB} MiB are available, and {floor // _MIB} MiB are to be left")
        done = self.take(undo, ("memory", f"--bytes={size}", f"--floor={floor}"), "")
        notes = f"took {size // _MIB} MiB, {available_memory() // _MIB} MiB are left"
        return Injected(hit=done.hit, notes=notes)


@hookimpl
def campaign_faults() -> list[Fault]:
    """The faults of this plugin."""
    return [Pressure()]
