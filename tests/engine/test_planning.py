"""A planner of the queue: what it says for people goes to the daemon's log."""

from __future__ import annotations

import io
import os

import pytest

from campaign.engine import planning


def test_a_log_that_nobody_takes_any_more_makes_nothing_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    monkeypatch.setattr(planning, "_STANDARD_ERROR", write)
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(planning._Log(), encoding="utf-8", line_buffering=True))
    watcher = planning.Unwatched("nightly-1")
    watcher.note("first")
    assert os.read(read, 100) == b"campaign: nightly-1: first\n"
    os.close(read)
    watcher.note("second")
    print("a plugin's own words, and many of them" * 10_000)
    os.close(write)
    watcher.note("third")
