"""Networks: an interface shaped by the kernel's own traffic control, and a proxy whose connections faults hit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from campaign.plugins.api import (
    DisagreesError,
    Fault,
    Injected,
    Injection,
    Quantity,
    Schema,
    Tool,
    UnableError,
    Value,
    hookimpl,
)
from campaign_standard._proxy_faults import FAULTS
from campaign_standard._proxy_tool import Proxy
from campaign_standard._setting import capable, number, run_command, seconds

api = 1

#: The handle that our queueing discipline bears: what bears another one is not ours to remove.
HANDLE = "ca3b:"
_WITHIN_S = 10.0
_CAP_NET_ADMIN = 12


class Shape(Fault):
    """``net.shape { interface = "eth0"; rate = 10MB; delay = 20ms }``: ``tbf`` for a rate alone, else ``netem``."""

    name = "shape"
    overlaps = "counts"
    about = "make a network interface slow (tbf), or late and lossy too (netem), with tc"
    holds = True
    parameters: ClassVar[Schema] = {
        "interface": {"type": "string", "required": True, "meta": {"help": "whose outgoing packets: `lo`, `eth0`"}},
        "rate": {"type": "size", "meta": {"help": "bytes a second"}},
        "burst": {"type": "size", "default": "32KiB", "meta": {"help": "what may pass at once, without delay or loss"}},
        "queue": {
            "type": "duration",
            "default": "50ms",
            "meta": {"help": "how long a packet may wait for the rate before it is dropped, without delay or loss"},
        },
        "delay": {"type": "duration", "default": "0s", "min": "0s", "meta": {"help": "of each packet; needs netem"}},
        "loss": {"type": "ratio", "default": "0%", "min": "0%", "max": "100%", "meta": {"help": "needs netem"}},
    }

    def available(self) -> str | None:
        """Whether tc is there and may be used."""
        if shutil.which("tc") is None:
            return "tc was not found: apt-get install iproute2"
        if not capable(_CAP_NET_ADMIN):
            return "shaping a network needs root, or the capability CAP_NET_ADMIN"
        return None

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """The interface, or what the kernel would need."""
        name = str(settings["interface"])
        if "/" in name or not os.path.exists(f"/sys/class/net/{name}"):
            there = ", ".join(sorted(os.listdir("/sys/class/net")))
            return f"there is no network interface {name}; there are {there}"
        if not _discipline(settings):
            return "nothing is shaped: give a rate, a delay or a loss"
        return _kernel_lacks(_discipline(settings)[0])

    def resources(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """The interface."""
        return (f"net:{settings['interface']}",)

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """See that nobody else shapes it: what tc shows cannot be put back from that."""
        name = str(injection.settings["interface"])
        root = _root(name)
        if root is not None and root != HANDLE:
            raise UnableError(f"{name} is shaped already ({root}); remove that first: tc qdisc del dev {name} root")
        return {"interface": name}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Shape it, and read it back."""
        name, words = undo["interface"], _discipline(injection.settings)
        run_command(["tc", "qdisc", "replace", "dev", name, "root", "handle", HANDLE, *words], _WITHIN_S)
        if _root(name) != HANDLE:
            raise DisagreesError(f"{name} was shaped, and tc does not show it")
        return Injected(notes=f"{name}: {' '.join(words)}")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Remove what is ours; an interface that is gone took it along."""
        name = undo["interface"]
        if not os.path.exists(f"/sys/class/net/{name}") or _root(name) != HANDLE:
            return
        run_command(["tc", "qdisc", "del", "dev", name, "root"], _WITHIN_S)
        if _root(name) == HANDLE:
            raise DisagreesError(f"{name} is still shaped")


def _discipline(settings: Mapping[str, Value]) -> list[str]:
    """The words that tc takes; empty where nothing is asked for."""
    rate = settings.get("rate")
    speed = ["rate", f"{int(rate.value) * 8}bit"] if isinstance(rate, Quantity) else []
    late, lossy = seconds(settings["delay"]), number_of(settings["loss"])
    if late or lossy:
        words = ["netem"]
        words += ["delay", f"{late * 1000:g}ms"] if late else []
        words += ["loss", f"{lossy * 100:g}%"] if lossy else []
        return words + speed
    if not speed:
        return []
    burst, queue = settings["burst"], seconds(settings["queue"])
    size = int(burst.value) if isinstance(burst, Quantity) else 0
    return ["tbf", *speed, "burst", f"{size}b", "latency", f"{queue * 1000:g}ms"]


def number_of(value: Value) -> float:
    """A ratio as a number."""
    return float(value.value) if isinstance(value, Quantity) else float(number(value))


def _root(interface: str) -> str | None:
    """The handle of the root discipline that somebody has set, None where it is the kernel's own."""
    text = run_command(["tc", "-json", "qdisc", "show", "dev", interface], _WITHIN_S)
    try:
        found = msgspec.json.decode(text or "[]", type=list[dict[str, Any]])
    except msgspec.MsgspecError as error:
        raise UnableError(f"tc shows {interface} in a way that cannot be read: {error}") from None
    handles = [str(each.get("handle", "")) for each in found if each.get("root")]
    return next((handle for handle in handles if handle not in {"", "0:"}), None)


@lru_cache
def _kernel_lacks(kind: str) -> str | None:
    """Whether the kernel has this discipline, tried on the loopback of a network namespace of its own."""
    try:
        trial = ["rate", "1mbit", "burst", "32kb", "latency", "50ms"] if kind == "tbf" else ["delay", "1ms"]
        run_command(["unshare", "-n", "tc", "qdisc", "add", "dev", "lo", "root", kind, *trial], _WITHIN_S)
    except UnableError as error:
        return f"this kernel does not offer {kind} ({error}): modprobe sch_{kind}, or another kernel"
    return None


@hookimpl
def campaign_tools() -> list[Tool]:
    """What stands in front of a served tool."""
    return [Proxy()]


@hookimpl
def campaign_faults() -> list[Fault]:
    """The holds of this plugin, and what happens to a proxy."""
    return [Shape(), *(each() for each in FAULTS)]
