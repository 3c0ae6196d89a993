"""Measuring whole processes: wall time, processor time and peak memory, of ours and of peers alike."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

CAMPAIGN = (str(Path(sys.executable).with_name("campaign")),)
#: Set for every process of ours; tools get a clean environment, so they are told apart by it.
MARK = "CAMPAIGN_BENCH_MARK"


class Cost(Struct, frozen=True):
    """One process with all it waited for: seconds of wall and processor time, peak resident bytes, exit status."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    status: int


class Result(Struct, frozen=True):
    """A ratio or a size that was measured, its bound (None: only for comparison), and the numbers behind it."""

    name: str
    value: float
    unit: str
    bound: float | None
    at_least: bool
    detail: str

    @property
    def kept(self) -> bool:
        """Whether the bound is kept."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def row(self) -> str:
        """A row of the table of results."""
        bound = "none" if self.bound is None else f"{'≥' if self.at_least else '≤'} {self.bound:g}"
        kept = "yes" if self.kept else "**no**"
        return f"| {self.name} | {self.value:.2f} {self.unit} | {bound} | {kept} | {self.detail} |"


def run(argv: Sequence[str], cwd: Path) -> Cost:
    """Run a command to its end with its output thrown away."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        argv, cwd=cwd, env=environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begun
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, process.returncode)


def environ() -> dict[str, str]:
    """The environment of whatever is measured: bytecode is cached, as it is for every installed program."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def alternate(rounds: int, *commands: Callable[[], float]) -> list[list[float]]:
    """Measure several things in turn, round after round, so that the machine's moods hit all of them alike."""
    for command in commands:
        command()  # once for nothing: caches are warm for all
    columns: list[list[float]] = [[] for _ in commands]
    for _ in range(rounds):
        for column, command in zip(columns, commands, strict=True):
            column.append(command())
    return columns


def median(values: Sequence[float]) -> float:
    """The middle of several measurements."""
    return statistics.median(values)


def marked_peaks(mark: str) -> dict[int, int]:
    """The peak memory so far, in bytes, of each living process whose environment has ``MARK`` = ``mark``."""
    wanted = f"{MARK}={mark}".encode()
    peaks = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if wanted in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                    peaks[int(entry)] = _peak(Path(f"/proc/{entry}/status").read_text())
            except OSError:
                continue  # it has just ended
    return peaks


def _peak(status: str) -> int:
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024


def machine() -> str:
    """What the numbers were measured on, in one paragraph."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in facts if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} processors ({cpu}), {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def version_of(argv: Sequence[str]) -> str:
    """The first line that a peer prints about its version."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return f"{argv[0]}: not installed"
    return (done.stdout or done.stderr).partition("\n")[0].strip()
