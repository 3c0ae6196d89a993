"""How fast runs are dispatched, with complete evidence and the durable ledger: 2,000 times /bin/true, two at a time.

Wait some minutes after deleting many files: ext4 searches past freshly deleted inodes for every file that is made.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import CAMPAIGN, Result, alternate, median, run, version_of

SPEC = """
campaign "dispatch" {{ parallel 2 }}
tool nothing {{ command "/bin/true" }}
instance dispatch {{
  seeds 1..{runs}
  run nothing
}}
"""
_AVOCADO_RUNS = 20


def measure(*, short: bool) -> list[Result]:
    """Runs per second of campaign against GNU parallel, xargs and, in the full form, avocado."""
    runs, rounds = (500, 2) if short else (2_000, 3)
    install_peers(avocado=not short)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=Path.cwd()) as folder:
        base = Path(folder)
        ours, parallel, xargs = alternate(
            rounds,
            lambda: runs / _campaign(base, runs),
            lambda: runs / _parallel(base, runs),
            lambda: runs / _xargs(base, runs),
        )
        results = [
            _result("dispatch against GNU parallel --joblog --results", ours, parallel, 1.5),
            _result("dispatch against xargs -P2", ours, xargs, 0.25),
        ]
        if not short and (avocado := shutil.which("avocado", path=str(_peers() / "bin"))):
            results.append(_result("dispatch against avocado", ours, [_avocado(base, avocado)], 50))
    return results


def _result(name: str, ours: list[float], peer: list[float], bound: float) -> Result:
    detail = f"{median(ours):.0f} against {median(peer):.0f} runs/s"
    return Result(name, median(ours) / median(peer), "x", bound, at_least=True, detail=detail)


def _campaign(base: Path, runs: int) -> float:
    folder = Path(tempfile.mkdtemp(dir=base))
    (folder / "spec.camp").write_text(SPEC.format(runs=runs))
    cost = run([*CAMPAIGN, "exec", "spec.camp", "--workspace", str(folder / "ws"), "--no-progress"], folder)
    if cost.status != 0:
        raise SystemExit(f"dispatch: campaign exec ended with {cost.status}")
    return cost.wall_s


def _parallel(base: Path, runs: int) -> float:
    folder = Path(tempfile.mkdtemp(dir=base))
    command = f"seq {runs} | parallel --will-cite -j2 --joblog log --results results /bin/true"
    return run(["/bin/sh", "-c", command], folder).wall_s


def _xargs(base: Path, runs: int) -> float:
    return run(["/bin/sh", "-c", f"seq {runs} | xargs -P2 -n1 /bin/true"], base).wall_s


def _avocado(base: Path, avocado: str) -> float:
    command = [avocado, "run", *["/bin/true"] * _AVOCADO_RUNS, "--max-parallel-tasks=2", "--job-results-dir", str(base)]
    return _AVOCADO_RUNS / run(command, base).wall_s


def _peers() -> Path:
    return Path(".bench-peers").absolute()


def install_peers(*, avocado: bool) -> None:
    """GNU parallel from Debian and, in the full form, avocado from PyPI, in an environment of its own."""
    if not shutil.which("parallel"):
        subprocess.run(["apt-get", "install", "-qq", "-y", "parallel"], check=True, stdout=subprocess.DEVNULL)
    if avocado and not (_peers() / "bin" / "avocado").exists():
        subprocess.run([sys.executable, "-m", "venv", str(_peers())], check=True)
        packages = ["avocado-framework", "robotframework", "chaostoolkit"]
        subprocess.run([str(_peers() / "bin" / "pip"), "install", "-q", *packages], check=True)


def versions() -> list[str]:
    """The peers' own words."""
    return [version_of(["parallel", "--version"]), version_of(["xargs", "--version"])]
