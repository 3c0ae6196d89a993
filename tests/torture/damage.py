"""Damage: the ledger, its WAL and exit records cut short or with bits flipped, by chance.

A damaged workspace is either refused (exit 3 and a diagnostic), or the run is named, or the damage was harmless; what
a run came to never changes, nothing ends in a traceback, and nothing is taken for empty and written over.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.gauntlet.processes import kill, until

from . import judge
from .ground import Ground
from .scenario import Figures, main

#: Damages.
SIZE = 500
_RUNS = 9
_SITES = ("ledger.sqlite", "ledger.sqlite-wal", "exit.json")


def torture(folder: Path, size: int, choice: random.Random) -> Figures:
    """``size`` damages to copies of one workspace that was left in the middle of a campaign."""
    ground = Ground(folder / "ground")
    truth = _interrupted(ground)
    shutil.copytree(ground.folder, folder / "pristine", ignore=shutil.ignore_patterns("*.sock"))
    counts: Counter[str] = Counter()
    found = []
    for number in range(size):
        site = _SITES[number % len(_SITES)]
        shutil.rmtree(ground.folder)
        shutil.copytree(folder / "pristine", ground.folder)
        path, what = _damage(ground, site, choice)
        original = folder / "pristine" / path.relative_to(ground.folder)
        outcome, wrong = _try(ground, truth, partial(shutil.copy, original, path))
        counts[outcome] += 1
        found += [f"{what}: {each}" for each in wrong]
        ground.defects.clear()
    return Figures(dict(counts), found)


def _interrupted(ground: Ground) -> dict[int, str]:
    """Leave a workspace with runs that are done, runs whose exit record is to be judged, and runs to come.

    Returns what each run that is done came to.
    """
    ground.call("submit", ground.spec("d", _RUNS, nap="0.2"))
    daemon = ground.daemon()
    until(lambda: sum(ground.effects()[1].values()) >= 4)
    kill(daemon)
    until(lambda: not ground.left())
    return {row.seed: row.verdict or "" for row in judge.attempts(ground) if row.state == "done"}


def _damage(ground: Ground, site: str, choice: random.Random) -> tuple[Path, str]:
    """Cut a file short, flip some of its bits, or write over a stretch of it; what was done."""
    paths = sorted(ground.workspace.rglob(site))
    path = choice.choice(paths)
    data = bytearray(path.read_bytes())
    kind = choice.choice(("cut", "flip", "flip", "zeros"))
    where = choice.randrange(len(data))
    if kind == "cut":
        del data[where:]
    elif kind == "flip":
        for _ in range(choice.choice((1, 1, 8))):
            data[choice.randrange(len(data))] ^= 1 << choice.randrange(8)
    else:
        data[where : where + 512] = bytes(len(data[where : where + 512]))
    path.write_bytes(data)
    return path, f"{path.relative_to(ground.workspace)}: {kind} at {where} of {len(data)}"


def _try(ground: Ground, truth: dict[int, str], restore: Callable[[], object]) -> tuple[str, list[str]]:
    """Go on with a damaged workspace: what became of it, and what is wrong with that."""
    spec = str(ground.folder / "d.camp")
    listed, _, _ = ground.call("list")
    status, _, err = ground.call("exec", spec, "--resume", "--no-progress")
    if status == 3:
        wrong = [] if "error[CAMP" in err else [f"refused without a diagnostic: {err[-300:]}"]
        restore()
        again, _, err = ground.call("exec", spec, "--resume", "--no-progress")
        if again not in {0, 1}:
            wrong.append(f"with the damage undone it does not go on: {again} {err[-300:]}")
        return "refused", [*wrong, *_verdicts(ground, truth)]
    if status not in {0, 1}:
        return "wrong", [f"list ended with {listed}, exec --resume with {status}: {err[-300:]}", *ground.defects]
    named = judge.verdicts(ground)["error"]
    return "named" if named else "harmless", [*ground.defects, *_verdicts(ground, truth)]


def _verdicts(ground: Ground, truth: dict[int, str]) -> list[str]:
    """What came out otherwise than it must; an error names its run, and was not known to be anything else."""
    try:
        rows = {seed: row for (_, seed), row in judge.deciding(judge.attempts(ground)).items()}
    except sqlite3.Error as error:
        return [f"the ledger was taken, and cannot be read: {error}"]
    said = [f"{name} was executed twice" for name in ground.twice()]
    for seed in range(1, _RUNS + 1):
        expected = "pass" if seed % 3 else "fail"
        verdict = rows[seed].verdict if seed in rows else "nothing"
        if verdict != expected and (seed in truth or verdict != "error"):
            said.append(f"run {seed} is {verdict}, not {expected}")
    return said


if __name__ == "__main__":
    sys.exit(main("damage", torture, SIZE))
