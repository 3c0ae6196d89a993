"""A workspace with a daemon, the real command, and a judge outside: tools that log their start and their end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S, wait_for

from .processes import children, kill, left

SPEC = """
campaign "{name}" {{ parallel {parallel}{clauses} }}
tool t {{
  command "/bin/sh" "-c" "echo start $CAMPAIGN_RUN_ID >> {log}; sleep {sleep}; echo end $CAMPAIGN_RUN_ID >> {log}"
}}
{body}
"""


class Yard:
    """A workspace, its daemon, and the command."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.log = folder / "effects.log"
        self.environ = {**environ, "HOME": str(folder)}
        self.pids: list[int] = []
        self.wrapper: tuple[str, ...] = ()  # in front of the command

    def spec(self, name: str, body: str, *, parallel: int = 2, sleep: str = "0.1", clauses: str = "") -> str:
        path = self.folder / f"{name}.camp"
        facts = {"name": name, "parallel": parallel, "sleep": sleep, "clauses": clauses, "log": self.log}
        path.write_text(SPEC.format(body=body, **facts))
        return str(path)

    @property
    def held(self) -> str:
        """How long a tool sleeps that waits for ``release``."""
        return f"0; until test -e {self.folder}/go; do sleep 0.05; done"

    def release(self) -> None:
        """Let tools go that wait for it."""
        (self.folder / "go").touch()

    def call(self, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [*self.wrapper, sys.executable, "-m", "campaign", *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def daemon(self, parallel: int = 2) -> int:
        self.call("daemon", "--parallel", str(parallel), "--detach")
        self.pids.append(int(self.status()["holder"]["pid"]))
        return self.pids[-1]

    def submit(self, spec: str, *more: str) -> str:
        return self.call("submit", spec, *more).split()[0]

    def kill(self, pid: int, *, supervisors: bool = True) -> None:
        """``kill -9`` a daemon and, unless said, all its supervisors, at once; what they carry out is left alone."""
        nurseries = children(pid)
        kill(pid, *(() if not supervisors else [*nurseries, *(each for one in nurseries for each in children(one))]))

    def gated(self, name: str, body: str, **what: Any) -> str:
        """A spec whose tools go on until the file ``go`` is there."""
        path = Path(self.spec(name, body, sleep="GATE", **what))
        gate = f"until test -e {self.folder}/go; do sleep 0.05; done"
        path.write_text(path.read_text().replace("sleep GATE", gate))
        return str(path)

    def run_files(self, campaign: str = "*") -> dict[str, dict[str, Any]]:
        """Every ``run.json`` of a campaign by the run's key."""
        found = [
            json.loads(path.read_text()) for path in self.folder.glob(f".campaign/runs/{campaign}/*/*/seed-*/run.json")
        ]
        return {run["key"]: run for run in found}

    def run(self, campaign: str, key: str) -> dict[str, Any]:
        """What ``campaign show`` says of a run, whose own file may be gone."""
        found: dict[str, Any] = json.loads(self.call("show", campaign, key, "--format", "json"))
        return found

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.call("status", "--format", "json"))
        return found

    def verdicts(self, campaign: str) -> dict[str, int]:
        rows = json.loads(self.call("list", "--format", "json"))
        (row,) = [row for row in rows if row["campaign"] == campaign]
        counts: dict[str, int] = row["verdicts"]
        return counts

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def started(self) -> int:
        return sum(line.startswith("start") for line in self.lines())

    def most_at_once(self) -> int:
        """The most tools that ran at a time, by their own word."""
        now = most = 0
        for line in self.lines():
            now += 1 if line.startswith("start") else -1
            most = max(most, now)
        return most

    def until(self, done: Callable[[], bool]) -> None:
        wait_for(done)

    def end(self) -> None:
        for pid in self.pids:
            for number in (signal.SIGCONT, signal.SIGTERM):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    break
        self.until(lambda: not left(str(self.folder)))
