"""Limits and clocks: what a tool that was started with them sees."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from campaign.plugins.api import Injected
from campaign_standard.clock import Offset
from campaign_standard.limits import Rlimit

from .holds import held, values


def started(done: Injected, *argv: str) -> str:
    """What a tool prints that was started as a supervisor does."""
    command = [*done.wrap, *argv]
    return subprocess.run(command, env={**os.environ, **done.env}, capture_output=True, text=True, check=True).stdout


def test_limits_are_the_tools_own() -> None:
    with held(Rlimit(), files=64, memory="4GiB", cpu="90s") as done:
        assert started(done, "/bin/sh", "-c", "ulimit -n; ulimit -Hn; ulimit -v; ulimit -t").split() == [
            "64",
            "64",
            str(4 << 20),
            "90",
        ]
        assert done.notes == "--nofile=64 --as=4294967296 --cpu=90"


def test_a_limit_that_is_none_or_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing is limited" in (Rlimit().missing(values(Rlimit())) or "")
    assert Rlimit().missing(values(Rlimit(), files=64)) is None
    monkeypatch.setattr("resource.getrlimit", lambda _: (10, 20))
    assert "limited to 20 here already" in (Rlimit().missing(values(Rlimit(), files=64)) or "")


def test_the_time_of_day_is_another_one() -> None:
    if (why := Offset().available()) is not None:
        pytest.skip(why)
    with held(Offset(), offset="2h") as done:
        assert 7100 < int(started(done, "date", "+%s")) - time.time() < 7300
    with held(Offset(), offset="-90s") as done:
        assert -120 < int(started(done, "date", "+%s")) - time.time() < -60
