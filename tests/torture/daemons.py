"""Two daemons: one is stopped and another started, plainly, by ``--takeover``, and after its lock was taken away.

Only one ever writes.  Who was stopped and goes on finds itself fenced by the epoch, writes nothing more, and does no
harm to its successor.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import sys
from pathlib import Path

from tests.gauntlet.processes import kill
from tests.waiting import wait_for

from . import judge
from .ground import Ground
from .scenario import Figures, main

#: Rounds.
SIZE = 10
_RUNS = 12


def torture(folder: Path, size: int, choice: random.Random) -> Figures:
    """``size`` times each way."""
    found: list[str] = []
    for number in range(size):
        ground = Ground(folder / str(number))
        found += [f"round {number}: {each}" for each in _round(ground, choice)]
        ground.clear()
    return Figures({"daemons": 3 * size}, found)


def _round(ground: Ground, choice: random.Random) -> list[str]:
    first = ground.daemon()
    _, out, _ = ground.call("submit", ground.spec("two", _RUNS, nap="0.1"))
    stop_after = choice.randrange(1, 6)
    wait_for(lambda: sum(ground.effects()[0].values()) >= stop_after)
    kill(first, number=signal.SIGSTOP)
    found = [] if ground.call("daemon", "--detach")[0] == 3 else ["a second daemon was let in"]
    (ground.workspace / "daemon.lock").rename(ground.workspace / "daemon.lock.old")  # what nobody should ever do
    status, _, err = ground.call("daemon", "--detach")
    kill(first, number=signal.SIGCONT)
    if status == 3 and "database is locked" in err:
        return found  # it was stopped in the middle of a transaction: nobody else can write, as it should be
    second = ground.holder() or 0
    status, _, err = ground.call("wait", out.split()[0])
    if status != 1:  # every third run fails
        found.append(f"the second daemon cannot be reached: wait ended with {status}: {err[-300:]}")
    kill(first, number=signal.SIGTERM)  # in case it had nothing to write, and so did not find out
    wait_for(lambda: _gone(first))
    if ground.call("status")[0] or not (ground.workspace / "daemon.sock").exists():
        found.append("the first daemon took its successor's socket with it")
    found += _order(ground)
    kill(second, number=signal.SIGTERM)
    wait_for(lambda: _gone(second))
    return found + judge.violations(ground, {out.split()[0]: _RUNS})


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b""  # a zombie has none
    except OSError:
        return True


def _order(ground: Ground) -> list[str]:
    """Where an epoch wrote after its successor had begun."""
    db = sqlite3.connect(f"file:{ground.workspace}/ledger.sqlite?mode=ro", uri=True)
    try:
        epochs = [epoch for (epoch,) in db.execute("SELECT epoch FROM event ORDER BY seq")]
    finally:
        db.close()
    return [] if epochs == sorted(epochs) else ["an epoch that was over has written"]


if __name__ == "__main__":
    sys.exit(main("daemons", torture, SIZE))
