"""``kill -9`` of ``campaign iterate`` at each of its steps and by chance, with a daemon and without: the next one goes on.

What is killed is the whole process group of the command, its commands of ``before`` too; then the same command is given
again, until it comes to its end.  Its story must be the one of an iteration that nobody disturbed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from campaign.failpoints import VARIABLE
from campaign.ledger.queries import LedgerReader

from .scenario import Figures, main

#: Kills by chance, after those at every failpoint of the iteration's own.
SIZE = 40
_MOST_TIMES = 30
#: What takes longer hangs; a machine may be very busy.
_PATIENCE_S = 600
#: Two of four cells fail until they are mended; more trials are wanted before the target is shown to be reached.
_SPEC = """
tool t {{ command ["/bin/sh", "-c", "sleep 0.05; test -e {folder}/{{mode}}", "{{n}}"]; param mode: string; param n: int = 1 }}
campaign "it" {{ parallel 2; iterate {{ target = 80%; confidence = 60%; rounds = 3; before = [["sh", "mend.sh"]] }} }}
instance {{mode}} {{ sweep mode = ["a", "b"]; sweep n = 1..2; run t }}
"""
_STORY = [("full", 0), ("analyze", 1), ("before", 1), ("retry", 1), ("full", 1), ("more", 1)]
_MENDED = [("full", 0), ("more", 0)]


def torture(folder: Path, size: int, choice: random.Random) -> Figures:
    """One kill at every failpoint of an iteration, then ``size`` by chance; half of these beside a daemon."""
    names, took = _rehearsed(folder / "rehearsal")
    found: list[str] = []
    kills = [f"{name}=kill@{time_}" for name in sorted(set(names)) for time_ in range(1, names.count(name) + 1)]
    chosen = kills if size >= SIZE else choice.sample(kills, min(len(kills), size))
    for number, kill in enumerate(chosen):
        found += [f"{kill}: {each}" for each in _played(folder / f"point-{number}", kill, None, served=False)]
    for number in range(size if size >= SIZE else 0):
        after, served = choice.uniform(0.2, took), number % 2 == 1
        found += [
            f"after {after:.2f} s: {each}" for each in _played(folder / f"chance-{number}", "", after, served=served)
        ]
    return Figures({"failpoints": len(chosen), "chance": size if size >= SIZE else 0}, found)


def _rehearsed(folder: Path) -> tuple[list[str], float]:
    """The failpoints that it comes by, and how long it takes."""
    _prepare(folder)
    log, began = folder / "reached", time.monotonic()
    done = _start(folder, f"*=log:{log}")
    assert done.wait(120) == 0
    names = [name for name in log.read_text().split() if name.startswith(("iterate.", "client."))]
    return names, time.monotonic() - began


def _prepare(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "b").touch()
    (folder / "mend.sh").write_text("sleep 0.1\ntouch a\n")
    (folder / "it.camp").write_text(_SPEC.format(folder=folder))


def _environment(folder: Path, points: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGN_")}
    return {**kept, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), VARIABLE: points}


def _start(folder: Path, points: str, *words: str) -> subprocess.Popen[bytes]:
    verb = words or ("iterate", "it.camp", "--margin", "10%")
    return subprocess.Popen(
        [sys.executable, "-m", "campaign", *verb],
        cwd=folder,
        env=_environment(folder, points),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "said").open("ab"),
        start_new_session=True,
    )


def _played(folder: Path, points: str, after: float | None, *, served: bool) -> list[str]:
    """Kill it once, and have it go on; what is wrong with how it ends."""
    _prepare(folder)
    daemon = _start(folder, "", "daemon") if served else None
    try:
        first = _start(folder, points)
        try:
            first.wait(after if after is not None else _PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(first.pid, signal.SIGKILL)
            first.wait()
        status = next((status for _ in range(_MOST_TIMES) if (status := _gone_on(folder)) != 3), 3)
    finally:
        if daemon is not None:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(60)
    return _wrong(folder, status)


def _gone_on(folder: Path) -> int:
    """The status of the same command again; 124 where it does not come to an end."""
    again = _start(folder, "")
    try:
        return again.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(again.pid, signal.SIGKILL)
        again.wait()
        return 124


def _wrong(folder: Path, status: int) -> list[str]:
    with LedgerReader(str(folder / ".campaign" / "ledger.sqlite")) as ledger:
        stories = [ledger.steps(row.id) for row in reversed(ledger.iterations())]
        campaigns = {row.id: row for row in ledger.campaigns()}
    found = ["a traceback"] if "Traceback" in (folder / "said").read_text() else []
    found += [f"status {status}"] if status else []
    # Of one that was over before the kill came the same command begins another, which finds nothing to be mended.
    found += [f"{len(stories)} iterations"] if len(stories) not in (1, 2) else []
    for steps, wanted in zip(stories, (_STORY, _MENDED), strict=False):
        story = [(each.kind, each.round) for each in steps if each.state == "done"]
        found += [f"story {story}"] if story != wanted else []
    owned = [each.campaign for steps in stories for each in steps if each.campaign]
    if sorted(campaigns) != sorted(owned):
        found.append(f"campaigns {sorted(campaigns)}, of them its own {sorted(owned)}")
    return found + [f"{name} is {row.state}" for name, row in campaigns.items() if not row.finished]


if __name__ == "__main__":
    sys.exit(main("iterations", torture, SIZE))
