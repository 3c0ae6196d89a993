"""The short form of every torture; ``make torture`` runs their whole size, see docs/how-to/torture.md."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from . import daemons, damage, faults, holds, kills, pids, power, submits, syscalls, trees
from .scenario import Figures

pytestmark = pytest.mark.gauntlet


def _held(found: Figures) -> None:
    if found.skipped:
        pytest.skip(found.skipped)
    assert found.violations == []


def test_random_kills(tmp_path: Path) -> None:
    _held(kills.torture(tmp_path, 150, random.Random(1), kills.QUICK))


def test_submissions_to_a_daemon_that_is_killed(tmp_path: Path) -> None:
    _held(submits.torture(tmp_path, 5, random.Random(1), clients=4, kills=2))


def test_a_signal_or_an_error_at_a_system_call(tmp_path: Path) -> None:
    _held(syscalls.torture(tmp_path, 2, random.Random(1), parts=("daemon",)))


def test_power_cuts(tmp_path: Path) -> None:
    _held(power.torture(tmp_path, 3, random.Random(1)))


def test_grandchildren_of_a_canceled_run(tmp_path: Path) -> None:
    _held(trees.torture(tmp_path, 10, random.Random(1), ways=("adopted",), most_s=100))


def test_recycled_pids(tmp_path: Path) -> None:
    _held(pids.torture(tmp_path, 1, random.Random(1)))


def test_two_daemons(tmp_path: Path) -> None:
    _held(daemons.torture(tmp_path, 1, random.Random(1)))


def test_damaged_files(tmp_path: Path) -> None:
    _held(damage.torture(tmp_path, 3, random.Random(1)))


def test_damaged_files_of_a_campaign_that_is_over(tmp_path: Path) -> None:
    _held(damage.at_rest(tmp_path, 50, random.Random(1)))


def test_kills_while_rails_are_held(tmp_path: Path) -> None:
    _held(holds.torture(tmp_path, 12, random.Random(1)))


def test_kills_while_faults_are_in_force(tmp_path: Path) -> None:
    _held(faults.torture(tmp_path, 4, random.Random(1), faults.QUICK, nap_s=0.6))
