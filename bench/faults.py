"""Instants under load: how late faults are injected, how late a watch notices what broke and what works again.

Meanwhile twice as many processes as there are processors do nothing but count, or whatever else keeps the machine as
busy.  All instants are read from ``run.json``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measure import CAMPAIGN, Result, environ
from campaign.proc import descendants, table

_COMMAND = (*CAMPAIGN, "exec", "spec.camp")
EVERY_S = 0.1
#: What the tool is out of order after each signal, between two of them, and before the first, in seconds.
BROKEN_S, APART_S, FIRST_S = 0.3, 0.737, 1.0
COUNTING = "while True: pass"
#: Out of order for a while whenever it is told: then its file ``up`` is not there.
TOOL = """
import os, signal, sys, time
def put():
    open("up", "w").close()
put()
broken = []
signal.signal(signal.SIGUSR1, lambda *_: (os.unlink("up"), broken.append(time.monotonic())))
end = time.monotonic() + float(sys.argv[1])
while (now := time.monotonic()) < end:
    if broken and now >= broken[0] + {broken}:
        broken.clear()
        put()
    time.sleep(0.002)
"""
SPEC = """
campaign "faults" {{ parallel 1; timeout 10m }}
tool t {{ command "{python}" "{tool}" "{seconds}" }}
instance watched {{
  run t
{faults}
  watch up: file.exists {{ path = "up"; every = {every}ms }}
}}
"""


def measure(*, short: bool) -> list[Result]:
    """Lateness of injections, of detections, of recoveries; and what watching costs."""
    count = 30 if short else 300
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, _counting(_missing()):
        seen = _faults(Path(folder), count)
    injected = [each["injected_at_s"] - each["planned_at_s"] for each in seen]
    missed = sum(each["detected_at_s"] is None or each["recovered_at_s"] is None for each in seen)
    noticed = [each for each in seen if each["detected_at_s"] is not None and each["recovered_at_s"] is not None]
    detected = [each["detected_at_s"] - each["injected_at_s"] for each in noticed]
    recovered = [each["recovered_at_s"] - each["injected_at_s"] - BROKEN_S for each in noticed]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        cost = _cost(Path(folder), 10 if short else 60)
    return [
        _result("injected after its instant, median", injected, 50, 20),
        _result("injected after its instant, p99", injected, 99, 100),
        _result("detected after the injection, p95", detected, 95, 1000 * EVERY_S + 20),
        _result("recovery seen after it, p95", recovered, 95, 1000 * EVERY_S + 20),
        Result("faults that a watch missed", missed, "", 0, False, f"of {count}, out of order {BROKEN_S:g} s each"),
        Result(
            "a watch at 100 ms, of one processor", 100 * cost, "%", 5, False, "supervisor and its hosts, without load"
        ),
    ]


def _result(what: str, values: Sequence[float], percent: int, most_ms: float) -> Result:
    return Result(what, 1000 * _percentile(values, percent), "ms", most_ms, False, _spread(values))


def _faults(folder: Path, count: int) -> list[dict[str, Any]]:
    """What the record says of so many faults."""
    faults = "\n".join(
        f'  fault f{number}: process.signal {{ signal = "USR1"; at = {round(1000 * (FIRST_S + APART_S * number))}ms }}'
        for number in range(count)
    )
    _write(folder, FIRST_S + APART_S * count, faults)
    done = subprocess.run(_COMMAND, cwd=folder, env=environ(), check=False, capture_output=True, text=True)
    path = next((folder / ".campaign/runs").glob("*/watched/*/seed-0/run.json"), None)
    if path is None:
        raise SystemExit(f"faults: campaign said {done.stdout}{done.stderr}")
    return list(json.loads(path.read_bytes())["faults"])


def _write(folder: Path, seconds: float, faults: str) -> None:
    tool = folder / "tool.py"
    tool.write_text(TOOL.format(broken=BROKEN_S))
    text = SPEC.format(python=sys.executable, tool=tool, seconds=seconds, faults=faults, every=round(1000 * EVERY_S))
    (folder / "spec.camp").write_text(text)


def _cost(folder: Path, seconds: float) -> float:
    """The share of one processor that its supervisor and provider host take while they watch a run."""
    _write(folder, seconds + 10, "")
    running = subprocess.Popen(
        _COMMAND,
        cwd=folder,
        env=environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        time.sleep(5)  # it has come up: only what goes on is to be measured
        before = _used_s(running.pid)
        time.sleep(seconds)  # what is measured
        return (_used_s(running.pid) - before) / seconds
    finally:
        running.send_signal(signal.SIGINT)
        running.send_signal(signal.SIGINT)
        running.wait()


def _used_s(pid: int) -> float:
    """The processor time so far of everything of ours below a process, which is all but the tool."""
    used = 0.0
    for each in descendants(pid, table()):
        if b"tool.py" not in Path(f"/proc/{each.pid}/cmdline").read_bytes():
            fields = Path(f"/proc/{each.pid}/stat").read_text().rpartition(")")[2].split()
            used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def _missing() -> int:
    """Processes that have to count until the machine is loaded."""
    return max(0, round(2 * (os.cpu_count() or 1) - os.getloadavg()[0]))


@contextmanager
def _counting(processes: int) -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", COUNTING]) for _ in range(processes)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def _percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else float("inf")


def _spread(values: Sequence[float]) -> str:
    low, middle, high = (1000 * _percentile(values, percent) for percent in (0, 50, 100))
    return f"{len(values)} faults, {low:.1f} to {high:.1f} ms, median {middle:.1f} ms"
