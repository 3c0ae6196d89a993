"""Sixteen clients submit at once while the daemon is killed again and again: each acknowledged submission exactly once.

The queue is paused meanwhile, so that nothing but submissions is going on.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.gauntlet.processes import kill
from tests.waiting import wait_for

from . import judge
from .ground import Ground
from .scenario import Figures, main

#: Submissions of each client.
SIZE = 250
CLIENTS, KILLS = 16, 20
#: So many campaigns are carried out at last; more would take their time and show nothing new.
_FEW = 50
_ROOT = Path(__file__).resolve().parents[2]


def torture(folder: Path, size: int, choice: random.Random, clients: int = CLIENTS, kills: int = KILLS) -> Figures:
    """``clients`` times ``size`` submissions, the daemon killed ``kills`` times among them."""
    ground = Ground(folder)
    spec = ground.spec("one", 1, nap="0.01")
    ground.daemon()
    ground.call("pause", "--all")
    crowd = [_submitter(ground, spec, size, number) for number in range(clients)]
    for count in range(kills):
        wanted = clients * size * (count + choice.random()) / kills
        wait_for(lambda: len(_acknowledged(ground)) >= wanted, 300)  # noqa: B023 - called at once
        kill(ground.holder() or 0)
        time.sleep(choice.uniform(0, 0.3))
        ground.daemon()
    failed = [said for each in crowd if (said := _ended(each))]
    acknowledged = _acknowledged(ground)
    found = [*failed, *ground.defects, *_miscounted(ground, acknowledged, clients * size)]
    if planners := ground.cast()["planner"]:
        found.append(f"{len(planners)} planners run for a queue that is paused")
    if len(acknowledged) <= _FEW:
        ground.call("resume", "--all")
        ground.finish_all()
        found += judge.violations(ground, {campaign: 1 for _, campaign in acknowledged})
    ground.stop_daemon()
    ground.clear()
    return Figures({"clients": clients, "acknowledged": len(acknowledged), "kills": kills}, found)


def _submitter(ground: Ground, spec: str, count: int, number: int) -> subprocess.Popen[str]:
    words = [
        "-m",
        "tests.torture.submitter",
        str(ground.workspace),
        spec,
        str(count),
        str(ground.folder / f"a{number}"),
    ]
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=_ROOT,
        env=ground.environ,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def _ended(client: subprocess.Popen[str]) -> str:
    _, err = client.communicate(timeout=600)
    return f"a client ended with {client.returncode}: {err[-1500:]}" if client.returncode else ""


def _acknowledged(ground: Ground) -> list[tuple[str, str]]:
    """What was acknowledged: the submission and the campaign."""
    lines = [line.split() for path in ground.folder.glob("a*") for line in path.read_text().splitlines()]
    return [(line[0], line[1]) for line in lines if len(line) == 2]


def _miscounted(ground: Ground, acknowledged: list[tuple[str, str]], wanted: int) -> list[str]:
    db = sqlite3.connect(f"file:{ground.workspace}/ledger.sqlite?mode=ro", uri=True)
    try:
        recorded = list(db.execute("SELECT submission, id FROM campaign"))
    finally:
        db.close()
    times, names = Counter(submission for submission, _ in recorded), dict(recorded)
    said = [f"{each} is recorded {times[each]} times" for each, _ in acknowledged if times[each] != 1]
    said += [f"{each} was acknowledged as {name}" for each, name in acknowledged if names.get(each) != name]
    if len(acknowledged) != wanted or len(recorded) != wanted:
        said.append(f"{wanted} were wanted, {len(acknowledged)} acknowledged, {len(recorded)} recorded")
    return said


if __name__ == "__main__":
    sys.exit(main("submits", torture, SIZE))
