"""Attempts as a ledger glances at them."""

from collections.abc import Callable
from typing import Any

import pytest

from campaign.ledger.rows import CampaignRow, Glance

START = "2026-11-20T10:00:00.000Z"


def make_glance(axes: dict[str, Any], verdict: str | None = "pass", **changes: Any) -> Glance:
    cell = ",".join(f"{name}={value}" for name, value in axes.items())
    base: dict[str, Any] = {
        "key": f"m[{cell}]#1",
        "attempt": 1,
        "cause": "plan",
        "instance": "m",
        "cell": f"m[{cell}]",
        "seed": 1,
        "directory": "/runs/c/m/seed-1/attempt-1",
        "verdict": verdict,
        "reason": "" if verdict == "pass" else "row 7 missing",
        "fingerprint": None if verdict == "pass" else "9f2c1a7be0d14c55",
        "started_at": START,
        "finished_at": "2026-11-20T10:00:02.000Z" if verdict else None,
        "duration_s": 2.0 if verdict else None,
        "decides": True,
        "axes": axes,
    }
    return Glance(**{**base, **changes})


@pytest.fixture
def glance() -> Callable[..., Glance]:
    return make_glance


@pytest.fixture
def row() -> CampaignRow:
    return CampaignRow(
        id="c-20261120T100000Z-ab12",
        name="c",
        spec="/specs/c.camp",
        run_root="/runs/c",
        plan_hash="0" * 32,
        seed=42,
        parallel=2,
        created_at=START,
    )
