"""``python -m bench``: measure everything, print it, and with ``--write`` remember it."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    analyze,
    check,
    dispatch,
    faults,
    iterate,
    limits,
    matrix,
    minimize,
    output,
    queue,
    reports,
    results,
    virtual,
)
from bench.measure import CAMPAIGN, machine, version_of

PARTS = {
    "dispatch": dispatch.measure,
    "queue": queue.measure,
    "check": check.measure,
    "matrix": matrix.measure,
    "limits": limits.measure,
    "output": output.measure,
    "reports": reports.measure,
    "analyze": analyze.measure,
    "minimize": minimize.measure,
    "faults": faults.measure,
    "iterate": iterate.measure,
    "virtual": virtual.measure,
}


def main() -> int:
    """Status 1 where a bound is broken."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure; everything unless said")
    parser.add_argument("--short", action="store_true", help="smaller sizes, about two minutes")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="keep the results there, with a page of all parts")
    chosen = parser.parse_args()
    measured: dict[str, results.Part] = {}
    for name in chosen.parts or PARTS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        load = os.getloadavg()[0]
        found = tuple(PARTS[name](short=chosen.short))
        measured[name] = results.Part(_where(load, short=chosen.short), found)
        print(results.table(found), flush=True)
    if chosen.write:
        results.remember(chosen.write, measured, list(PARTS))
    return int(not all(result.kept for part in measured.values() for result in part.results))


def _where(load: float, *, short: bool) -> str:
    """When, in which form, on what and with which versions it was measured."""
    versions = [version_of([*CAMPAIGN, "--version"]), *dispatch.versions()]
    form = "short" if short else "full"
    return f"{datetime.now(UTC):%Y-%m-%d}, {form} form, load {load:.1f}. {machine()}. {'; '.join(versions)}."


if __name__ == "__main__":
    sys.exit(main())
