"""Faults that a signal makes: kill a process, stop it for a while, or send it any signal.

Each aims at the leader of a step or served tool, with ``tree = true`` at everything that belongs to it: its
descendants, and whoever is in its session.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any, ClassVar

from campaign.plugins.api import (
    Fault,
    Injected,
    Injection,
    Process,
    Schema,
    UnableError,
    Value,
    hookimpl,
    process_tree,
    running,
    send_signals,
)

api = 1

_TREE: Schema = {
    "tree": {
        "type": "bool",
        "default": False,
        "meta": {"help": "hit its descendants and its session too, not only the process itself"},
    }
}
#: A tree that goes on forking is looked at again, at most this often.
_ROUNDS = 20


class Kill(Fault):
    """SIGKILL: what a crash looks like from the outside."""

    name = "kill"
    about = "kill a process with SIGKILL"
    parameters = _TREE
    ends_target = True

    def signals(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """One, where it hits but the process itself."""
        return () if settings["tree"] else ("KILL",)

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - nothing to undo
        """Kill the target; of a tree, again until nothing new turns up."""
        hit = _hit(injection, signal.SIGKILL)
        for _ in range(_ROUNDS if injection.settings["tree"] else 0):
            more = [each for each in process_tree(_target(injection)) if each not in hit]
            if not more:
                break
            hit += _signalled(more, signal.SIGKILL)
        return _injected(hit, signal.SIGKILL)


class Stop(Fault):
    """SIGSTOP, and SIGCONT when it is over: a process that hangs."""

    name = "stop"
    about = "stop a process with SIGSTOP for a while, then let it go on"
    parameters = _TREE

    def signals(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """Stop it, and let it go on."""
        return () if settings["tree"] else ("STOP", "CONT")

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Remember whom to let go on."""
        target = _target(injection)
        return {
            "pid": target.pid,
            "start_time": target.start_time,
            "boot_id": target.boot_id,
            "tree": bool(injection.settings["tree"]),
        }

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - armed with it
        """Stop the target."""
        return _injected(_hit(injection, signal.SIGSTOP), signal.SIGSTOP)

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Let it go on; a process that has ended meanwhile needs nothing."""
        target = Process(undo["pid"], undo["start_time"], undo["boot_id"])
        _signalled(process_tree(target) if undo["tree"] else [target], signal.SIGCONT)


_SIGNALS = sorted(each.name for each in signal.Signals) + sorted(each.name[3:] for each in signal.Signals)


class Signal(Fault):
    """Any signal: ``process.signal { signal = "SIGHUP" }``."""

    name = "signal"
    about = "send a process a signal"
    parameters: ClassVar[Schema] = {
        "signal": {
            "type": "string",
            "required": True,
            "allowed": _SIGNALS,
            "meta": {"help": "its name, with or without SIG"},
        },
        **_TREE,
    }
    ends_target = True

    def signals(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """The one that it sends."""
        return () if settings["tree"] else (str(settings["signal"]).removeprefix("SIG"),)

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - nothing to undo
        """Send it."""
        name = str(injection.settings["signal"])
        number = signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
        return _injected(_hit(injection, number), number)


def _target(injection: Injection) -> Process:
    if injection.target is None:
        raise UnableError("it hits a process, and none is there yet")
    return injection.target


def _hit(injection: Injection, number: signal.Signals) -> list[Process]:
    """Signal the target, or all that belongs to it; raises UnableError where it is gone or may not be signalled."""
    target = _target(injection)
    if not running(target, target.boot_id):
        raise UnableError(f"process {target.pid} had already ended")
    return _signalled(process_tree(target) if injection.settings["tree"] else [target], number)


def _signalled(processes: list[Process], number: signal.Signals) -> list[Process]:
    """Those that were there to be signalled."""
    try:
        return [each for each in processes if send_signals(each, number)]
    except PermissionError as error:
        raise UnableError(f"{number.name} may not be sent: {error.strerror}") from None


def _injected(hit: list[Process], number: signal.Signals) -> Injected:
    if not hit:
        raise UnableError("the process had already ended")
    processes = "process" if len(hit) == 1 else f"{len(hit)} processes"
    return Injected(hit=tuple(hit), notes=f"{number.name} to {processes}")


@hookimpl
def campaign_faults() -> list[Fault]:
    """The faults of this plugin."""
    return [Kill(), Stop(), Signal()]
