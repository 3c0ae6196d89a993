"""What stands beside the evidence, read back: anything but a record of ours is nothing."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from campaign.analysis.beside import Beside, read_beside
from campaign.records import Environment, HostRecord, PlanInstance, PlanPlugin, PlanTool, PlanView

PLAN = PlanView(
    campaign="c",
    name="n",
    spec="s.camp",
    plan_hash="0",
    seed=0,
    created_at="2026-11-20T10:00:00Z",
    instances=(PlanInstance(instance="b"), PlanInstance(instance="a")),
    plugins=(PlanPlugin(plugin="sqlite", distribution="campaign-sqlite", version="1.2"),),
    tools=(PlanTool(tool="t", path="/bin/t"),),
)
HOST = HostRecord(
    id="h", boot_id="b", hostname="n", system="Linux", release="6.1", architecture="x", python="3.11", campaign="0.1"
)


def test_plan_and_host_are_read_back(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(PLAN))
    (tmp_path / "host.json").write_bytes(msgspec.json.encode(HOST))
    beside = read_beside(str(tmp_path))
    assert beside == Beside(PLAN, HOST)
    assert beside.instances == ("b", "a")
    assert beside.environment == Environment(
        campaign="0.1", python="3.11", system="6.1", plugins={"sqlite": "campaign-sqlite 1.2"}, tools=PLAN.tools
    )


@pytest.mark.parametrize("data", [None, b"", b"{", b"[]", b"\xff\x00", b'{"schema": "campaign.plan/1"}'])
def test_what_is_damaged_is_missing(tmp_path: Path, data: bytes | None) -> None:
    for name in ("plan.json", "host.json"):
        if data is not None:
            (tmp_path / name).write_bytes(data)
    beside = read_beside(str(tmp_path))
    assert (beside, beside.instances, beside.environment) == (Beside(), (), Environment())


def test_no_link_is_followed_and_no_pipe_waited_for(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(msgspec.json.encode(PLAN))
    (tmp_path / "plan.json").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "host.json")
    assert read_beside(str(tmp_path)) == Beside()
