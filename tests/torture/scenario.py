"""What every scenario has in common: its size and seed, a folder of its own, a line of figures, an exit status."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias


class Figures(NamedTuple):
    """What a scenario did and found; ``skipped`` says what this machine lacks for it."""

    counts: dict[str, int | str]
    violations: list[str]
    skipped: str | None = None


#: Given an empty folder, a size and a source of chance.
Scenario: TypeAlias = Callable[[Path, int, random.Random], Figures]


def run(name: str, scenario: Scenario, size: int, seed: int) -> tuple[str, int]:
    """Carry a scenario out in a folder that is removed after it: its line of figures, and its exit status."""
    before = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"campaign-{name}-", ignore_cleanup_errors=True) as folder:
        found = scenario(Path(folder).resolve(), size, random.Random(seed))
    if found.skipped:
        return f"{name}: SKIPPED, {found.skipped}", 0
    for each in found.violations:
        print(f"{name}: VIOLATION: {each}", file=sys.stderr)
    counts: dict[str, int | str] = {"size": size, "seed": seed, **found.counts, "violations": len(found.violations)}
    words = " ".join(f"{key}={value}" for key, value in counts.items())
    return f"{name}: {words} seconds={time.monotonic() - before:.0f}", 1 if found.violations else 0


def main(name: str, scenario: Scenario, size: int) -> int:
    """``python -m tests.torture.NAME [--size N] [--seed S]``."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.torture.{name}")
    parser.add_argument("--size", type=int, default=size, help="see docs/how-to/torture.md (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    line, status = run(name, scenario, wanted.size, wanted.seed)
    print(line, flush=True)
    return status
