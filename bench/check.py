"""What checking a spec of 60 lines costs, cold, in processor time, against a Python that does nothing."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from bench.measure import CAMPAIGN, Result, alternate, median, run

OWN_TOOLS = (
    """
campaign "own" { about "A spec that declares its tools itself"; seed 42; parallel 2 }

tier quick   { seeds 1..3; timeout 20s }
tier nightly { seeds 1..50; timeout 5m; duration = 30s }

tool stress {
  command "/bin/true" "--seed={seed}" "--duration={duration:s}" "--threads={threads}" "--keys={keys}"
  param duration: duration = 10s    in 1s..24h
  param threads:  int      = 16     in 1..256
  param keys:     int      = 10_000 in 1..
  param engine:   string   = "lsm"  in ["lsm", "btree"]
  param sync:     bool     = false  flag "--sync"
  metric ops = /ops\\/sec: (\\d+)/
}
"""
    + "".join(
        f"""
group g{number} {{
  keys     = threads * 100
  duration = {number + 1}s

  instance read.{{engine}}.{{threads}} {{
    sweep engine  = ["lsm", "btree"]
    sweep threads = 1..{number + 4} step 1
    exclude engine == "btree" and threads > {number + 1}
    run stress
    expect exit.ok and elapsed < 60s : "it ends by itself"
  }}
}}
"""
        for number in range(3)
    )
    + "\n"
).lstrip()
PROVIDERS = OWN_TOOLS.replace(
    "    expect exit.ok",
    "    fault  process.stop { at = 1s..2s; for = 500ms }\n"
    '    oracle text.contains { text = "done" }\n'
    "    expect exit.ok",
)


def measure(*, short: bool) -> list[Result]:
    """Ratios of processor time to ``python -c pass``."""
    rounds = 7 if short else 25
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        base = Path(folder)
        (base / "own.camp").write_text(OWN_TOOLS)
        (base / "providers.camp").write_text(PROVIDERS)
        bare, own, providers = alternate(
            rounds,
            lambda: run([sys.executable, "-c", "pass"], base).cpu_s,
            lambda: _check(base, "own.camp"),
            lambda: _check(base, "providers.camp"),
        )
        results = [
            _result("check, own tools", own, bare, 12),
            _result("check, providers of plugins", providers, bare, 20),
        ]
        return results + (_peers(base, bare) if not short else [])


def _check(base: Path, spec: str) -> float:
    cost = run([*CAMPAIGN, "check", spec], base)
    if cost.status != 0:
        raise SystemExit(f"check: campaign check {spec} ended with {cost.status}")
    return cost.cpu_s


def _result(name: str, ours: list[float], bare: list[float], bound: float | None) -> Result:
    detail = f"{median(ours) * 1000:.0f} ms against {median(bare) * 1000:.1f} ms"
    return Result(name, median(ours) / median(bare), "x", bound, at_least=False, detail=detail)


def _peers(base: Path, bare: list[float]) -> list[Result]:
    """What peers need to say that their own small file is well formed; for comparison, without a bound of ours."""
    (base / "one.robot").write_text("*** Test Cases ***\nOne\n    Log    hello\n")
    (base / "one.json").write_text(
        '{"title": "t", "description": "d", "method": [{"type": "probe", "name": "p", "provider":'
        ' {"type": "process", "path": "/bin/true"}}]}'
    )
    commands = {
        "robot --dryrun": ["robot", "--dryrun", "--output", "NONE", "one.robot"],
        "chaos validate": ["chaos", "validate", "one.json"],
        "avocado list": ["avocado", "list", "/bin/true"],
    }
    found = []
    for name, (program, *arguments) in commands.items():
        path = shutil.which(program, path=str(Path(".bench-peers/bin").absolute()))
        if path:
            peer = [run([path, *arguments], base).cpu_s for _ in range(3)]
            found.append(_result(f"for comparison: {name}", peer, bare, None))
    return found
