"""Random ``kill -9`` of daemon, nursery, supervisors, planners and clients, while twice as many runs are carried out."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.gauntlet.processes import kill

from . import judge
from .ground import Ground
from .scenario import Figures, main

SIZE = 1000
_PARALLEL = 4
_POLICIES = ("orphans requeue", "orphans adopt", "orphans requeue", "orphans cancel", "orphans fail")


class Mix(NamedTuple):
    """How often each part is killed, in how quick a succession (at most so many seconds apart), how many clients there
    are at a time, and under which policies."""

    weights: dict[str, int]
    pause_s: float
    clients: int
    policies: tuple[str, ...]


NIGHT = Mix({"daemon": 25, "nursery": 5, "supervisor": 30, "planner": 20, "client": 20}, 0.2, 2, _POLICIES)
#: A supervisor is soon replaced; a daemon takes a second, and planners for all that is under way.
QUICK = Mix({"daemon": 4, "nursery": 1, "supervisor": 75, "planner": 6, "client": 14}, 0.1, 1, _POLICIES[:2])


class Killer:
    """Keeps a daemon and clients alive, and kills them."""

    def __init__(self, ground: Ground, choice: random.Random, mix: Mix) -> None:
        self.ground, self.choice, self._mix = ground, choice, mix
        self.killed: Counter[str] = Counter()
        self.acknowledged: dict[str, int] = {}
        self._clients: list[subprocess.Popen[str]] = []
        self._small = ground.spec("small", 1, nap="0.01")

    def submit(self, spec: str, runs: int) -> None:
        """Have a campaign acknowledged."""
        _, out, err = self.ground.call("submit", spec)
        assert out, err
        self.acknowledged[out.split()[0]] = runs

    def strike(self) -> None:
        """Kill one process, of a part that chance has chosen."""
        cast = {part: pids for part, pids in self.ground.cast().items() if pids}
        if cast:
            (part,) = self.choice.choices(list(cast), [self._mix.weights[part] for part in cast])
            kill(self.choice.choice(cast[part]))
            self.killed[part] += 1
        time.sleep(self.choice.uniform(0, self._mix.pause_s))

    def tend(self) -> None:
        """See that there is a daemon and that there are clients; what they acknowledged is kept."""
        if not self.ground.holder():
            self.ground.daemon(_PARALLEL)
        for client in [each for each in self._clients if each.poll() is not None]:
            self._clients.remove(client)
            self._heard(client)
        while len(self._clients) < self._mix.clients:
            waiting = self.choice.random() < 0.5
            self._clients.append(self.ground.start(*(["wait"] if waiting else ["submit", self._small])))

    def end(self) -> None:
        """No more kills: all clients come to their end, and all campaigns."""
        if not self.ground.holder():
            self.ground.daemon(_PARALLEL)
        for client in self._clients:
            kill(client.pid) if "wait" in client.args else None  # type: ignore[operator]
            self._heard(client)
        self.ground.finish_all(_PARALLEL, 600)
        self.ground.stop_daemon()

    def _heard(self, client: subprocess.Popen[str]) -> None:
        _, out, _ = self.ground.finish(client)
        if "submit" in client.args and out.endswith("\n"):  # type: ignore[operator]
            self.acknowledged[out.split()[0]] = 1


def torture(folder: Path, size: int, choice: random.Random, mix: Mix = NIGHT) -> Figures:
    """``size`` kills over at least twice as many runs."""
    ground = Ground(folder)
    killer = Killer(ground, choice, mix)
    share = -(-2 * size // len(mix.policies))
    ground.daemon(_PARALLEL)
    for number, clauses in enumerate(mix.policies):
        nap = f"{choice.uniform(mix.pause_s / 2, 3 * mix.pause_s):.2f}"
        killer.submit(ground.spec(f"c{number}", share, parallel=3, nap=nap, clauses=clauses), share)
    while killer.killed.total() < size:
        killer.tend()
        killer.strike()
    killer.end()
    found = judge.violations(ground, killer.acknowledged)
    kills = {part: killer.killed[part] for part in mix.weights}
    counts = {"runs": sum(killer.acknowledged.values()), **kills, **judge.verdicts(ground)}
    ground.clear()
    return Figures(dict(counts), found)


if __name__ == "__main__":
    sys.exit(main("kills", torture, SIZE))
