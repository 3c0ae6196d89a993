"""A tool that floods: the peak memory of every process of ours, and whether anything was lost without being said."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import CAMPAIGN, MARK, Result, environ, marked_peaks

SPEC = """
campaign "flood" {{ }}
tool flood {{ command "{python}" "{script}" "{size}"; metric last = /line (\\d+)/ }}
instance flood {{
  timeout 1h
  run flood
  expect exit.ok and output contains "the end" and metrics.last > 0
}}
"""
FLOOD = """
import os, sys
left, number = int(sys.argv[1]), 0
block = b"".join(b"line %d of a very long log, as tools write them when nobody asked\\n" % n for n in range(1000))
while left > 0:
    left -= os.write(1, block)
os.write(1, b"the end\\n")
"""


def measure(*, short: bool) -> list[Result]:
    """5 GiB in the full form."""
    size = 256 * 2**20 if short else 5 * 2**30
    with tempfile.TemporaryDirectory(prefix="bench-", dir=Path.cwd()) as folder:
        base = Path(folder)
        (base / "flood.py").write_text(FLOOD)
        (base / "spec.camp").write_text(SPEC.format(python=sys.executable, script=base / "flood.py", size=size))
        begun = time.perf_counter()
        peaks = _watched(base)
        rate = size / 2**20 / (time.perf_counter() - begun)
        kept, dropped = _output(base)
    ours = f"{len(peaks)} processes of ours, {rate:.0f} MiB/s"
    detail = f"{ours}; {kept / 2**20:.1f} MiB kept, {dropped:,} bytes left out and said"
    return [Result(f"a log of {size / 2**30:g} GiB, peak memory", max(peaks) / 2**20, "MiB", 200, False, detail)]


def _watched(base: Path) -> list[int]:
    """Run the campaign and take the peak of each of its processes until it ends."""
    peaks: dict[int, int] = {}
    process = subprocess.Popen(
        [*CAMPAIGN, "exec", "spec.camp", "--workspace", str(base / "ws"), "--no-progress"],
        cwd=base,
        env={**environ(), MARK: str(base)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        peaks.update(marked_peaks(str(base)))
        time.sleep(0.05)  # the kernel keeps each peak, so that none is missed but of what lives shorter
    if process.returncode != 0:
        raise SystemExit(f"output: campaign exec ended with {process.returncode}")
    return list(peaks.values())


def _output(base: Path) -> tuple[int, int]:
    """Bytes kept on disk and bytes left out as the run's record says."""
    [log] = (base / "ws" / "runs").rglob("output.log")
    [exit_file] = (base / "ws" / "attempts").rglob("exit.json")
    return log.stat().st_size, json.loads(exit_file.read_bytes())["output"].get("dropped_bytes", 0)
