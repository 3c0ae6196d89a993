"""Head and tail are kept, the middle is counted, and the tool is never held up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.records import MetricOrder, PatternOrder
from campaign.supervise import output
from campaign.supervise.output import HEAD_BYTES, TAIL_BYTES, Log, Tail

from .conftest import Desk, python, shell


@given(st.integers(1, 9), st.lists(st.binary(max_size=20), max_size=12))
def test_a_tail_is_the_end_of_what_was_written(size: int, chunks: list[bytes]) -> None:
    tail = Tail(size)
    for chunk in chunks:
        tail.write(chunk)
    data = b"".join(chunks)
    assert b"".join(map(bytes, tail.parts())) == data[-size:]
    assert tail.total == len(data)


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 19, 20, 21, 100])
def test_a_log_keeps_head_and_tail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(output, "HEAD_BYTES", 10)
    monkeypatch.setattr(output, "TAIL_BYTES", 10)
    folder = os.open(tmp_path, os.O_RDONLY)
    log = Log(lambda: folder, "output.log", "output.log")
    data = bytes(range(48, 48 + length))
    for at in range(0, length, 7):
        log.write(memoryview(data)[at : at + 7])
    log.finish()
    log.finish()
    os.close(folder)
    if length == 0:
        assert log.record().path is None
        assert not (tmp_path / "output.log").exists()
        return
    dropped = max(0, length - 20)
    marker = f"\n[campaign left out {dropped} bytes here]\n".encode() if dropped else b""
    assert (tmp_path / "output.log").read_bytes() == data[:10] + marker + data[10:][-10:]
    assert (log.record().total_bytes, log.record().dropped_bytes) == (length, dropped)
    assert log.dropped_within(0, length) == dropped
    assert log.dropped_within(0, 10) == 0


def test_a_flood_is_neither_blocked_nor_kept(desk: Desk) -> None:
    desk.run(shell("echo first"))
    before = _peak_kib(desk.handle.pid)  # it began as a copy of this process, which may be of any size
    order = desk.order(shell("echo first; head -c 300000000 /dev/zero; echo; echo last"))
    exit = desk.carry_out(order)
    assert exit.steps[0].ok
    total = len("first\n") + 300_000_000 + len("\nlast\n")
    assert exit.output.total_bytes == total
    assert exit.output.dropped_bytes == total - HEAD_BYTES - TAIL_BYTES
    text = desk.public(order, "output.log").read_bytes()
    assert text.startswith(b"first\n")
    assert text.endswith(b"\nlast\n")
    assert f"[campaign left out {exit.output.dropped_bytes} bytes here]".encode() in text
    assert _peak_kib(desk.handle.pid) - before < 100 * 1024


def test_a_flood_is_searched_to_its_end(desk: Desk) -> None:
    script = "import sys\nfor n in range(400000): sys.stdout.write(f'line {n} of many, ops {n}\\n')"
    exit = desk.run(
        python(script, metrics=(MetricOrder("ops", r"ops (\d+)$"),)),
        patterns=(PatternOrder("p", "matches", "^line 200000 "), PatternOrder("q", "matches", "never")),
    )
    assert exit.steps[0].metrics == {"ops": "399999"}
    assert exit.matched == ("p",)


def test_each_step_knows_its_own_share(desk: Desk) -> None:
    exit = desk.run(shell("echo one", label="a"), shell("true", label="b"), shell("echo three", label="c"))
    assert [each.output.total_bytes for each in exit.steps] == [4, 0, 6]
    assert exit.output.total_bytes == 10


def test_any_bytes_are_kept_as_they_are(desk: Desk) -> None:
    data = b"\xff\xfe\x1b[2J\x1b]0;title\x07\x00\r\n"
    order = desk.order(python(f"import sys; sys.stdout.buffer.write({data!r})"))
    assert desk.carry_out(order).steps[0].ok
    assert desk.public(order, "output.log").read_bytes() == data


def _peak_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError("no VmHWM")
