"""The queue: how soon what is submitted runs, how fast a daemon dispatches, what it costs while nothing happens."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.history import make_history
from bench.measure import CAMPAIGN, MARK, Result, alternate, environ, marked_peaks, median, run

SPEC = """
campaign "{name}" {{ parallel 2 }}
tool nothing {{ command {command} }}
instance {name} {{
  seeds 1..{runs}
  run nothing
}}
"""
_PATIENCE_S = 120.0
_MIB = 2**20


def measure(*, short: bool) -> list[Result]:
    """Ratios to ``exec``, or to a small queue; what an idle daemon takes; how soon one is ready after a crash."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=Path.cwd()) as folder:
        base = Path(folder)
        return [
            _latency(base, rounds=2 if short else 5),
            _dispatch(base, runs=300 if short else 2_000, rounds=1 if short else 3),
            *_long_queue(base, runs=10_000 if short else 100_000),
            *_idle(base, seconds=5 if short else 30),
            *_takeover(base, *((5_000, 200) if short else (100_000, 1_000))),
        ]


# --- what is submitted ------------------------------------------------------------------------------------------


def _latency(base: Path, rounds: int) -> Result:
    """From the command to the first tool that has run."""
    folder = _folder(base)
    marker = folder / "started"
    spec = _spec(folder, "one", f'"/usr/bin/touch" "{marker}"', 1)

    def until_started(*command: str) -> float:
        begun = time.perf_counter()
        _campaign(folder, *command, spec, "--workspace", str(folder / command[0]))
        _wait(marker.exists)
        elapsed = time.perf_counter() - begun
        marker.unlink()
        return elapsed

    with _daemon(folder, folder / "submit"):
        exec_, submit = alternate(
            rounds, lambda: until_started("exec", "--no-progress"), lambda: until_started("submit")
        )
    detail = f"{median(submit) * 1000:.0f} ms against {median(exec_) * 1000:.0f} ms"
    name = "submit, until the first tool has run, against a whole exec"
    return Result(name, median(submit) / median(exec_), "x", 1.5, False, detail)


def _dispatch(base: Path, runs: int, rounds: int) -> Result:
    """Runs per second of one campaign."""

    def exec_() -> float:
        folder = _folder(base)
        spec = _spec(folder, "many", '"/bin/true"', runs)
        return runs / _campaign(folder, "exec", spec, "--no-progress", "--workspace", str(folder / "ws"))

    def queued() -> float:
        folder = _folder(base)
        spec = _spec(folder, "many", '"/bin/true"', runs)
        with _daemon(folder, folder / "ws"):
            return runs / _campaign(
                folder, "submit", spec, "--wait", "--no-progress", "--workspace", str(folder / "ws")
            )

    alone, daemon = alternate(rounds, exec_, queued)
    detail = f"{median(daemon):.0f} against {median(alone):.0f} runs/s"
    return Result("dispatch through the daemon against exec", median(daemon) / median(alone), "x", 0.9, True, detail)


def _long_queue(base: Path, runs: int) -> list[Result]:
    """Ten queued campaigns against one of ten runs: until the first tool has run, and the largest process."""
    short_s, short_peak = _served(base, 1, 10)
    long_s, long_peak = _served(base, 10, runs)
    what = f"10 queued campaigns of {runs:,} runs against one of ten"
    return [
        Result(
            f"{what}: until the first tool has run",
            long_s / short_s,
            "x",
            5,
            False,
            f"{long_s:.2f} s against {short_s:.2f} s after the daemon was started",
        ),
        Result(
            f"{what}: peak memory of the largest process",
            long_peak / short_peak,
            "x",
            1.3,
            False,
            f"{long_peak / _MIB:.0f} MiB against {short_peak / _MIB:.0f} MiB",
        ),
    ]


def _served(base: Path, campaigns: int, runs: int) -> tuple[float, int]:
    """Queue them, start a daemon, and wait until each has had its turn; seconds to the first, peak bytes."""
    folder = _folder(base)
    for number in range(campaigns):
        spec = _spec(folder, f"c{number}", f'"/usr/bin/touch" "{folder}/ran-c{number}"', runs)
        _campaign(folder, "submit", spec, "--workspace", str(folder / "ws"))
    begun = time.perf_counter()
    with _daemon(folder, folder / "ws"):
        _wait(lambda: any(folder.glob("ran-*")))
        first = time.perf_counter() - begun
        _wait(lambda: len(list(folder.glob("ran-*"))) == campaigns)
        return first, max(marked_peaks(str(folder)).values())


# --- a daemon with nothing to do --------------------------------------------------------------------------------


def _idle(base: Path, seconds: float) -> list[Result]:
    """All of a daemon's processes after a campaign: processor time, how often they woke up, memory."""
    folder = _folder(base)
    spec = _spec(folder, "one", '"/bin/true"', 10)
    with _daemon(folder, folder / "ws") as pid:
        _campaign(folder, "submit", spec, "--wait", "--no-progress", "--workspace", str(folder / "ws"))
        time.sleep(2)  # reports are written, planners have gone
        pids = list(marked_peaks(str(folder)))
        before = [(_ran_ns(each), _woken(each)) for each in pids]
        time.sleep(seconds)  # what is measured
        after = [(_ran_ns(each), _woken(each)) for each in pids]
        memory = _resident(pid)
        whole = sum(map(_resident, pids))
    ran = sum(now[0] - then[0] for now, then in zip(after, before, strict=True)) / 1e9
    woken = sum(now[1] - then[1] for now, then in zip(after, before, strict=True))
    busy = f"{ran * 1000:.1f} ms in {seconds:g} s, {len(pids)} processes"
    return [
        Result("an idle daemon, of one processor", 100 * ran / seconds, "%", 0.5, False, busy),
        Result("an idle daemon, wake-ups a second", woken / seconds, "", 1, False, "a heartbeat every 5 s, no polling"),
        Result(
            "an idle daemon, memory", memory / _MIB, "MiB", 60, False, f"{whole / _MIB:.0f} MiB with its supervisors"
        ),
    ]


def _ran_ns(pid: int) -> int:
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _woken(pid: int) -> int:
    return _status(pid, "voluntary_ctxt_switches")


def _resident(pid: int) -> int:
    return _status(pid, "VmRSS") * 1024


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


# --- after a crash ----------------------------------------------------------------------------------------------


def _takeover(base: Path, finished: int, interrupted: int) -> list[Result]:
    """A daemon, and ``exec --resume``, in a workspace whose last owner was killed."""
    results = []
    begun = time.perf_counter()
    with _daemon(empty := _folder(base), empty / "ws"):
        alone = time.perf_counter() - begun
    for queued in (True, False):
        folder = _folder(base)
        marker = folder / "started"
        spec = _spec(folder, "past", f'"/usr/bin/touch" "{marker}"', finished + interrupted + 10)
        make_history(spec, str(folder / "ws"), finished, interrupted, queued=queued)
        begun = time.perf_counter()
        if queued:
            name = "daemon, ready"
            with _daemon(folder, folder / "ws"):
                elapsed = time.perf_counter() - begun
        else:
            name = "exec --resume, until the first tool has run"
            command = [*CAMPAIGN, "exec", "--resume", "--no-progress", "--workspace", str(folder / "ws")]
            elapsed = _until(marker.exists, command, folder, begun)
        past = f"after a crash, {finished:,} runs finished and {interrupted:,} interrupted"
        detail = f"{past}; a daemon in an empty workspace: {alone:.2f} s"
        results.append(Result(name, elapsed, "s", 2, False, detail))
    return results


def _until(done: Callable[[], bool], command: list[str], folder: Path, begun: float) -> float:
    with subprocess.Popen(
        command, cwd=folder, env=environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _wait(done)
        elapsed = time.perf_counter() - begun
        process.wait(_PATIENCE_S)
    return elapsed


# --- the command ------------------------------------------------------------------------------------------------


def _folder(base: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=base))


def _spec(folder: Path, name: str, command: str, runs: int) -> str:
    path = folder / f"{name}.camp"
    path.write_text(SPEC.format(name=name, command=command, runs=runs))
    return str(path)


def _campaign(folder: Path, *arguments: str) -> float:
    cost = run([*CAMPAIGN, *arguments], folder)
    if cost.status != 0:
        raise SystemExit(f"queue: campaign {' '.join(arguments)} ended with {cost.status}")
    return cost.wall_s


@contextmanager
def _daemon(folder: Path, workspace: Path) -> Iterator[int]:
    """A daemon that serves ``workspace``, marked by ``folder``; its pid.  Afterwards it is gone, and what it ran."""
    subprocess.run(
        [*CAMPAIGN, "daemon", "--detach", "--parallel", "2", "--workspace", str(workspace)],
        cwd=folder,
        env={**environ(), MARK: str(folder)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    pid = int((workspace / "daemon.lock").read_text().split()[0])
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGTERM)
        _wait(lambda: not marked_peaks(str(folder)))


def _wait(done: Callable[[], bool]) -> None:
    end = time.perf_counter() + _PATIENCE_S
    while not done():
        if time.perf_counter() > end:
            raise SystemExit("queue: it never happened")
        time.sleep(0.005)  # files of tools: often enough to tell milliseconds
