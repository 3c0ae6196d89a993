"""``kill -9`` of any process of campaign while it holds rails: all are put back, none to a wrong value.

Every rail stands at a value of its own, and every tool that runs under a hold looks at its rail when it starts and
when it ends.  What a hold found before it acted stands in its record: anything but the rail's own value there would
be what an earlier one had left, and what would be «restored».
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.gauntlet.processes import children, command_lines, kill
from tests.waiting import wait_for

from .ground import Ground
from .scenario import Figures, main

SIZE = 500
_PARALLEL = 3
_PATIENCE_S = 1.0
_RAILS = {"vcore": "1000", "vmem": "1350", "clock": "3200", "fan": "40"}
_HELD = ("850", "900", "950")
_WEIGHTS = {"daemon": 20, "nursery": 5, "planner": 10, "supervisor": 35, "host": 30}
#: Looks at its rail, naps, and looks again; what it saw that it should not have seen it writes down by itself.
_TOOL = """rail=$1 want=$2 nap=$3 wrong=$4
look() { read -r found < "$rail"; [ "$found" = "$want" ] || echo "$1 $rail $found $want" >> "$wrong"; }
look start; sleep "$nap"; look end
"""
_SPEC = """campaign "holds" {{ parallel {parallel}; orphans requeue; retry {{ attempts = 3; on = [setup, lost] }} }}
tool t {{
  command "/bin/sh" "{folder}/look" "{{rail}}" "{{value}}" "{{nap:s}}" "{folder}/wrong"
  param rail:  string = ""
  param value: string = ""
  param nap:   duration = {nap}
}}
group g {{
  sweep value = [{held}]
  seeds 1..{runs}
{instances}
}}
"""
_SYSFS = """  instance {name} {{
    rail = "{folder}/rails/{name}"
    hold rails.sysfs {{ path = "{folder}/rails/{name}" }}
    run t
  }}"""
_COMMAND = """  instance {name} {{
    rail = "{folder}/rails/{name}"
    hold rails.command {{
      rail = "{name}"
      set = ["/bin/sh", "-c", "sleep 0.05; echo {{value}} > {folder}/rails/{name}"]
      read = ["/bin/cat", "{folder}/rails/{name}"]
      restore = ["/bin/sh", "-c", "sleep 0.05; echo {{{{old}}}} > {folder}/rails/{name}"]
    }}
    run t
  }}"""


class Killer:
    """Keeps a daemon at its campaigns, and kills what carries them out."""

    weights = _WEIGHTS

    def __init__(self, ground: Ground, choice: random.Random, runs: int) -> None:
        """``runs`` of each rail and value in one campaign."""
        self.ground, self.choice, self._runs = ground, choice, runs
        self.killed: Counter[str] = Counter()
        self.in_force = 0

    def strike(self) -> None:
        """Kill one process, of a part that chance has chosen; count whether a rail was held at that instant."""
        cast = {part: pids for part, pids in self._cast().items() if pids}
        if not cast:
            return
        (part,) = self.choice.choices(list(cast), [self.weights[part] for part in cast])
        held = self._held()
        self._kill(part, self.choice.choice(cast[part]))
        self.killed[part] += 1
        self.in_force += held
        time.sleep(self.choice.uniform(0, 0.3))

    def _kill(self, part: str, pid: int) -> None:
        del part
        kill(pid)

    def _held(self) -> bool:
        """Whether a rail is held now, or is within a while: a kill at any other time tries nothing of this."""
        end = time.monotonic() + _PATIENCE_S
        while not off(self.ground):
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def tend(self) -> None:
        """See that there is a daemon with something to do."""
        states = {row["state"] for row in self.ground.listed()}
        if "interrupted" in states:
            self.ground.stop_daemon()  # so many planners of it were killed that it gave up; the next one tries again
        if not self.ground.holder():
            self.ground.daemon(_PARALLEL)
        if states <= {"finished"}:
            _, out, err = self.ground.call("submit", self._written())
            assert out, err

    def _written(self) -> str:
        """The path of a spec that keeps it busy."""
        return spec(self.ground, self._runs)

    def _cast(self) -> dict[str, list[int]]:
        cast = self.ground.cast()
        lines = dict(command_lines())
        below = [child for pid in cast["supervisor"] for child in children(pid)]
        cast["host"] = [pid for pid in below if "campaign.supervise.host" in lines.get(pid, "")]
        return {part: cast[part] for part in _WEIGHTS}


def spec(ground: Ground, runs: int, nap: str = "150ms") -> str:
    """Write the spec; its path."""
    rails = [
        (_COMMAND if name in {"clock", "fan"} else _SYSFS).format(folder=ground.folder, name=name) for name in _RAILS
    ]
    facts = {"parallel": _PARALLEL, "folder": ground.folder, "nap": nap, "runs": runs, "instances": "\n".join(rails)}
    path = ground.folder / "holds.camp"
    path.write_text(_SPEC.format(held=", ".join(f'"{value}"' for value in _HELD), **facts))
    return str(path)


def prepare(ground: Ground) -> None:
    """The rails, each at its own value, and the tool."""
    (ground.folder / "rails").mkdir()
    for name, value in _RAILS.items():
        (ground.folder / "rails" / name).write_text(f"{value}\n")
    (ground.folder / "look").write_text(_TOOL)


def off(ground: Ground) -> list[str]:
    """The rails that are not at their own value."""
    found = {name: (ground.folder / "rails" / name).read_text().strip() for name in _RAILS}
    return [
        f"{name} stands at {found[name] or 'nothing'}, not {value}"
        for name, value in _RAILS.items()
        if found[name] != value
    ]


def violations(ground: Ground) -> Iterator[str]:
    """Everything that must not be so once all is over."""
    yield from ground.defects
    yield from off(ground)
    yield from (f"still in force: {path}" for path in ground.workspace.glob("attempts/*/undo/*.json"))
    wrong = ground.folder / "wrong"
    yield from (f"a tool saw {line}" for line in (wrong.read_text().splitlines() if wrong.exists() else ()))
    for name, notes in notes_of(ground):
        if _RAILS[name] != notes.rpartition(": ")[2].partition(" → ")[0]:
            yield f"a hold of {name} found what another one had left: {notes}"
    for token, why in lost(ground):
        yield f"{token} holds what a person has to release: {why}"


def notes_of(ground: Ground) -> Iterator[tuple[str, str]]:
    """What each hold of each attempt says: its rail, and the value before and after."""
    for path in ground.workspace.glob("attempts/*/exit.json"):
        for hold in json.loads(path.read_bytes()).get("holds", ()):
            if "notes" in hold:
                yield os.path.basename(hold["notes"].partition(": ")[0]), hold["notes"]


def lost(ground: Ground) -> Iterator[tuple[str, str]]:
    """What stays held for a person, as the ledger says."""
    import sqlite3

    with sqlite3.connect(f"file:{ground.workspace / 'ledger.sqlite'}?mode=ro", uri=True) as db:
        yield from db.execute("SELECT token, why FROM hold")


def _finish(ground: Ground) -> Iterator[str]:
    """Let everything come to its end."""
    try:
        ground.finish_all(_PARALLEL, 900)
        ground.stop_daemon()
        wait_for(lambda: not ground.left(), 60)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        _, said, _ = ground.call("status")
        yield f"it does not come to its end: {error}\n{said}\n" + "\n".join(ground.left())


def torture(folder: Path, size: int, choice: random.Random) -> Figures:
    """``size`` kills of whatever carries out runs that hold a rail."""
    ground = Ground(folder)
    prepare(ground)
    killer = Killer(ground, choice, max(1, min(12, size // 10)))
    while killer.killed.total() < size:
        killer.tend()
        killer.strike()
    found = list(_finish(ground))
    found += violations(ground)
    kills = {part: killer.killed[part] for part in _WEIGHTS}
    holds = sum(1 for _ in notes_of(ground))
    ground.clear()
    return Figures({**kills, "while_held": killer.in_force, "holds": holds}, found)


if __name__ == "__main__":
    sys.exit(main("holds", torture, SIZE))
