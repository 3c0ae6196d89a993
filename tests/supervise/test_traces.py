"""Traces that tools write: cut at their cap, bounded while they run, and never taken for what they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.supervise.conftest import Desk, python, shell

from campaign.records import TraceExit, TraceOrder
from campaign.supervise.traces import _punch

CAP = 1 << 20


def traced(desk: Desk, script: str, path: str = "trace/ops.bin", cap: int = CAP) -> TraceExit | None:
    """What becomes of the trace of a tool that finds its name in ``$T``."""
    order = desk.order(shell(script, trace=TraceOrder(path, cap), env={"T": f"../{path}"}))
    (step,) = desk.carry_out(order).steps
    left = desk.public(order, path)
    if step.trace is not None:
        assert left.stat().st_size == step.trace.bytes
    return step.trace


def test_a_trace_is_recorded_with_its_size(desk: Desk) -> None:
    assert traced(desk, "printf abc > $T") == TraceExit("trace/ops.bin", 3)
    assert traced(desk, "printf abc > $T; kill -9 $$", "trace/a/b") == TraceExit("trace/a/b", 3)


def test_a_tool_that_writes_none_has_none(desk: Desk) -> None:
    assert traced(desk, "true") is None


def test_what_is_beyond_the_cap_is_cut(desk: Desk) -> None:
    assert traced(desk, "printf abcdef > $T", cap=4) == TraceExit("trace/ops.bin", 4, truncated=True)
    assert traced(desk, "printf abcd > $T", cap=4) == TraceExit("trace/ops.bin", 4)


def test_a_trace_that_says_it_is_truncated_is_believed(desk: Desk) -> None:
    for state, truncated in (("t", True), ("o", False), ("c", False)):
        found = traced(desk, f"printf 'CAMPTRC1{state}acme/1' > $T")
        assert found == TraceExit("trace/ops.bin", 15, truncated)


@pytest.mark.parametrize(
    "script",
    [
        "mkfifo $T",
        "mkdir $T",
        "ln -s ../work/x $T; printf abcdef > x",
        "printf abcdef > x; rmdir ../trace; ln -s work ../trace; mv x ops.bin",
    ],
)
def test_what_is_no_file_of_its_own_is_no_trace_and_never_cut(desk: Desk, script: str) -> None:
    order = desk.order(shell(script, trace=TraceOrder("trace/ops.bin", 4), env={"T": "../trace/ops.bin"}))
    (step,) = desk.carry_out(order).steps
    assert step.exit.code == 0
    assert step.trace is None
    for name in ("work/x", "work/ops.bin"):
        path = Path(desk.public(order, name))
        assert not path.exists() or path.read_bytes() == b"abcdef"


def test_a_trace_in_a_folder_that_is_a_file_is_a_step_that_cannot_start(desk: Desk) -> None:
    order = desk.order(
        shell("printf x > ../trace/a", label="one", trace=TraceOrder("trace/a", 4)),
        shell("true", label="two", trace=TraceOrder("trace/a/b", 4)),
    )
    found = desk.carry_out(order)
    assert found.setup_error == "two could not be started: the folder of its trace could not be made: Not a directory"


@pytest.mark.parametrize("path", ["ops.bin", "trace", "trace/../run.json", "work/x", "trace//x"])
def test_an_order_cannot_name_another_file(desk: Desk, path: str) -> None:
    found = desk.carry_out(desk.order(shell("true", trace=TraceOrder(path, 4))))
    assert "the folder of its trace could not be made" in (found.setup_error or "")


def punches_holes(folder: Path) -> bool:
    """Whether the file system gives back what is punched out of a file."""
    with open(folder / "probe", "wb") as file:
        file.write(bytes(CAP * 4))
        file.flush()
        os.fsync(file.fileno())
        _punch(file.fileno(), 0)
        return os.fstat(file.fileno()).st_blocks * 512 < CAP


def test_the_disk_is_not_filled_while_the_tool_runs_and_the_tool_is_left_alone(desk: Desk) -> None:
    """It goes on until what it has written is given back to the disk, however long that takes."""
    if not punches_holes(desk.workspace):
        pytest.skip("this file system punches no holes")
    script = f"""
import mmap, os, sys
file = os.open("../trace/ops.bin", os.O_RDWR | os.O_CREAT)
os.ftruncate(file, {CAP * 8})
view = mmap.mmap(file, {CAP * 8})
for _ in range(20000):
    view[:] = b"x" * len(view)
    view.flush()
    if os.fstat(file).st_blocks * 512 <= {CAP * 2}:
        break
    import time; time.sleep(0.005)
else:
    sys.exit(1)
view[-1:] = b"y"
print("still here")
"""
    order = desk.order(python(script, trace=TraceOrder("trace/ops.bin", CAP)))
    (step,) = desk.carry_out(order).steps
    assert (step.exit.code, step.trace) == (0, TraceExit("trace/ops.bin", CAP, truncated=True))
    assert set(desk.public(order, "trace/ops.bin").read_bytes()) == {ord("x")}
    assert os.stat(desk.public(order, "trace/ops.bin")).st_size == CAP
