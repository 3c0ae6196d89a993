"""Input and output of one process: calls that fail (libfiu), and calls that take long (strace)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
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
    boot_id,
    hookimpl,
    process_tree,
    running,
)
from campaign_standard import _fiu as fiu
from campaign_standard._beside import end_beside, ended_early, start_beside
from campaign_standard._memo import forget, memo_of, recall, remember
from campaign_standard._setting import seconds, texts

api = 1

_TREE: Schema = {
    "tree": {
        "type": "bool",
        "default": False,
        "meta": {"help": "its descendants and its session too, not only the process itself"},
    }
}


class Interposed(Fault):
    """``hold io.interposed``: nothing fails yet, and an ``io.error`` at an instant can have it fail."""

    name = "interposed"
    about = "start the tools with libfiu, so that `io.error` reaches them later (dynamically linked programs only)"
    holds = True
    injects = False
    after_tools = True

    def available(self) -> str | None:
        """The library."""
        return _library_lacks()

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Where its pipes will be."""
        return {"workdir": injection.workdir}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - armed with it
        """Have the tools started with it."""
        return Injected(env=fiu.environment(injection.workdir), notes="libfiu")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Remove the pipes of those that were killed."""
        fiu.sweep(undo["workdir"])


class Error(Fault):
    """``io.error { calls = ["fsync"]; error = "EIO" }``: as a hold from the start, as a fault at an instant.

    At an instant it needs ``hold io.interposed`` or another ``io.error`` that is held.
    """

    name = "error"
    overlaps = "counts"
    about = "have calls of a process fail: EIO from fsync, ENOSPC from write, EMFILE from open (libfiu)"
    holds = True
    after_tools = True
    parameters: ClassVar[Schema] = {
        "calls": {
            "type": "list",
            "required": True,
            "minlength": 1,
            "schema": {"type": "string", "allowed": list(fiu.POINTS)},
            "meta": {"help": f"of {', '.join(fiu.POINTS)}; of any file, standard output and sockets too"},
        },
        "error": {
            "type": "string",
            "default": "EIO",
            "allowed": list(fiu.ERRORS),
            "meta": {"help": "what they fail with"},
        },
        "probability": {
            "type": "ratio",
            "default": "100%",
            "min": "0%",
            "max": "100%",
            "meta": {"help": "of each call; libfiu draws it itself, another way each time"},
        },
        **_TREE,
    }

    def available(self) -> str | None:
        """The library."""
        return _library_lacks()

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Where its pipes are, and whom to have work again."""
        if injection.target is None:
            return {"workdir": injection.workdir}
        return {**memo_of(injection), "calls": list(texts(injection.settings["calls"]))}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Have the tools started with it, or tell the one that runs."""
        calls, error = texts(injection.settings["calls"]), str(injection.settings["error"])
        commands = fiu.enabling(calls, error, _number(injection.settings["probability"]))
        notes = f"{error} from {', '.join(calls)}"
        if injection.target is None:
            return Injected(env=fiu.environment(injection.workdir, commands), notes=notes)
        hit = [each for each in _aimed_at(injection) if fiu.obeys(injection.workdir, each)]
        if not hit:
            raise UnableError(f"process {injection.target.pid} was not started with libfiu: hold io.interposed for it")
        remember(undo, [[each.pid, each.start_time, each.boot_id] for each in hit])
        for each in hit:
            fiu.tell(injection.workdir, each, commands)
        return Injected(notes=notes + (f", {len(hit)} processes" if len(hit) > 1 else ""))

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Have those work again that still run."""
        if "memo" not in undo:
            fiu.sweep(undo["workdir"])
            return
        for each in recall(undo) or ():
            fiu.tell(undo["workdir"], Process(*each), fiu.disabling(tuple(undo["calls"])))
        forget(undo)


#: By the call as a spec names it: the kernel's; with a question mark, which strace passes over where there is none.
_CALLS = {
    "open": "?open,?openat,?openat2,?creat",
    "close": "close",
    "read": "read,?pread64,readv,preadv,?preadv2",
    "write": "write,?pwrite64,writev,pwritev,?pwritev2",
    "fsync": "fsync,fdatasync,?sync_file_range",
    "truncate": "?truncate,?ftruncate",
    "rename": "?rename,?renameat,?renameat2",
    "unlink": "?unlink,?unlinkat",
    "readdir": "?getdents,?getdents64",
}


class Slow(Fault):
    """``io.slow { calls = ["fsync"]; delay = 200ms }``: each of these calls takes that much longer."""

    name = "slow"
    overlaps = "adds"
    about = "have calls of a running process take longer (strace)"
    parameters: ClassVar[Schema] = {
        "calls": {
            "type": "list",
            "default": ["read", "write", "fsync"],
            "minlength": 1,
            "schema": {"type": "string", "allowed": list(_CALLS)},
            "meta": {"help": f"of {', '.join(_CALLS)}; of any file, standard output and sockets too"},
        },
        "delay": {
            "type": "duration",
            "required": True,
            "min": "1us",
            "max": "1m",
            "meta": {"help": "how much longer each takes; all other calls become a little slower too"},
        },
    }

    def available(self) -> str | None:
        """The program that stops a process at its calls, and the right to."""
        if shutil.which("strace") is None:
            return "strace was not found: apt-get install strace"
        if shutil.which("setpriv") is None:
            return "setpriv was not found: apt-get install util-linux"
        if os.geteuid() and _ptrace_scope() > 0:
            return "this kernel lets only root trace: run as root, or sysctl kernel.yama.ptrace_scope=0"
        return None

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Where to write down who slows it."""
        return memo_of(injection)

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Attach; with all its threads, and what it forks from now on."""
        (target,) = _aimed_at(injection)
        calls = ",".join(_CALLS[each] for each in texts(injection.settings["calls"]))
        delay_us = max(1, round(seconds(injection.settings["delay"]) * 1_000_000))
        argv = ["strace", "-qqq", "-f", "-o", os.devnull, "-p", str(target.pid)]
        argv += ["-e", f"trace={calls}", "-e", f"inject={calls}:delay_enter={delay_us}"]
        tracer = start_beside(argv, lambda pid: _traced_by(target.pid, pid))
        remember(undo, [[each.pid, each.start_time, each.boot_id] for each in (tracer, target)])
        return Injected(notes=f"{', '.join(texts(injection.settings['calls']))} {delay_us / 1e6:g} s later")

    def lapsed(self, undo: Mapping[str, Any]) -> str | None:
        """Whether strace was ended, or ended before the one that it slows."""
        known = recall(undo)
        return None if known is None else ended_early(*(Process(*each) for each in known))

    def clear(self, undo: Mapping[str, Any]) -> None:
        """End strace, which lets it go."""
        if (known := recall(undo)) is not None:
            end_beside(Process(*known[0]))
        forget(undo)


def _aimed_at(injection: Injection) -> list[Process]:
    """The target, with its tree where that is asked for; raises UnableError where it is gone."""
    target = injection.target
    if target is None or not running(target, boot_id()):
        raise UnableError("the process had already ended")
    return process_tree(target) if injection.settings.get("tree") else [target]


def _traced_by(pid: int, tracer: int) -> bool:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return any(line.split() == ["TracerPid:", str(tracer)] for line in file)
    except OSError:
        return False


def _ptrace_scope() -> int:
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
            return int(file.read())
    except OSError:
        return 0


def _library_lacks() -> str | None:
    return None if fiu.libraries() else "libfiu was not found: apt-get install fiu-utils"


def _number(value: Value) -> float:
    return float(value.value) if isinstance(value, Quantity) else 1.0


@hookimpl
def campaign_faults() -> list[Fault]:
    """The holds and faults of this plugin."""
    return [Interposed(), Error(), Slow()]
