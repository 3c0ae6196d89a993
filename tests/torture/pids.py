"""Recycled pids: whoever has got the pid of a dead supervisor, tool or daemon is never signalled.

In a pid namespace of its own, where ``ns_last_pid`` says which pid comes next: everything of a run under way is killed,
bystanders get exactly those pids, and a new daemon finds out what became of the run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.gauntlet.processes import children, kill
from tests.waiting import wait_for

from . import judge
from .ground import Ground, supervisors
from .scenario import Figures, main

#: Rounds.
SIZE = 20
_ROOT = Path(__file__).resolve().parents[2]
_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
_UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
_POLICIES = ("fail", "cancel", "requeue", "adopt")
_TRIES = 200


def torture(folder: Path, size: int, choice: random.Random) -> Figures:
    """``size`` rounds, each of which recycles every pid of a run."""
    if missing := _missing():
        return Figures({}, [], missing)
    command = (*_UNSHARE, sys.executable, "-m", "tests.torture.pids", "--inside", str(folder), str(size))
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=60 + 30 * size, check=False)
    if done.returncode:
        return Figures({}, [f"the rounds ended with {done.returncode}: {done.stderr[-1500:]}"])
    recycled, found = json.loads(done.stdout)
    return Figures({"recycled": recycled}, found if recycled else ["no pid could be recycled", *found])


def inside(folder: Path, size: int) -> tuple[int, list[str]]:
    """The rounds themselves, as the first process of the namespace: pids recycled, and what is wrong."""
    recycled, found = 0, list[str]()
    for number in range(size):
        ground = Ground(folder / str(number))
        policy = _POLICIES[number % len(_POLICIES)]
        bystanders = _replaced(ground, policy)
        ground.daemon(1)
        ground.call("wait")
        recycled += len(bystanders)
        found += [f"{policy}: {each}" for each in judge.violations(ground, {})]
        for part, bystander in bystanders.items():
            if bystander.poll() is not None or _state(bystander.pid) not in "SR":
                found.append(f"{policy}: the process that got the pid of the {part} was signalled")
            bystander.kill()
        ground.stop_daemon()
        ground.clear()
        _reap()
    return recycled, found


def _replaced(ground: Ground, policy: str) -> dict[str, subprocess.Popen[bytes]]:
    """Have a run begin, kill all of it, and put bystanders in the places of the dead, by the part that died."""
    daemon = ground.daemon(1)
    ground.call("submit", ground.spec("p", 1, nap="2", clauses=f"orphans {policy}"))
    wait_for(lambda: bool(ground.effects()[0]))
    (supervisor,) = supervisors(daemon)
    (tool,) = children(supervisor)
    wait_for(lambda: bool(children(tool)))
    dead = {"daemon": daemon, "supervisor": supervisor, "tool": tool, "tool's child": children(tool)[0]}
    kill(*dead.values())
    wait_for(lambda: not ground.left())
    _reap()
    found = {part: _bystander(pid) for part, pid in dead.items()}
    return {part: process for part, process in found.items() if process is not None}


def _bystander(pid: int) -> subprocess.Popen[bytes] | None:
    """A process with exactly that pid, None where it could not be had."""
    for _ in range(_TRIES):
        _LAST_PID.write_text(str(pid - 1))
        process = subprocess.Popen(["/bin/sleep", "300"], env={}, cwd="/", stdin=subprocess.DEVNULL)
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    return None


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _reap() -> None:
    """As the first process of the namespace we inherit every orphan; one that is not reaped keeps its pid."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue


def _missing() -> str | None:
    """What this machine lacks, None where all is there."""
    script = f"echo 4000 > {_LAST_PID}"
    try:
        tried = subprocess.run([*_UNSHARE, "sh", "-c", script], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unshare not found"
    return None if tried.returncode == 0 else f"pids cannot be chosen here: {tried.stderr.strip()[-200:]}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        print(json.dumps(inside(Path(sys.argv[2]), int(sys.argv[3]))))
    else:
        sys.exit(main("pids", torture, SIZE))
