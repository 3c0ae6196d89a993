"""What can happen to the connections of a ``net.proxy``: each is put in force over its control socket.

All that they change is in the proxy: when that is gone, so is the fault.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from campaign.plugins.api import Fault, Injected, Injection, Process, Quantity, Schema, UnableError, Value, running
from campaign_standard import _proxy_control, _proxy_filter
from campaign_standard._setting import number, seconds

#: How long a proxy may take to hear that a fault is over, and how soon it is told again where it did not answer.
_WITHIN_S, _LOOK_AGAIN_S = 10.0, 0.02

_DIRECTION: Schema = {
    "direction": {
        "type": "string",
        "default": "both",
        "allowed": ["both", "up", "down"],
        "meta": {"help": "`up`: what clients send; `down`: what they are sent"},
    }
}
_SHARE: Schema = {
    "share": {
        "type": "ratio",
        "default": "100%",
        "min": "0%",
        "max": "100%",
        "meta": {"help": "of the connections, drawn from the seed"},
    }
}


class ProxyFault(Fault):
    """A rule in a ``net.proxy``, which is the fault's target."""

    aims_at = "net.proxy"
    overlaps = "adds"

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """See that the target is a proxy, and name the rule."""
        target = injection.target
        if target is None:
            raise UnableError("it hits a net.proxy, and none is there yet")
        try:
            _proxy_control.ask(injection.workdir, target.pid, {"do": "show"})
        except OSError:
            why = "serve one in front of what is to be hit, and aim at it with target"
            raise UnableError(f"process {target.pid} is no net.proxy: {why}") from None
        except _proxy_control.SilentError as error:
            raise UnableError(f"the proxy cannot be told: {error}") from None
        return {
            "pid": target.pid,
            "start_time": target.start_time,
            "boot_id": target.boot_id,
            "folder": injection.workdir,
            "rule": secrets.token_hex(8),
        }

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Put the rule in force."""
        rule = {"id": undo["rule"], "kind": self.name, "seed": injection.random, **self.rule(injection)}
        try:
            answer = _proxy_control.ask(undo["folder"], undo["pid"], {"do": "add", "rule": rule})
        except OSError as error:
            raise UnableError(f"the proxy is gone: {error.strerror}") from None
        except _proxy_control.SilentError as error:
            raise UnableError(f"the proxy cannot be told: {error}") from None
        return Injected(notes=f"hit {answer['hit']} of {answer['connections']} connections")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Put the rule out of force; a proxy that is about to end takes it along, one that stands still hears later."""
        proxy = Process(undo["pid"], undo["start_time"], undo["boot_id"])
        end = time.monotonic() + _WITHIN_S
        while running(proxy, proxy.boot_id):
            try:
                _proxy_control.ask(undo["folder"], undo["pid"], {"do": "remove", "rule": undo["rule"]})
                return
            except (OSError, _proxy_control.SilentError) as error:
                if _stopped(proxy.pid):
                    return
                if time.monotonic() > end:
                    raise UnableError(f"the proxy cannot be told: {error}") from None
            time.sleep(_LOOK_AGAIN_S)

    def rule(self, injection: Injection) -> dict[str, Any]:
        """What the rule says besides its kind."""
        settings = injection.settings
        said: dict[str, Any] = {}
        if "direction" in settings:
            said["direction"] = str(settings["direction"])
        if "share" in settings:
            said["share"] = _share(settings["share"])
        return said


class Latency(ProxyFault):
    """Bytes arrive late, in order."""

    name = "latency"
    about = "have what passes a net.proxy arrive late"
    parameters: ClassVar[Schema] = {
        "delay": {"type": "duration", "required": True, "min": "0s", "meta": {"help": "of what is sent, each way"}},
        "jitter": {
            "type": "duration",
            "default": "0s",
            "min": "0s",
            "meta": {"help": "that much more or less, evenly drawn from the seed; the order of bytes is kept"},
        },
        **_DIRECTION,
        **_SHARE,
    }

    def rule(self, injection: Injection) -> dict[str, Any]:
        """Delay and jitter."""
        delay, jitter = (seconds(injection.settings[name]) for name in ("delay", "jitter"))
        return {**super().rule(injection), "delay_s": delay, "jitter_s": jitter}


class Bandwidth(ProxyFault):
    """A narrow link, which all connections share."""

    name = "bandwidth"
    about = "let a net.proxy pass no more than so many bytes a second"
    parameters: ClassVar[Schema] = {
        "rate": {
            "type": "size",
            "required": True,
            "min": "1B",
            "meta": {"help": "bytes a second, each way, of all connections together"},
        },
        **_DIRECTION,
    }

    def rule(self, injection: Injection) -> dict[str, Any]:
        """The rate."""
        rate = injection.settings["rate"]
        return {**super().rule(injection), "rate": float(rate.value) if isinstance(rate, Quantity) else 1.0}


class Blackhole(ProxyFault):
    """Whoever answers has fallen silent: connections open and stay open, what is sent is taken, and nothing comes."""

    name = "blackhole"
    about = "have a net.proxy take everything and pass nothing on, ends and resets of connections neither"
    parameters: ClassVar[Schema] = {**_DIRECTION, **_SHARE}


class Partition(ProxyFault):
    """The network between is cut: packets are dropped, new connections are not answered."""

    name = "partition"
    about = "cut a net.proxy off: packets are dropped, connections neither open nor end"
    parameters: ClassVar[Schema] = {**_DIRECTION}

    def available(self) -> str | None:
        """Whether the kernel takes socket filters."""
        return _proxy_filter.refused()


class Reset(ProxyFault):
    """Both ends of a connection are told that it is gone (RST)."""

    name = "reset"
    about = "reset the connections of a net.proxy; with `for`, new ones too, for that long"
    parameters: ClassVar[Schema] = {**_SHARE}

    def rule(self, injection: Injection) -> dict[str, Any]:
        """Whether it lasts."""
        return {**super().rule(injection), "lasting": injection.duration_s is not None}


class HalfOpen(ProxyFault):
    """One end is gone and the other one is not told, as when a machine loses power."""

    name = "half-open"
    about = "end the connections of a net.proxy on one side, and tell the other side nothing"
    parameters: ClassVar[Schema] = {
        "keep": {
            "type": "string",
            "default": "client",
            "allowed": ["client", "upstream"],
            "meta": {"help": "the side that is not told; once the fault is over, it is reset when it says something"},
        },
        **_SHARE,
    }

    def rule(self, injection: Injection) -> dict[str, Any]:
        """Which side."""
        return {**super().rule(injection), "keep": str(injection.settings["keep"])}


FAULTS = (Bandwidth, Blackhole, HalfOpen, Latency, Partition, Reset)


def _share(value: Value) -> float:
    return float(value.value) if isinstance(value, Quantity) else float(number(value))


def _stopped(pid: int) -> bool:
    """Whether a process stands still, see proc(5)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(") ")[2][:1] in {"T", "t"}
    except OSError:
        return False
