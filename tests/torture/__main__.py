"""``python -m tests.torture``: every scenario at its whole size, one after the other, and a table of their figures."""

from __future__ import annotations

import argparse
import sys

from tabulate import tabulate

from . import (
    daemons,
    damage,
    failpoints,
    faults,
    holds,
    iterations,
    kills,
    limits,
    pids,
    power,
    submits,
    syscalls,
    trees,
)
from .scenario import run

_ALL = (
    ("kills", kills),
    ("holds", holds),
    ("faults", faults),
    ("syscalls", syscalls),
    ("power", power),
    ("submits", submits),
    ("trees", trees),
    ("pids", pids),
    ("daemons", daemons),
    ("damage", damage),
    ("failpoints", failpoints),
    ("limits", limits),
    ("iterations", iterations),
)


def main() -> int:
    """Run them all; 1 where any found a violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    lines, worst = [], 0
    for name, module in _ALL:
        line, status = run(name, module.torture, module.SIZE, seed)
        print(line, flush=True)
        lines.append(line.split(": ", 1))
        worst = max(worst, status)
    print(tabulate(lines, headers=("torture", "figures"), tablefmt="simple"))
    return worst


if __name__ == "__main__":
    sys.exit(main())
