"""``kill -9`` at every failpoint that a queue comes by, one after the other, each in a workspace of its own.

A rehearsal, in which every failpoint is only written down, says which ones a daemon, its supervisors, planners and
clients come by and how often; then each is played again with a process that dies there.
"""

from __future__ import annotations

import ast
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from campaign.engine.states import TRANSITIONS
from campaign.failpoints import VARIABLE

from . import judge
from .ground import TOOL, Ground
from .scenario import Figures, main

#: More than there are: all of them.
SIZE = 1000
CORE = Path(__file__).resolve().parents[2] / "core" / "campaign"
_RUNS = 4
#: Every third run fails and is retried once, two have a fault that leaves something to be taken back.
_SPEC = """campaign "{name}" {{ parallel 2; orphans {policy} }}
tool t {{ command "/bin/sh" "{tool}" "{folder}" "{nap}" "quick" }}
instance i {{ seeds 1..2; run t; fault process.stop {{ at = 20ms; for = 20ms }} }}
instance j {{ seeds 3..{runs}; retry {{ attempts = 2 }}; run t; oracle file.exists {{ path = ".no"; advisory = true }} }}
report junit {{ file = "j.xml" }}
"""


def names() -> list[str]:
    """Every failpoint, from the source and from the table of states."""
    literal = [
        str(node.args[0].value)
        for file in CORE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "reach" and isinstance(node.args[0], ast.Constant)
    ]
    changes = [f"{when}.{source}.{target}" for source, target in TRANSITIONS for when in ("decided", "recorded")]
    return sorted({*literal, *changes})


class Play:
    """A queue from its first submission to its last verdict, with something armed for a while."""

    def __init__(self, folder: Path, policy: str) -> None:
        self.ground = Ground(folder)
        self.log = folder / "reached"
        self.acknowledged: dict[str, int] = {}
        self._policy = policy

    def arm(self, text: str) -> None:
        more = f",{text}" if text else ""
        self.ground.environ[VARIABLE] = f"*=log:{self.log}{more}"

    def disarm(self) -> None:
        self.ground.environ.pop(VARIABLE, None)

    @property
    def reached(self) -> Counter[str]:
        return Counter(self.log.read_text().split()) if self.log.exists() else Counter()

    def run(self, text: str) -> list[str]:
        """Play it; what must not be."""
        self.arm(text)
        self._submit("alone")  # nobody serves: the client writes
        self.ground.call("daemon", "--parallel", "2", "--detach")
        self._submit("served")
        for verb in ("pause", "resume"):
            self.ground.call(verb, "--all")
        self._drop()
        self.ground.call("wait", next(iter(self.acknowledged)))
        self.ground.stop_daemon()
        self.disarm()
        self.ground.finish_all(2, 120)
        self.ground.stop_daemon()
        found = judge.violations(self.ground, self.acknowledged)
        self.ground.clear()
        return found

    def _drop(self) -> None:
        """One that is canceled while it runs: nobody counts on its runs."""
        _, out, _ = self.ground.call("submit", self._spec("dropped", nap="5"))
        if out.endswith("\n"):
            self.ground.call("cancel", out.split()[0])

    def _spec(self, name: str, nap: str = "0.15") -> str:
        path = self.ground.folder / f"{name}.camp"
        facts = {"tool": TOOL, "folder": self.ground.folder, "runs": _RUNS, "policy": self._policy, "nap": nap}
        path.write_text(_SPEC.format(name=name, **facts))
        return str(path)

    def _submit(self, name: str) -> None:
        """Until it is acknowledged; who was killed asks again, and is not killed again."""
        path = self._spec(name)
        armed = dict(self.ground.environ)
        for _ in range(5):
            _, out, err = self.ground.call("submit", path)
            if out.endswith("\n"):
                self.acknowledged[out.split()[0]] = _RUNS
                break
            self.disarm()
        else:
            raise AssertionError(f"it was never acknowledged: {err}")
        self.ground.environ.update(armed)


def torture(folder: Path, size: int, choice: random.Random) -> Figures:
    """At most ``size`` failpoints of those that are reached, spread over their names."""
    rehearsal = Play(folder / "rehearsal", "requeue")
    found = rehearsal.run("")
    reached = rehearsal.reached
    known = names()
    killed = 0
    for number, name in enumerate(chosen(sorted(reached), size)):
        policy = ("requeue", "adopt", "cancel", "fail")[number % 4]
        time = choice.randint(1, min(reached[name], 6))
        play = Play(folder / name, policy)
        found += [f"{name}=kill@{time} under {policy}: {each}" for each in play.run(f"{name}=kill@{time}")]
        killed += play.reached[name] >= 1
    counts = {"failpoints": len(known), "reached": len(reached), "killed": killed, **judge.verdicts(rehearsal.ground)}
    return Figures({str(key): value for key, value in counts.items()}, found)


def chosen(reached: Sequence[str], size: int) -> list[str]:
    """``size`` of them, evenly spread."""
    step = max(1.0, len(reached) / size)
    return [reached[int(number * step)] for number in range(min(size, len(reached)))]


if __name__ == "__main__":
    sys.exit(main("failpoints", torture, SIZE))
