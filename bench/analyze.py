"""What an analysis of many runs costs: of a night on a hardware lab, and of the worst that a campaign can come to."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.measure import CAMPAIGN, Result, run
from bench.reports import fill


def measure(*, short: bool) -> list[Result]:
    """Seconds and peak memory of ``campaign analyze``."""
    runs = 10_000 if short else 100_000
    found: list[Result] = []
    for what, apart in (("", False), (", every one a cell, a fault and a fingerprint of its own", True)):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            base = Path(folder)
            fill(base / ".campaign", runs, apart=apart)
            cost = run([*CAMPAIGN, "analyze", "--format", "json"], base)
        if cost.status != 0:
            raise SystemExit(f"analyze: campaign analyze ended with {cost.status}")
        name, detail = f"analyze {runs:,} runs{what}", f"{cost.cpu_s:.1f} s of processor"
        found.append(Result(f"{name}, time", cost.wall_s, "s", None if short or apart else 3, False, detail))
        found.append(Result(f"{name}, peak memory", cost.peak_bytes / 2**20, "MiB", 300, False, ""))
    return found
