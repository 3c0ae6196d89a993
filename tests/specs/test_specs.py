"""The campaigns in ``specs/``: each checks clean, plans what its comments say, and stands in canonical layout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SPECS = Path(__file__).resolve().parents[2] / "specs"
ALL = sorted(path.name for path in SPECS.glob("*.camp"))

#: What each holds: instances, cells and runs, without a tier and with one.
COUNTS = [
    ("quickstart.camp", (), (1, 8, 8)),
    ("quickstart.camp", ("--tier", "quick"), (1, 8, 24)),
    ("quickstart.camp", ("--tier", "nightly"), (1, 8, 400)),
    ("tiers.camp", (), (3, 5, 5)),
    ("tiers.camp", ("--tier", "smoke"), (2, 3, 3)),
    ("tiers.camp", ("--tier", "nightly"), (4, 9, 45)),
    ("tiers.camp", ("--group", "sorting.parallel"), (1, 2, 2)),
    ("joint.camp", (), (2, 9, 9)),
    ("trials.camp", (), (1, 9, 21)),
    ("serve.camp", (), (2, 7, 7)),
    ("proxy.camp", (), (3, 9, 9)),
    ("gauntlet/g5-sweep.camp", (), (1, 1, 120)),
    ("margins.camp", (), (2, 18, 18)),
    ("margins.camp", ("--tier", "simulated"), (1, 15, 15)),
    ("margins.camp", ("--tier", "nightly"), (2, 18, 144)),
    ("traces.camp", (), (1, 2, 4)),
    ("storage.camp", (), (11, 18, 18)),
    ("storage.camp", ("--tier", "plain"), (5, 10, 10)),
    ("rocksdb.camp", ("--tier", "quick"), (10, 19, 19)),
    ("rocksdb.camp", ("--tier", "careless"), (1, 1, 3)),
    ("redis-chaos.camp", ("--tier", "quick"), (1, 6, 6)),
    ("redis-chaos.camp", (), (5, 24, 24)),
    ("redis-chaos.camp", ("--tier", "nightly"), (5, 36, 360)),
]


def _campaign(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "campaign", *arguments],
        cwd=SPECS.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("spec", ALL)
def test_it_checks_clean(spec) -> None:
    ended = _campaign("check", f"specs/{spec}")
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stdout + ended.stderr


@pytest.mark.parametrize("spec", ALL)
def test_it_stands_in_canonical_layout(spec) -> None:
    ended = _campaign("fmt", "--diff", f"specs/{spec}")
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stdout + ended.stderr


@pytest.mark.parametrize(("spec", "options", "counts"), COUNTS)
def test_it_plans_what_it_says(spec, options, counts) -> None:
    ended = _campaign("plan", f"specs/{spec}", "--count", "--format", "json", *options)
    assert ended.returncode == 0, ended.stderr
    planned = json.loads(ended.stdout)
    assert (planned["instances"], planned["cells"], planned["runs"]) == counts


def test_every_pair_that_is_allowed_is_covered() -> None:
    """``cover 2``, looked at from outside: all pairs of 384 allowed combinations in far fewer cells."""
    ended = _campaign("plan", "specs/cover.camp", "--list", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    cells = [json.loads(line)["axes"] for line in ended.stdout.splitlines()]
    axes = {
        "journal": ["wal", "delete", "truncate", "persist"],
        "sync": ["off", "normal", "full", "extra"],
        "cache": ["4KiB", "64KiB", "1024KiB"],
        "threads": [1, 4, 8],
        "processes": [1, 2, 3],
    }
    names = list(axes)
    wanted = {
        (first, a, second, b)
        for index, first in enumerate(names)
        for second in names[index + 1 :]
        for a in axes[first]
        for b in axes[second]
        if (first, a, second, b) != ("threads", 8, "processes", 3)
    }
    covered = {(first, cell[first], second, cell[second]) for cell in cells for first, second in _pairs(names)}
    assert covered == wanted
    assert len(cells) <= 20  # 16 is the least: two axes of four values


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    return [(first, second) for index, first in enumerate(names) for second in names[index + 1 :]]
