"""What an analysis and a comparison of many runs cost: of nights on a hardware lab, and the worst that there can be."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.measure import CAMPAIGN, Result, run
from bench.reports import fill


def measure(*, short: bool) -> list[Result]:
    """Seconds and peak memory of ``campaign analyze`` and ``campaign compare``."""
    runs = 10_000 if short else 100_000
    found: list[Result] = []
    for what, apart in (("", False), (", every one a cell, a fault and a fingerprint of its own", True)):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            base = Path(folder)
            one, other = (fill(base / ".campaign", runs, seed, apart=apart).id for seed in (7, 8))
            bound = None if short else 3
            found += _measured(base, f"analyze {runs:,} runs{what}", None if apart else bound, "analyze", one)
            name = f"compare {runs:,} with {runs:,} runs{what}"
            found += _measured(base, name, bound, "compare", one, other, "--fail-on", "never")
    return found


def _measured(base: Path, name: str, bound: float | None, *words: str) -> list[Result]:
    cost = run([*CAMPAIGN, *words, "--format", "json"], base)
    if cost.status != 0:
        raise SystemExit(f"{name}: campaign {words[0]} ended with {cost.status}")
    return [
        Result(f"{name}, time", cost.wall_s, "s", bound, False, f"{cost.cpu_s:.1f} s of processor"),
        Result(f"{name}, peak memory", cost.peak_bytes / 2**20, "MiB", 300, False, ""),
    ]
