"""How often kill -9 loses what, by settings, and whether a database that nobody damaged is ever called damaged.

    python bench/kill_rates.py [KILLS]

Starts a real writer for each kill, waits until it has acknowledged something, kills it at a random instant, and asks
the oracle twice: for what the settings promise, and for everything that was acknowledged.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from campaign_rocksdb.consistency import Finding, inspect
from campaign_rocksdb.history import history_file
from campaign_rocksdb.signature import signature
from campaign_rocksdb.toolchain import PROGRAMS, Toolchain, locate

_STARTED_S = 30.0
_SETTINGS = {
    "log": (),
    "log, large values": ("--value-bytes=100000", "--memtable-bytes=1048576", "--keys=200"),
    "log, tiny memtable": ("--memtable-bytes=65536", "--flush-every-s=0.02"),
    "log, reopened": ("--reopens=200", "--duration-s=20"),
    "log, sync": ("--sync=true",),
    "no log": ("--wal=false",),
    "no log, flushed": ("--wal=false", "--flush-every-s=0.05"),
    "no log, tiny memtable": ("--wal=false", "--memtable-bytes=65536", "--compression=zstd"),
}


def kill_writer(database: Path, delay_s: float, *flags: str) -> None:
    """Kill one writer ``delay_s`` after its first acknowledgement."""
    argv = [sys.executable, "-P", "-m", "campaign_rocksdb.stress", f"--database={database}", "--duration-s=60"]
    with subprocess.Popen([*argv, *flags], stdout=subprocess.DEVNULL) as writer:
        deadline_s = time.monotonic() + _STARTED_S
        history = history_file(database)
        while not (history.exists() and b"\nack " in history.read_bytes()):
            if writer.poll() is not None or time.monotonic() > deadline_s:
                writer.kill()
                raise RuntimeError(f"the writer acknowledged nothing with {flags}")
            time.sleep(0.01)
        time.sleep(delay_s)
        writer.send_signal(signal.SIGKILL)


def main() -> None:
    """Print one line for each of the settings."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    tools = Toolchain({program: locate(program, None, os.environ) or program for program in PROGRAMS}, dict(os.environ))
    draw = random.Random(0)
    for name, flags in _SETTINGS.items():
        findings = [_one(tools, draw.uniform(0.0, 0.6), flags) for _ in range(kills)]
        broken = Counter(str(signature(promised.wrong) or promised.wrong) for promised, _ in findings if promised.wrong)
        lost = sum(everything.wrong is not None for _, everything in findings)
        noted = sum(bool(promised.notes) for promised, _ in findings)
        print(
            f"{name:24}{sum(broken.values())} of {kills} break a promise, {lost} lose something acknowledged,"
            f" {noted} leave something unfinished   {dict(broken) or ''}",
            flush=True,
        )


def _one(tools: Toolchain, delay_s: float, flags: tuple[str, ...]) -> tuple[Finding, Finding]:
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "db"
        kill_writer(database, delay_s, *flags)
        return inspect(database, tools), inspect(database, tools, everything=True)


if __name__ == "__main__":
    main()
