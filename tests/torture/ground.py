"""The ground on which campaign is tortured: a workspace, its daemon and its clients, real processes all of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.gauntlet.processes import children, command_lines, kill
from tests.waiting import wait_for

TOOL = Path(__file__).with_name("tool.sh")
PATIENCE_S = 120.0
#: Nothing of whoever runs this reaches campaign.
_OURS = ("CAMPAIGN_", "CUDA_", "PYTHONDONTWRITEBYTECODE", "XDG_STATE_HOME", "NO_COLOR", "CI", "GITHUB_")
_SPEC = """campaign "{name}" {{ parallel {parallel}{clauses} }}
tool t {{ command "/bin/sh" "{tool}" "{folder}" "{nap}" "{how}" }}
instance i {{ seeds 1..{runs}; run t }}
"""


class Ground:
    """A folder with a workspace, and a log of effects that tools append to by themselves."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.workspace = folder / ".campaign"
        self.marks = folder / "marks"
        self.marks.mkdir(parents=True, exist_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self.environ = {**clean, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), **environ}
        #: What was said that must never be said: tracebacks, the status of our own defects.
        self.defects: list[str] = []

    def spec(
        self, name: str, runs: int, *, parallel: int = 2, nap: str = "0.05", clauses: str = "", how: str = "quick"
    ) -> str:
        """Write a spec of so many runs, every third of which fails; its path."""
        path = self.folder / f"{name}.camp"
        facts = {"name": name, "runs": runs, "parallel": parallel, "clauses": clauses and f"; {clauses}"}
        path.write_text(_SPEC.format(tool=TOOL, folder=self.folder, nap=nap, how=how, **facts))
        return str(path)

    # --- processes ----------------------------------------------------------------------------------------------

    def start(self, *arguments: str, wrapper: tuple[str, ...] = (), **options: Any) -> subprocess.Popen[str]:
        """``campaign ARGUMENTS``, not waited for."""
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        command = [*wrapper, sys.executable, "-m", "campaign", *arguments, "--workspace", str(self.workspace)]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL, text=True, errors="replace", **options
        )

    def call(self, *arguments: str, **options: Any) -> tuple[int, str, str]:
        """``campaign ARGUMENTS``: its status and what it said."""
        return self.finish(self.start(*arguments, **options))

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Wait for a command: its status and what it said; one that was killed is no defect."""
        out, err = process.communicate(timeout=PATIENCE_S)
        if "Traceback" in err or process.returncode == 70:
            self.defects.append(f"{' '.join(process.args)} ended with {process.returncode}: {err[-1500:]}")  # type: ignore[arg-type]
        return process.returncode, out, err

    def daemon(self, parallel: int = 2, tries: int = 20) -> int:
        """See that a daemon serves; its pid."""
        for _ in range(tries):
            status, _, err = self.call("daemon", "--parallel", str(parallel), "--detach")
            if status == 0 and (pid := self.holder()):
                return pid
            time.sleep(0.1)
        raise AssertionError(f"no daemon could be started: {err}")

    def stop_daemon(self) -> None:
        """End it in order; what runs goes on by itself."""
        if pid := self.holder():
            kill(pid, number=signal.SIGCONT)
            kill(pid, number=signal.SIGTERM)
            wait_for(lambda: self.holder() != pid, PATIENCE_S)

    def holder(self) -> int | None:
        """The daemon's pid, None where none lives."""
        try:
            pid = int((self.workspace / "daemon.lock").read_bytes().split()[0])
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            return None
        return pid if b"campaign.engine.resident" in line else None

    def cast(self) -> dict[str, list[int]]:
        """The living processes of this workspace by their parts."""
        holder, mark = self.holder(), str(self.workspace)
        found: dict[str, list[int]] = {part: [] for part in ("daemon", "nursery", "supervisor", "planner", "client")}
        for pid, line in command_lines():
            if mark not in line or pid == os.getpid():
                continue
            if "campaign.engine.resident" in line:
                part = "daemon" if pid == holder else "nursery" if holder and _parent(pid) == holder else "supervisor"
                found[part].append(pid)
            elif "campaign.engine.planning" in line:
                found["planner"].append(pid)
            elif "-m campaign" in line:
                found["client"].append(pid)
        return found

    def left(self) -> list[str]:
        """The command lines of what still runs."""
        return [line for pid, line in command_lines() if str(self.folder) in line and pid not in _ancestry()]

    def clear(self) -> None:
        """Kill whatever is left of this ground."""
        wait_for(self._strike)

    def _strike(self) -> bool:
        found = [pid for pid, line in command_lines() if str(self.folder) in line and pid not in _ancestry()]
        kill(*found)
        return not found

    # --- campaigns ----------------------------------------------------------------------------------------------

    def listed(self) -> list[dict[str, Any]]:
        """What ``campaign list`` says."""
        status, out, _ = self.call("list", "--format", "json")
        rows: list[dict[str, Any]] = json.loads(out) if status == 0 else []
        return rows

    def finish_all(self, parallel: int = 2, seconds: float = PATIENCE_S) -> None:
        """Have everything carried out to its end, whatever state it was left in."""
        end = time.monotonic() + seconds
        while left := [row["campaign"] for row in self.listed() if row["state"] != "finished"]:
            assert time.monotonic() < end, f"{len(left)} campaigns do not come to their end, {left[0]} the first"
            states = {row["campaign"]: row["state"] for row in self.listed()}
            if self.holder() and "interrupted" in states.values():
                self.stop_daemon()  # the next one tries again
            if not self.holder():
                self.daemon(parallel)
            self.call("wait", left[0])

    def effects(self) -> tuple[Counter[str], Counter[str]]:
        """How often each attempt was begun and ended, by the tools' own word."""
        try:
            text = (self.folder / "effects").read_text(errors="replace")
        except FileNotFoundError:
            text = ""
        lines = text.replace("\0", "\n").splitlines()  # a power cut may leave zeros where a line was to be
        words = [found for line in lines if len(found := line.split()) == 2]
        begun = Counter(name for word, name in words if word == "start")
        return begun, Counter(name for word, name in words if word == "end")

    def twice(self) -> list[str]:
        """Attempts whose mark was there already."""
        path = self.folder / "twice"
        return path.read_text().split() if path.exists() else []


def supervisors(daemon: int) -> list[int]:
    """The supervisors of a living daemon; its planners have the same parent."""
    lines = dict(command_lines())
    found = [pid for nursery in children(daemon) for pid in children(nursery)]
    return [pid for pid in found if "campaign.engine.resident" in lines.get(pid, "")]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _ancestry() -> set[int]:
    """This process and those that wait for it: a folder in their arguments does not make them ours."""
    pid, found = os.getpid(), set[int]()
    while pid > 1:
        found.add(pid)
        pid = _parent(pid)
    return found


def total(counts: Mapping[str, int]) -> int:
    """The sum of all counts."""
    return sum(counts.values())
