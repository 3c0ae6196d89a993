"""The short form of ``python -m tests.torture.limits``."""

from __future__ import annotations

from tests.torture.limits import torture


def test_no_hostile_value_gets_through() -> None:
    assert list(torture(1200, 7)) == []
