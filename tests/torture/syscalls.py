"""SIGKILL, EIO, ENOSPC and EMFILE at the mutating system calls of daemon, supervisor and client, one call at a time.

``strace`` injects them: at the N-th call of a kind in one process.  Whatever happens then, a new daemon takes over,
everything comes to its end, no attempt is executed twice, and no run passes that must not.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.gauntlet.processes import kill
from tests.waiting import wait_for

from . import judge
from .ground import Ground, supervisors
from .scenario import Figures, main

#: Injections, drawn from all there are; 0: every one.
SIZE = 0
_RUNS = 3
_WRITES = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "sendto", "sendmsg")
_NAMES = ("rename", "renameat", "link", "linkat", "symlink", "mkdir", "mkdirat", "unlink", "unlinkat", "utimensat")
_HANDLES = ("flock", "socket", "socketpair", "bind", "listen", "accept4", "pidfd_open", "pidfd_send_signal")
_CALLS = (*_WRITES, *_NAMES, *_HANDLES, "openat")
#: What is done to which calls; ``openat`` reads far more often than it makes something, so only its last calls count.
_DEEDS = {
    "signal=KILL": (*_WRITES, *_NAMES, *_HANDLES),
    "error=EIO": ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", *_NAMES),
    "error=ENOSPC": (
        "write",
        "pwrite64",
        "mkdir",
        "mkdirat",
        "rename",
        "renameat",
        "link",
        "linkat",
        "symlink",
        "openat",
    ),
    "error=EMFILE": ("openat", "socket", "socketpair", "accept4", "pidfd_open"),
}
_LAST_OPENS = 25
PARTS = ("daemon", "supervisor", "client")
#: Its own handler writes a byte for each signal, which cannot fail in the world without us; it says so and goes on.
_OF_THE_INTERPRETER = "trying to write to the signal wakeup fd"


class Point(NamedTuple):
    """What is done to the N-th call of a kind in one process."""

    part: str
    call: str
    number: int
    deed: str


def torture(folder: Path, size: int, choice: random.Random, parts: tuple[str, ...] = PARTS) -> Figures:
    """``size`` injections, or with 0 all that can be made."""
    if missing := _missing():
        return Figures({}, [], missing)
    points = [point for part in parts for point in _points(folder, part)]
    chosen = choice.sample(points, min(size, len(points))) if size else points
    counts: Counter[str] = Counter()
    found = []
    for number, point in enumerate(chosen):
        ground = Ground(folder / str(number))
        try:
            wrong = _inject(ground, point)
        except (AssertionError, sqlite3.Error) as error:
            wrong = [f"no clean restart: {error}"]
        finally:
            ground.clear()
        found += [f"{point.part}: {point.deed} at {point.call} {point.number}: {each}" for each in wrong]
        counts.update([point.part, point.deed.partition("=")[2]])
        shutil.rmtree(ground.folder)
    return Figures({"possible": len(points), **counts}, found)


def _points(folder: Path, part: str) -> list[Point]:
    """Everything that can be injected into a part, from what it does in a quiet run."""
    ground = Ground(folder / f"quiet-{part}")
    log = folder / f"{part}.strace"
    _play(ground, part, ("strace", "-qq", "-o", str(log), "-e", f"trace={','.join(_CALLS)}"))
    ground.clear()
    calls = Counter(re.findall(r"^(\w+)\(", log.read_text(errors="replace"), re.MULTILINE))
    return [
        Point(part, call, number, deed)
        for deed, named in _DEEDS.items()
        for call in named
        for number in range(max(1, calls[call] - _LAST_OPENS) if call == "openat" else 1, calls[call] + 1)
    ]


def _inject(ground: Ground, point: Point) -> list[str]:
    trace = ("strace", "-qq", "-o", os.devnull, "-e", f"trace={point.call}")
    inject = f"inject={point.call}:{point.deed}:when={point.number}"
    acknowledged = _play(ground, point.part, (*trace, "-e", inject))
    ground.finish_all()
    ground.stop_daemon()
    return judge.violations(ground, dict.fromkeys(acknowledged, _RUNS))


def _play(ground: Ground, part: str, strace: tuple[str, ...]) -> list[str]:
    """Have a campaign carried out with one part traced, until it is over or nobody goes on; what was acknowledged."""
    spec = ground.spec("traced", _RUNS, nap="0.02", clauses="orphans requeue", parallel=1)
    tracer = None
    if part == "daemon":
        ground.workspace.mkdir(mode=0o700)
        tracer = _traced_daemon(ground, strace)
        wait_for(lambda: _ended(tracer) or (ground.workspace / "daemon.sock").exists(), 20)
    else:
        daemon = ground.daemon(1)
        if part == "supervisor":
            tracer = _attached(supervisors(daemon)[0], strace)
    status, out, _ = ground.call("submit", spec, wrapper=strace if part == "client" else ())
    acknowledged = out.split()[:1] if out.endswith("\n") else []
    if status == 0 and (holder := ground.holder()):
        wait_for(lambda: ground.holder() != holder or _over(ground), 20)
    _end(ground, tracer)
    return acknowledged


def _over(ground: Ground) -> bool:
    time.sleep(0.1)
    return bool(list(ground.workspace.glob("runs/*/summary.json")))


def _traced_daemon(ground: Ground, strace: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = (*strace, sys.executable, "-P", "-m", "campaign.engine.resident", "1", str(ground.workspace), "-1")
    log = (ground.folder / "daemon.log").open("wb")
    return subprocess.Popen(command, env=ground.environ, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _attached(pid: int, strace: tuple[str, ...]) -> subprocess.Popen[bytes]:
    tracer = subprocess.Popen([*strace, "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text(), 20)
    return tracer


def _end(ground: Ground, tracer: subprocess.Popen[bytes] | None) -> None:
    """Leave no daemon behind, and no tracer: the next daemon is one that nobody meddles with."""
    if holder := ground.holder():
        kill(holder, number=signal.SIGTERM)
        deadline = time.monotonic() + 5
        while ground.holder() == holder and time.monotonic() < deadline:
            time.sleep(0.02)
        kill(holder)
    if tracer is not None:
        kill(tracer.pid, number=signal.SIGTERM)
        tracer.wait()
    log = ground.folder / "daemon.log"
    said = log.read_text(errors="replace") if log.exists() else ""
    if said.count("Traceback") > said.count(_OF_THE_INTERPRETER):
        ground.defects.append(f"the daemon said: {said[-600:]}")


def _ended(process: subprocess.Popen[bytes] | None) -> bool:
    return process is None or process.poll() is not None


def _missing() -> str | None:
    """What this machine lacks, None where all is there."""
    if shutil.which("strace") is None:
        return "strace not found"
    tried = subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], check=False, capture_output=True, text=True)
    return None if tried.returncode == 0 else f"nothing can be traced here: {tried.stderr.strip()[-200:]}"


if __name__ == "__main__":
    sys.exit(main("syscalls", torture, SIZE))
