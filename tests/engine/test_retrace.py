"""From an attempt with traces to the order that carries them out again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from campaign.diagnostics import CampaignError
from campaign.engine.retrace import digest_of, lay_out, retraced
from campaign.plugins.traces import CLOSED, ENDED, OPEN, TraceWriter, header
from campaign.records import (
    Directories,
    Exit,
    FaultExit,
    FaultOrder,
    Order,
    ProcessExit,
    StepExit,
    StepOrder,
    Stop,
    TraceExit,
    TraceOrder,
)

KILLED = ProcessExit(signal=9)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An attempt's directory with the traces of a killed step, of one that ended, and of one that is not ours."""
    (tmp_path / "trace").mkdir()
    for name in ("dead", "ended"):
        writer = TraceWriter(str(tmp_path / "trace" / name), "acme/1", 1 << 20)
        if name == "ended":
            writer.close()
    (tmp_path / "trace" / "foreign").write_bytes(b"whatever")
    return tmp_path


def step(label: str, path: str | None = None, **rest: Any) -> StepOrder:
    trace = None if path is None else TraceOrder(f"trace/{path}", 1 << 20, ("again", label))
    return StepOrder(label=label, tool="t", argv=("run", label), template=((),), trace=trace, **rest)


def order_of(*steps: StepOrder, faults: tuple[FaultOrder, ...] = ()) -> Order:
    return Order(
        token="t", epoch=1, campaign="c-1", campaign_name="c", key="k#0", id="i", attempt=1, instance="k", cell="k",
        seed=0, directories=Directories("/p", "/q", "/p/work"), timeout_s=1.0, steps=steps, faults=faults,
    )  # fmt: skip


def exit_of(order: Order, *faults: FaultExit, ended: ProcessExit = KILLED, truncated: bool = False) -> Exit:
    steps = tuple(
        StepExit(
            label=each.label,
            tool="t",
            argv=each.argv,
            exit=ended,
            index=each.index,
            excused=ended is KILLED,
            trace=TraceExit(each.trace.path, 8, truncated) if each.trace else None,
        )
        for each in order.steps
    )
    return Exit(
        token="t", epoch=1, digest="", started_at="", finished_at="", duration_s=0, boot_id="", steps=steps, faults=faults
    )  # fmt: skip


def again(order: Order, ended: Exit, folder: Path) -> tuple[Order, list[str]]:
    notes: list[str] = []
    return retraced(order, ended, str(folder), notes.append), notes


def test_a_traced_step_carries_out_its_trace_and_the_others_are_executed_again(folder: Path) -> None:
    order = order_of(step("one", "dead"), step("two"), step("three", "ended", index=2))
    found, notes = again(order, exit_of(order), folder)
    assert [each.argv for each in found.steps] == [("again", "one"), ("run", "two"), ("again", "three")]
    one, two, three = found.steps
    assert (one.trace, one.template) == (None, ())
    assert one.replay is not None
    assert (one.replay.path, one.replay.source) == ("trace/dead", "trace/dead")
    assert one.replay.digest == digest_of(str(folder / "trace" / "dead"))
    assert two == order.steps[1]
    assert three.replay is not None
    assert notes == []


def test_what_was_not_traced_stays_as_it_is(folder: Path) -> None:
    order = order_of(step("one"), faults=(FaultOrder("f", "kill", 1.0),))
    found, notes = again(order, exit_of(order, FaultExit("f", "kill", 1.0, 1.0, target="one")), folder)
    assert found is order
    assert notes == []


@pytest.mark.parametrize(
    ("path", "truncated", "why"), [("dead", True, "its end is missing"), ("gone", False, "No such file")]
)
def test_a_trace_that_cannot_be_carried_out_is_told(folder: Path, path: str, truncated: bool, why: str) -> None:
    order = order_of(step("one", path))
    found, notes = again(order, exit_of(order, truncated=truncated), folder)
    assert found is order
    assert [why in note for note in notes] == [True]


def test_a_tool_without_replay_is_executed_again(folder: Path) -> None:
    (bare,) = order_of(step("one", "dead")).steps
    order = order_of(replace(bare, trace=TraceOrder("trace/dead", 1)))
    assert again(order, exit_of(order), folder)[0] is order


@pytest.mark.parametrize(
    ("path", "ended", "expected"),
    [
        ("dead", KILLED, {"stop": "effect", "kill": "end", "other": None}),
        ("ended", ProcessExit(code=0), {"stop": "effect", "kill": "effect", "other": None}),
        ("foreign", KILLED, {"stop": "effect", "kill": "effect", "other": None}),
    ],
)
def test_the_fault_that_killed_the_tool_stands_in_its_trace(
    folder: Path, path: str, ended: ProcessExit, expected: dict[str, str | None]
) -> None:
    faults = (
        FaultOrder("stop", "process.stop", 1.0, target="one"),
        FaultOrder("kill", "process.kill", 2.0),
        FaultOrder("other", "process.kill", 3.0, target="two"),
    )
    order = order_of(step("one", path), step("two"), faults=faults)
    seen = [FaultExit(each.label, each.fault, each.at_s, each.at_s, target=each.target or "one") for each in faults]
    found, _ = again(order, exit_of(order, *seen, ended=ended), folder)
    assert {each.label: each.in_trace for each in found.faults} == expected


def test_an_attempt_that_was_stopped_is_executed_again(folder: Path) -> None:
    order = order_of(step("one", "dead"))
    assert again(order, replace(exit_of(order), stopped=Stop.TIMEOUT), folder)[0] is order
    late = exit_of(order, ended=ProcessExit(signal=15, timeout=True))
    found, notes = again(order, late, folder)
    assert found is order
    assert notes == ["one is executed again, not replayed from its trace: it ran out of time"]


# --- the copy -------------------------------------------------------------------------------------------------------


def test_the_trace_is_laid_into_the_new_attempt(folder: Path, tmp_path: Path) -> None:
    order = order_of(step("one", "foreign"))
    found, _ = again(order, exit_of(order), folder)
    public = tmp_path / "c-1" / "k" / "replay-1"
    placed = replace(found, directories=Directories(str(public), "/q", f"{public}/work"))
    lay_out(placed, str(folder))
    lay_out(placed, str(folder))  # a planner that was interrupted does it again
    assert (public / "trace" / "foreign").read_bytes() == b"whatever"
    (folder / "trace" / "foreign").write_bytes(b"another")
    with pytest.raises(CampaignError, match="trace/foreign has changed"):
        lay_out(placed, str(folder))
    os.unlink(folder / "trace" / "foreign")
    with pytest.raises(CampaignError, match="No such file"):
        lay_out(placed, str(folder))


@pytest.mark.parametrize(
    ("name", "ended", "state"),
    [
        ("dead", KILLED, OPEN),
        ("dead", ProcessExit(signal=11), ENDED),
        ("ended", ProcessExit(code=1), CLOSED),
    ],
)
def test_what_a_tool_did_last_is_carried_out_where_it_ended_by_itself(
    folder: Path, tmp_path: Path, name: str, ended: ProcessExit, state: bytes
) -> None:
    order = order_of(step("one", name))
    found, _ = again(order, exit_of(order, ended=ended), folder)
    public = tmp_path / "c-1" / "k" / "replay-1"
    lay_out(replace(found, directories=Directories(str(public), "/q", f"{public}/work")), str(folder))
    assert header(str(public / "trace" / name)).state == state
