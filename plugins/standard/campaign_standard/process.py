"""Faults that a signal makes: kill a process, stop it for a while, send it any signal, or start it again.

Each aims at the leader of a step or served tool; with ``process = "name"`` at one process of that name among all that
belong to it (its descendants, and whoever is in its session), with ``tree = true`` at all of them.
"""

from __future__ import annotations

import os
import random
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
    matches,
    process_tree,
    running,
    send_signals,
)

api = 1

_SCOPE: Schema = {
    "tree": {
        "type": "bool",
        "default": False,
        "meta": {"help": "hit its descendants and its session too, not only the process itself"},
    },
    "process": {
        "type": "string",
        "default": "",
        "meta": {
            "help": "hit one process of this name among them instead; `*` stands for anything; "
            "of several one is drawn from the seed"
        },
    },
}
#: A tree that goes on forking is looked at again, at most this often.
_ROUNDS = 20


class Kill(Fault):
    """SIGKILL: what a crash looks like from the outside."""

    name = "kill"
    about = "kill a process with SIGKILL"
    parameters = _SCOPE

    def signals(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """One, where it hits but the process itself."""
        return ("KILL",) if _leader_alone(settings) else ()

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - nothing to undo
        """Kill the target; of a tree, again until nothing new turns up."""
        hit = _hit(injection, signal.SIGKILL)
        if injection.settings["tree"]:
            hit += _kill_the_rest(_target(injection), hit)
        return _injected(hit, signal.SIGKILL)


class Stop(Fault):
    """SIGSTOP, and SIGCONT when it is over: a process that hangs."""

    name = "stop"
    overlaps = "counts"
    about = "stop a process with SIGSTOP for a while, then let it go on"
    parameters = _SCOPE

    def signals(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """Stop it, and let it go on."""
        return ("STOP", "CONT") if _leader_alone(settings) else ()

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Remember whom to let go on; of a tree all of it, for which of them it will be is not known yet."""
        target = _target(injection)
        return {
            "pid": target.pid,
            "start_time": target.start_time,
            "boot_id": target.boot_id,
            "tree": not _leader_alone(injection.settings),
        }

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - armed with it
        """Stop the target."""
        return _injected(_hit(injection, signal.SIGSTOP), signal.SIGSTOP)

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Let it go on; a process that has ended meanwhile needs nothing."""
        target = Process(undo["pid"], undo["start_time"], undo["boot_id"])
        _signalled(process_tree(target) if undo["tree"] else [target], signal.SIGCONT)


class Restart(Fault):
    """A served tool dies, stays away for a while, and is started again by the supervisor, as it was at first."""

    name = "restart"
    overlaps = "adds"  # each waits until the target is there again
    about = "end a served tool and all that belongs to it, and start it again: at once, or after `for`"
    parameters: ClassVar[Schema] = {
        "signal": {
            "type": "string",
            "default": "KILL",
            "allowed": ["KILL", "TERM", "INT", "QUIT", "HUP", "ABRT"],
            "meta": {"help": "what ends it; what is left of it after `for` is killed"},
        }
    }
    restarts = True

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Remember whom to end."""
        target = _target(injection)
        return {"pid": target.pid, "start_time": target.start_time, "boot_id": target.boot_id}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - armed with it
        """End it; whatever it takes along is excused."""
        target = _target(injection)
        if not running(target, target.boot_id):
            raise UnableError(f"process {target.pid} had already ended")
        number = signal.Signals[f"SIG{injection.settings['signal']}"]
        tree = process_tree(target)
        if number is signal.SIGKILL:
            hit = _signalled(tree, number)
            return _injected(hit + _kill_the_rest(target, hit), number)
        _signalled([target], number)
        return Injected(hit=tuple(tree), notes=f"{number.name} to process")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Kill what is left of it: the next one needs its place."""
        _kill_the_rest(Process(undo["pid"], undo["start_time"], undo["boot_id"]), [])


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
        **_SCOPE,
    }

    def signals(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """The one that it sends."""
        return (str(settings["signal"]).removeprefix("SIG"),) if _leader_alone(settings) else ()

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - nothing to undo
        """Send it."""
        name = str(injection.settings["signal"])
        number = signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
        return _injected(_hit(injection, number), number)


def _target(injection: Injection) -> Process:
    if injection.target is None:
        raise UnableError("it hits a process, and none is there yet")
    return injection.target


def _leader_alone(settings: Mapping[str, Value]) -> bool:
    return not settings["tree"] and not settings["process"]


def _hit(injection: Injection, number: signal.Signals) -> list[Process]:
    """Signal whom the scope means; raises UnableError where nobody is left of it or may be signalled."""
    target = _target(injection)
    if not running(target, target.boot_id):
        raise UnableError(f"process {target.pid} had already ended")
    return _signalled(_meant(injection, target), number)


def _meant(injection: Injection, target: Process) -> list[Process]:
    """The target, one process of a name, or that one's tree or the target's."""
    name, tree = str(injection.settings["process"]), bool(injection.settings["tree"])
    if not name:
        return process_tree(target) if tree else [target]
    found = [each for each in process_tree(target) if any(matches(name, own) for own in _names(each.pid))]
    if not found:
        raise UnableError(f"no process of process {target.pid} is called {name}")
    chosen = random.Random(injection.random).choice(sorted(found, key=lambda each: (each.start_time, each.pid)))
    return process_tree(chosen) if tree else [chosen]


def _names(pid: int) -> set[str]:
    """What a process is called: as the kernel lists it (15 characters of it), and as its program's file."""
    found = set()
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            found.add(file.read().rstrip("\n"))
        found.add(os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)"))
    except OSError:
        return found  # gone, or another user's
    return found


def _kill_the_rest(target: Process, hit: list[Process]) -> list[Process]:
    """Kill of a tree who was not hit yet, again until nobody new turns up."""
    killed: list[Process] = []
    for _ in range(_ROUNDS):
        more = [each for each in process_tree(target) if each not in hit and each not in killed]
        if not more:
            break
        killed += _signalled(more, signal.SIGKILL)
    return killed


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
    return [Kill(), Stop(), Signal(), Restart()]
