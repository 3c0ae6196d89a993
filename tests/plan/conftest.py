"""The instance of the language's first example."""

from __future__ import annotations

import pytest

from campaign.plan.scenario import Scenario

from .made import axis, exclusion, scenario


@pytest.fixture
def crash() -> Scenario:
    """The instance of the language's first example."""
    return scenario(
        "crash.{journal}.{sync}",
        axis("journal", "wal", "delete", "off"),
        axis("sync", "off", "normal", "full"),
        exclusions=[exclusion(lambda journal, sync: journal == "off" and sync == "full", "journal sync")],
        seeds=range(1, 4),
    )
