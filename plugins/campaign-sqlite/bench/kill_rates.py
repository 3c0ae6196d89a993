"""How often kill -9 in the middle of a transaction breaks a database, by journal mode and synchronous.

    python bench/kill_rates.py [KILLS]

Starts a real writer for each kill, waits until it has committed, kills it at a random instant, and asks the oracle.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from campaign_sqlite.integrity import Finding, inspect
from campaign_sqlite.ledger import acknowledgements

_STARTED_S = 20.0


def kill_writer(directory: Path, journal: str, sync: str, delay_s: float, *flags: str) -> Finding:
    """Kill one writer ``delay_s`` after its first acknowledged commit and judge what is left."""
    database = directory / "ledger.db"
    argv = [sys.executable, "-P", "-m", "campaign_sqlite.writer", f"--database={database}", "--duration-s=60"]
    with subprocess.Popen(
        [*argv, f"--journal={journal}", f"--sync={sync}", *flags], stdout=subprocess.DEVNULL
    ) as writer:
        deadline_s = time.monotonic() + _STARTED_S
        acks = acknowledgements(database)
        while not (acks.exists() and acks.stat().st_size):
            if writer.poll() is not None or time.monotonic() > deadline_s:
                writer.kill()
                raise RuntimeError(f"the writer committed nothing in mode {journal}, {sync}")
            time.sleep(0.01)
        time.sleep(delay_s)
        writer.send_signal(signal.SIGKILL)
    return inspect(database)


def main() -> None:
    """Print one line for each pair of settings."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    draw = random.Random(0)
    for journal in ("off", "memory", "delete", "truncate", "persist", "wal"):
        for sync in ("off", "normal", "full"):
            findings = [_one(journal, sync, draw.uniform(0.05, 0.4)) for _ in range(kills)]
            broken = [each.wrong for each in findings if each.wrong]
            print(f"{journal:9}{sync:8}{len(broken)} of {kills} broken   {broken[0] if broken else ''}", flush=True)


def _one(journal: str, sync: str, delay_s: float) -> Finding:
    with tempfile.TemporaryDirectory() as directory:
        return kill_writer(Path(directory), journal, sync, delay_s)


if __name__ == "__main__":
    main()
