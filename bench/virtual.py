"""Hours on the virtual clock: a thousand sessions of eight hours, and equal seeds give equal bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.measure import CAMPAIGN, Result, median, run

SPEC = Path(__file__).resolve().parent.parent / "specs" / "recovery-stress.camp"
#: What a thousand sessions may take, from the start of ``campaign exec`` to its end.
BOUND_S = 5.0
SESSIONS = 1_000


def measure(*, short: bool) -> Iterator[Result]:
    """Seconds for a thousand sessions, and how many of two executions' files differ."""
    rounds = 1 if short else 3
    with tempfile.TemporaryDirectory(prefix="bench-", dir=Path.cwd()) as folder:
        base = Path(folder)
        _sessions(base, "warm", 10)
        walls = [_sessions(base, f"{number}", SESSIONS) for number in range(rounds)]
        detail = f"{SESSIONS / median(walls):.0f} sessions/s, {SESSIONS * 8 / 24 / 365:.1f} years; {rounds} rounds"
        yield Result(f"{SESSIONS:,} sessions of 8 h, whole `campaign exec`", median(walls), "s", BOUND_S, False, detail)
        _sessions(base, "again", SESSIONS)
        first, again = _files(base / "0"), _files(base / "again")
        differing = len(first.keys() ^ again.keys()) + sum(again.get(name) != data for name, data in first.items())
        detail = f"{len(first):,} files compared"
        yield Result("recovery.json and recovery.md that differ with equal seeds", differing, "files", 0, False, detail)


def _sessions(base: Path, name: str, count: int) -> float:
    argv = [*CAMPAIGN, "exec", str(SPEC), "--tier", "session", "--seeds", f"1..{count}"]
    cost = run([*argv, "--workspace", str(base / name), "--no-progress"], base)
    if cost.status not in {0, 1}:
        raise SystemExit(f"virtual: campaign exec ended with {cost.status}")
    return cost.wall_s


def _files(workspace: Path) -> dict[str, bytes]:
    """The reports of a workspace by run and name."""
    found = (*workspace.glob("runs/*/*/*/*/recovery.json"), *workspace.glob("runs/*/*/*/*/recovery.md"))
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in found}
