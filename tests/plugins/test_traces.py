"""The trace of a tool: written under kills, forks and caps, read whatever stands in it."""

from __future__ import annotations

import os
import signal
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.plugins.traces import (
    CLOSED,
    HEADER_BYTES,
    MOST_DATA_BYTES,
    OPEN,
    TRUNCATED,
    Operation,
    TraceError,
    TraceWriter,
    framed,
    header,
    keep,
    read,
    units,
)

NAME = "acme.stress/1"
MANY = 1 << 30
OPERATIONS = st.builds(
    Operation,
    kind=st.integers(0, 255),
    worker=st.integers(0, 65535),
    unit=st.integers(0, 9) | st.integers(0, 2**32 - 1),
    data=st.binary(max_size=40),
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ops.bin")


def written(path: str, operations: list[Operation], state: bytes = CLOSED) -> bytes:
    data = struct.pack("<8s1s23s", b"CAMPTRC1", state, NAME.encode()) + b"".join(framed(*each) for each in operations)
    Path(path).write_bytes(data)
    return data


def ops(*numbers: int) -> list[Operation]:
    return [Operation(1, 0, unit, b"x") for unit in numbers]


@given(st.lists(OPERATIONS, max_size=20))
def test_what_is_added_is_read_in_order(tmp_path_factory: pytest.TempPathFactory, operations: list[Operation]) -> None:
    path = str(tmp_path_factory.mktemp("trace") / "ops.bin")
    writer = TraceWriter(path, NAME, MANY)
    for operation in operations:
        writer.add(*operation)
    assert header(path) == (NAME, OPEN)
    writer.close()
    assert header(path) == (NAME, CLOSED)
    assert list(read(path, NAME)) == operations
    assert Path(path).read_bytes() == written(path, operations)


@given(st.lists(OPERATIONS, min_size=1, max_size=6), st.data())
def test_a_trace_that_is_torn_or_damaged_anywhere_yields_a_beginning(
    tmp_path_factory: pytest.TempPathFactory, operations: list[Operation], data: st.DataObject
) -> None:
    path = str(tmp_path_factory.mktemp("trace") / "ops.bin")
    whole = bytearray(written(path, operations, OPEN))
    at = data.draw(st.integers(HEADER_BYTES, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[at:]
    else:
        whole[at] ^= data.draw(st.integers(1, 255))
    Path(path).write_bytes(whole)
    found = list(read(path))
    assert found == operations[: len(found)]
    assert len(found) < len(operations)


def test_a_closed_trace_that_is_damaged_is_said_to_be(path: str) -> None:
    Path(path).write_bytes(written(path, ops(1, 2, 3))[:-1])
    found = []
    with pytest.raises(TraceError, match="is damaged: it was closed, and only 2 operations can be read"):
        found.extend(read(path))
    with pytest.raises(TraceError):
        units(path)
    with pytest.raises(TraceError):
        keep(path, [], path + ".kept")


def test_a_writer_that_is_killed_leaves_all_that_it_added(path: str) -> None:
    child = os.fork()
    if not child:
        writer = TraceWriter(path, NAME, MANY)
        for operation in ops(*range(1, 501)):
            writer.add(*operation)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert header(path).died
    assert list(read(path)) == ops(*range(1, 501))


def test_threads_and_processes_share_one_trace(path: str) -> None:
    writer = TraceWriter(path, NAME, MANY)
    children = []
    for process in range(2):
        child = os.fork()
        if not child:
            threads = [threading.Thread(target=_add, args=(writer, process * 2 + number)) for number in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    writer.close()
    found = list(read(path))
    assert len(found) == 4 * 200
    for worker in range(4):
        assert [each.unit for each in found if each.worker == worker] == list(range(200))


def _add(writer: TraceWriter, worker: int) -> None:
    for number in range(200):
        writer.add(1, worker, number)


def test_at_its_cap_it_stops_for_good_and_says_so(path: str) -> None:
    writer = TraceWriter(path, NAME, 1000)
    writer.add(1, 0, 1, b"x" * 980)
    writer.add(2, 0, 2, b"y")
    writer.add(3, 0, 3)
    writer.close()
    assert [each.kind for each in read(path)] == [1]
    assert header(path) == (NAME, TRUNCATED)
    assert not header(path).died


def test_a_disk_that_is_full_ends_the_trace_not_its_tool() -> None:
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        import resource

        folder = os.path.realpath(os.environ.get("TMPDIR", "/tmp"))
        path = f"{folder}/trace-{os.getpid()}"
        writer = TraceWriter(path, NAME, MANY)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        for operation in ops(*range(1, 50)):
            writer.add(*operation)
        writer.close()
        good = header(path).state == TRUNCATED and len(list(read(path))) == 4
        os.unlink(path)
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nothing_is_written_over_or_through_a_link(path: str, tmp_path: Path) -> None:
    Path(path).write_text("mine")
    with pytest.raises(FileExistsError):
        TraceWriter(path, NAME, MANY)
    os.symlink(path, tmp_path / "link")
    with pytest.raises(FileExistsError):
        TraceWriter(str(tmp_path / "link"), NAME, MANY)
    assert Path(path).read_text() == "mine"


def test_what_is_too_large_for_a_record_is_a_mistake_of_the_tool(path: str) -> None:
    writer = TraceWriter(path, NAME, MANY)
    writer.add(1, 0, 0, bytes(MOST_DATA_BYTES))
    with pytest.raises(ValueError, match="at most 65528"):
        writer.add(1, 0, 0, bytes(MOST_DATA_BYTES + 1))
    with pytest.raises(ValueError, match="no name"):
        TraceWriter(path + "2", "a" * 24, MANY)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no trace"),
        (b"CAMPTRC1o", "is no trace"),
        (b"\x7fELF" + bytes(100), "is no trace"),
        (b"CAMPTRC2o" + bytes(100), "is a trace of version b'2', this reads version 1"),
        (b"CAMPTRC1x" + bytes(100), "is damaged"),
        (b"CAMPTRC1o\xff" + bytes(100), "is damaged"),
        (b"CAMPTRC1oa\nb" + bytes(100), "is damaged"),
    ],
)
def test_what_is_no_trace_is_said_to_be_none(path: str, data: bytes, said: str) -> None:
    Path(path).write_bytes(data)
    for reading in (header, units, lambda path: list(read(path))):
        with pytest.raises(TraceError, match=said):
            reading(path)


def test_the_trace_of_another_tool_is_refused(path: str) -> None:
    written(path, ops(1))
    with pytest.raises(TraceError, match=r"the operations of acme\.stress/1, not of sqlite\.writer/1"):
        list(read(path, "sqlite.writer/1"))


def test_a_folder_and_a_fifo_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in (".", "fifo"):
        with pytest.raises((TraceError, OSError)):
            header(str(tmp_path / name))


def test_a_body_that_is_too_short_ends_the_trace(path: str) -> None:
    whole = written(path, ops(1), OPEN)
    Path(path).write_bytes(whole + bytes(64) + framed(*ops(2)[0]))
    assert list(read(path)) == ops(1)


# --- leaving out ----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 6), max_size=30), st.sets(st.integers(0, 6)), st.sampled_from([OPEN, CLOSED, TRUNCATED]))
def test_a_kept_trace_holds_the_wanted_units_and_unit_0(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], wanted: set[int], state: bytes
) -> None:
    folder = tmp_path_factory.mktemp("trace")
    path, into = str(folder / "ops.bin"), str(folder / "kept.bin")
    written(path, ops(*numbers), state)
    known = units(path)
    assert known == list(dict.fromkeys(number for number in numbers if number))
    indexes = {index for index in wanted if index < len(known)}
    keep(path, indexes, into)
    kept = {0, *(known[index] for index in indexes)}
    assert list(read(into)) == ops(*(number for number in numbers if number in kept))
    assert header(into) == (NAME, state)


def test_a_unit_that_is_not_there_cannot_be_kept(path: str) -> None:
    written(path, ops(5, 6))
    for index in (2, -1):
        with pytest.raises(IndexError):
            keep(path, [index], path + ".kept")
    assert not os.path.exists(path + ".kept")


def test_more_units_than_anybody_minimizes_are_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.plugins.traces.MOST_UNITS", 3)
    written(path, ops(*range(5)))
    with pytest.raises(TraceError, match="more than 3 operations"):
        units(path)
