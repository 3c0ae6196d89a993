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

from msgspec import structs
from tests.gauntlet.processes import kill
from tests.waiting import wait_for

from campaign.analysis.recorded import summary_of
from campaign.cli.recorded import choose_campaign
from campaign.engine.findings import Exited
from campaign.engine.recover import read_exit
from campaign.ledger.opening import LedgerError
from campaign.ledger.queries import LedgerReader
from campaign.ledger.store import Ledger

from . import judge
from .ground import Ground
from .scenario import Figures, main

#: Damages.
SIZE = 500
#: So many more of a campaign that is over, for each of one that is gone on with: it is only read.
_READINGS = 4
_RUNS = 9
_SITES = ("ledger.sqlite", "ledger.sqlite-wal", "exit.json")


def torture(folder: Path, size: int, choice: random.Random) -> Figures:
    """``size`` damages to copies of a workspace that was left in the middle of a campaign, then more to one at rest."""
    ground = Ground(folder / "ground")
    truth = _interrupted(ground)
    shutil.copytree(ground.folder, folder / "pristine", ignore=shutil.ignore_patterns("*.sock"))
    counts: Counter[str] = Counter()
    found = []
    for number in range(size):
        site = _SITES[number % len(_SITES)]
        shutil.rmtree(ground.folder)
        shutil.copytree(folder / "pristine", ground.folder)
        path, what = _damage(ground.workspace, site, choice)
        original = folder / "pristine" / path.relative_to(ground.folder)
        outcome, wrong = _try(ground, truth, partial(shutil.copy, original, path))
        counts[outcome] += 1
        found += [f"{what}: {each}" for each in wrong]
        ground.defects.clear()
    rest = at_rest(folder / "rest", _READINGS * size, choice)
    return Figures(
        {**counts, **{f"read_{name}": count for name, count in rest.counts.items()}}, found + rest.violations
    )


def at_rest(folder: Path, size: int, choice: random.Random) -> Figures:
    """``size`` damages to copies of a campaign that is over, its daemon killed or gone in order: read, not gone on with."""
    counts: Counter[str] = Counter()
    found = list[str]()
    pristine = _finished(Ground(folder / "ground"), folder)
    for number in range(size):
        original = choice.choice(pristine)
        copy = folder / f"copy-{number}"
        shutil.copytree(original, copy)
        path, what = _damage(copy, choice.choice([site for site in _SITES if any(copy.rglob(site))]), choice)
        outcome, wrong = _read(copy, path)
        counts[outcome] += 1
        found += [f"{what}: {each}" for each in wrong]
        shutil.rmtree(copy)
    return Figures(dict(counts), found)


def _finished(ground: Ground, folder: Path) -> tuple[Path, Path]:
    """A workspace whose campaign is over, as it is left by a daemon that is killed, and by one that goes in order."""
    ground.call("submit", ground.spec("d", _RUNS, nap="0.01"))
    daemon = ground.daemon(4)
    ground.call("wait")
    kill(daemon)
    wait_for(lambda: not ground.left())
    _keep(ground, folder / "killed")
    ground.daemon()
    ground.stop_daemon()
    _keep(ground, folder / "gone")
    return folder / "killed", folder / "gone"


def _keep(ground: Ground, target: Path) -> None:
    shutil.copytree(ground.workspace, target, ignore=shutil.ignore_patterns("*.sock", "runs"))


def _read(workspace: Path, damaged: Path) -> tuple[str, list[str]]:
    """What a damaged workspace is taken for by whoever reads it, and what is wrong with that."""
    path = str(workspace / "ledger.sqlite")
    told = {seed: "pass" if seed % 3 else "fail" for seed in range(1, _RUNS + 1)}
    try:
        with LedgerReader(path) as ledger:
            campaign = next(ledger.campaigns()).id
            rows = {row.seed: row for row in ledger.deciding_attempts(campaign)}
            counted = {verdict: count for (_, verdict), count in ledger.counts(campaign).items()}
            records = list(ledger.records(campaign))
            wrong = [] if {seed: row.verdict for seed, row in rows.items()} == told else [f"verdicts are {rows}"]
            summary_of(ledger, choose_campaign(ledger, campaign))
            list(ledger.events(campaign)), list(ledger.glances(campaign))
        if counted != Counter(told.values()):
            wrong.append(f"it counts {counted}")
        Ledger(path).close()
    except LedgerError:
        return "refused", []
    except StopIteration:
        return "wrong", ["there is no campaign any more"]
    record = next((each for each in records if each.row.token == damaged.parent.name), None)
    if record is None:
        return "harmless", wrong
    # Its folder is not where the order says, which is the original's.
    folders = structs.replace(record.order.directories, private=str(damaged.parent))
    match read_exit(structs.replace(record.order, directories=folders)):
        case Exited() as found if found.exit != record.exit:
            return "wrong", [*wrong, "another exit record is taken for its own"]
        case Exited():
            return "harmless", wrong
    return "named", wrong


def _interrupted(ground: Ground) -> dict[int, str]:
    """Leave a workspace with runs that are done, runs whose exit record is to be judged, and runs to come.

    Returns what each run that is done came to.
    """
    ground.call("submit", ground.spec("d", _RUNS, nap="0.2"))
    daemon = ground.daemon()
    wait_for(lambda: sum(ground.effects()[1].values()) >= 4)
    kill(daemon)
    wait_for(lambda: not ground.left())
    return {row.seed: row.verdict or "" for row in judge.attempts(ground) if row.state == "done"}


def _damage(workspace: Path, site: str, choice: random.Random) -> tuple[Path, str]:
    """Cut a file short, flip some of its bits, or write over a stretch of it; what was done."""
    paths = sorted(workspace.rglob(site))
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
    return path, f"{path.relative_to(workspace)}: {kind} at {where} of {len(data)}"


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
