"""The short form of ``python -m tests.torture.limits``."""

from __future__ import annotations

import random
from pathlib import Path

from tests.torture.limits import torture


def test_no_hostile_value_gets_through(tmp_path: Path) -> None:
    assert torture(tmp_path, 1200, random.Random(7)).violations == []
