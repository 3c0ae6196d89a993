"""What a matrix of a million cells costs: to count, to list, to name, and before the first run starts."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import CAMPAIGN, Result, alternate, environ, median, run

SPEC = """
campaign "matrix" {{ parallel 2 }}
tool nothing {{
  command "/usr/bin/touch" "{marker}"
  param a: int = 0
  param b: int = 0
  param c: int = 0
}}
instance m.{{a}}.{{b}}.{{c}} {{
  sweep a = 1..{side}
  sweep b = 1..{side}
  sweep c = 1..{side}
  run nothing
}}
"""
#: The least that naming a run can cost: the product and one hash of the name.
BARE = """
from hashlib import blake2b
from itertools import product
for a, b, c in product(map(str, range(1, {side} + 1)), repeat=3):
    blake2b(f"m.{{a}}.{{b}}.{{c}}#0".encode(), digest_size=8).hexdigest()
"""
OURS = """
import sys
from campaign.cli.files import read_file
from campaign.plan.identity import drawer
from campaign.plan.plan import Options, make_plan
from campaign.plugins.registry import Registry
plan, problems = make_plan({spec!r}, read_file, Options(), Registry)
assert plan is not None, problems
draw = drawer(plan.seed, "fault.kill.at")
for run in plan.runs():
    run.id, draw(run.key)
"""


def measure(*, short: bool) -> list[Result]:
    """Ratios of time and memory; the matrix has a million cells in the full form."""
    side = 30 if short else 100
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        base = Path(folder)
        large, small = _spec(base, "large", side), _spec(base, "small", 10)
        return [_count(base, large), _list(base, large, small), _ids(base, large, side), _first(base, large)]


def _spec(base: Path, name: str, side: int) -> str:
    path = base / f"{name}.camp"
    path.write_text(SPEC.format(marker=base / "started", side=side))
    return str(path)


def _campaign(base: Path, *arguments: str) -> tuple[float, int]:
    cost = run([*CAMPAIGN, *arguments], base)
    if cost.status != 0:
        raise SystemExit(f"matrix: campaign {' '.join(arguments)} ended with {cost.status}")
    return cost.wall_s, cost.peak_bytes


def _count(base: Path, spec: str) -> Result:
    version, count = alternate(
        5, lambda: _campaign(base, "--version")[0], lambda: _campaign(base, "plan", "--count", spec)[0]
    )
    detail = f"{median(count) * 1000:.0f} ms against {median(version) * 1000:.0f} ms"
    return Result("plan --count against --version", median(count) / median(version), "x", 3, False, detail)


def _list(base: Path, large: str, small: str) -> Result:
    peaks = [_campaign(base, "plan", "--list", "--format", "json", spec)[1] for spec in (large, small)]
    detail = f"{peaks[0] / 2**20:.0f} MiB against {peaks[1] / 2**20:.0f} MiB for 1,000 cells"
    return Result("plan --list, peak memory", peaks[0] / peaks[1], "x", 1.3, False, detail)


def _ids(base: Path, spec: str, side: int) -> Result:
    bare, ours = alternate(
        3,
        lambda: run([sys.executable, "-c", BARE.format(side=side)], base).cpu_s,
        lambda: run([sys.executable, "-c", OURS.format(spec=spec)], base).cpu_s,
    )
    detail = f"{median(ours):.2f} s against {median(bare):.2f} s for {side**3:,} runs"
    return Result(
        "ids and draws of all runs against product and BLAKE2b", median(ours) / median(bare), "x", 4, False, detail
    )


def _first(base: Path, spec: str) -> Result:
    """Seconds from the command to the first tool that has run."""
    marker = base / "started"
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*CAMPAIGN, "exec", spec, "--workspace", str(base / "ws"), "--no-progress"],
        cwd=base,
        env=environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not marker.exists() and process.poll() is None and time.perf_counter() - begun < 60:
            time.sleep(0.005)  # often enough to tell milliseconds
        elapsed = time.perf_counter() - begun
        process.send_signal(signal.SIGINT)
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    return Result("exec, until the first tool has run", elapsed, "s", 2, False, "of the whole matrix")
