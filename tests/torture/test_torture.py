"""The short form of every torture; ``make torture`` runs their whole size, see docs/how-to/torture.md."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from . import kills, submits
from .scenario import Figures

pytestmark = pytest.mark.gauntlet


def _held(found: Figures) -> None:
    if found.skipped:
        pytest.skip(found.skipped)
    assert found.violations == []


def test_random_kills(tmp_path: Path) -> None:
    _held(kills.torture(tmp_path, 15, random.Random(1)))


def test_submissions_to_a_daemon_that_is_killed(tmp_path: Path) -> None:
    _held(submits.torture(tmp_path, 5, random.Random(1), clients=4, kills=2))
