"""Whether a label can come to begin with what ``only`` names."""

from __future__ import annotations

import pytest

from campaign.language.selection import matches_label
from campaign.language.syntax import Hole


def label(text: str) -> list[str | Hole]:
    parts: list[str | Hole] = []
    for index, piece in enumerate(text.replace("}", "{").split("{")):
        if piece:
            parts.append(Hole(piece) if index % 2 else piece)
    return parts


@pytest.mark.parametrize(
    ("text", "prefix", "expected"),
    [
        ("crash.wal", "crash", True),
        ("crash.wal", "crash.wal", True),
        ("crash.wal", "crash.w", False),
        ("crash.wal", "cra", False),
        ("crash.wal", "crash.wal.x", False),
        ("crash.{journal}.{sync}", "crash.wal", True),
        ("crash.{journal}.{sync}", "crash.wal.full", True),
        ("crash.{journal}.{sync}", "crush", False),
        ("crash.a-{journal}.b", "crash.a-wal.b", True),
        ("crash.a-{journal}.b", "crash.b-wal.b", False),
        ("clock.{f}.x", "clock.3.2GHz.x", True),
        ("clock.{f}.x", "clock.3.2GHz.y", True),
        ("{a}", "anything.at.all", True),
    ],
)
def test_labels(text: str, prefix: str, expected: bool) -> None:
    assert matches_label(label(text), prefix) is expected
