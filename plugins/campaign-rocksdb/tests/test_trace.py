"""Traces: every operation in its order, and the same again from them."""

import re
import signal
import subprocess
import sys

import pytest

from campaign.plugins.api import Step, parse_quantity
from campaign.plugins.parameters import defaults
from campaign.plugins.registry import Registry
from campaign.plugins.traces import CLOSED, TRUNCATED, TraceWriter, header, keep, read, units
from campaign_rocksdb.history import history_file, read_history
from campaign_rocksdb.operations import OPERATIONS, Kind


def traced(writing, database, *flags: str) -> str:
    trace = str(database.parent / "ops.bin")
    writing.write(database, f"--trace={trace}", "--duration-s=0.4", *flags)
    return trace


def replay(trace, database, *flags: str) -> subprocess.CompletedProcess:
    argv = [sys.executable, "-P", "-m", "campaign_rocksdb.replay", f"--database={database}", *flags, str(trace)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def values(database) -> dict[int, int]:
    """What each key holds by the expected values of a database that was closed."""
    history = read_history(database)
    assert history.closed
    return {key: each.number for key, each in history.settled.items() if each.size is not None}


def test_a_replay_does_what_the_trace_says(writing, judged, tmp_path):
    trace = traced(writing, tmp_path / "db", "--reopens=1", "--flush-every-s=0.1")
    assert header(trace) == (OPERATIONS, CLOSED)
    kinds = [operation.kind for operation in read(trace, OPERATIONS)]
    assert kinds.count(Kind.REOPEN) == 1
    assert kinds.count(Kind.PUT) + kinds.count(Kind.DELETE) == read_history(tmp_path / "db").acknowledged
    ended = replay(trace, tmp_path / "again")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {"sessions 2", f"operations {len(kinds) - 1 - kinds.count(Kind.FLUSH)}"} <= set(ended.stdout.splitlines())
    assert values(tmp_path / "again") == values(tmp_path / "db")
    assert judged(tmp_path / "again").wrong is None


def test_the_order_of_a_trace_is_the_order_of_the_operations(writing, tmp_path):
    trace = traced(writing, tmp_path / "db", "--threads=1")
    lines = [line.split() for line in history_file(tmp_path / "db").read_text().splitlines()]
    asked = [int(words[2]) for words in lines if words[0] in ("put", "delete")]
    assert [operation.unit for operation in read(trace)] == asked == units(trace)


def test_where_its_writer_was_killed_a_replay_kills_itself_and_loses_the_same(writing, judged, tmp_path):
    (tmp_path / "again").mkdir()
    trace = tmp_path / "ops.bin"
    writing.kill(tmp_path / "db", 800, "--wal=false", f"--trace={trace}", "--memtable-bytes=1000000")
    assert header(str(trace)).died
    ended = replay(trace, tmp_path / "again/db", "--wal=false", "--memtable-bytes=1000000")
    assert ended.returncode == -signal.SIGKILL
    for database in (tmp_path / "db", tmp_path / "again/db"):
        assert judged(database).wrong is None
        assert re.match(r"acknowledged .* is lost: it holds nothing", judged(database, everything=True).wrong)


def test_a_part_of_a_trace_can_be_replayed(writing, judged, tmp_path):
    trace = traced(writing, tmp_path / "db")
    keep(trace, range(0, len(units(trace)), 3), str(tmp_path / "part.bin"))
    ended = replay(tmp_path / "part.bin", tmp_path / "again")
    assert ended.returncode == 0, ended.stderr
    assert judged(tmp_path / "again", everything=True).wrong is None
    assert read_history(tmp_path / "again").acknowledged == -(-len(units(trace)) // 3)


def test_a_trace_stops_at_its_cap_and_says_so(writing, tmp_path):
    trace = traced(writing, tmp_path / "db", "--trace-bytes=2000")
    assert header(trace).state == TRUNCATED
    assert len(units(trace)) == 94  # of 21 bytes, behind a header of 32
    ended = replay(trace, tmp_path / "again")
    assert ended.returncode == 1
    assert ended.stderr == f"rocksdb replay: {trace} is truncated: what came after it is not known\n"


@pytest.mark.parametrize("name", ["sqlite.writer/1", OPERATIONS])
def test_what_is_no_trace_of_this_tool_is_one_line_and_exit_1(tmp_path, name):
    writer = TraceWriter(str(tmp_path / "ops.bin"), name, 1000)
    writer.add(99, 0, 1)
    writer.close()
    ended = replay(tmp_path / "ops.bin", tmp_path / "db")
    assert ended.returncode == 1
    assert ended.stderr.startswith("rocksdb replay: ")
    assert len(ended.stderr.splitlines()) == 1


def test_the_provider_asks_for_a_trace_and_for_its_replay(tmp_path):
    registry = Registry()
    registry.use(["rocksdb"])
    tool = registry.find("tool", "rocksdb.stress")
    assert tool.traces
    settings = {**defaults(tool), "duration": parse_quantity("200ms"), "wal": False}
    step = Step(
        label="s", settings=settings, workdir=str(tmp_path), seed=1, random=7, instance="i", cell="i", attempt=1,
        trace=str(tmp_path / "ops.bin"), trace_bytes=1 << 20,
    )  # fmt: skip
    ended = subprocess.run(tool.command(step).argv, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert tool.operations(str(tmp_path / "ops.bin")) > 0
    (tmp_path / "again").mkdir()
    command = tool.replay(step, str(tmp_path / "ops.bin"))
    again = subprocess.run(command.argv, cwd=tmp_path / "again", capture_output=True, check=False, timeout=60)
    assert again.returncode == 0, again.stderr
    assert values(tmp_path / "again/db") == values(tmp_path / "db")
