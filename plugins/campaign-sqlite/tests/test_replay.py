"""Traces of real writers, killed for real, and what carrying them out again leaves behind."""

import signal
import struct
import subprocess
import sys

import pytest

from campaign.plugins.api import UnableError
from campaign.plugins.registry import Registry
from campaign.plugins.traces import TRUNCATED, TraceWriter, header, keep, read, units
from campaign_sqlite.integrity import inspect
from campaign_sqlite.ledger import read_acknowledged
from campaign_sqlite.operations import ACKNOWLEDGE, BEGIN, CLOSE, COMMIT, CREATE, NAME, PUT, PUT_DATA

SMALL = ("--rows=40", "--keys=200")


@pytest.fixture
def trace(tmp_path):
    return tmp_path / "ops.bin"


def _replay(trace, folder, *flags):
    folder.mkdir()
    argv = [sys.executable, "-P", "-m", "campaign_sqlite.writer", "--database=ledger.db", f"--replay={trace}", *flags]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def _written(trace, *operations, closed=True):
    writer = TraceWriter(str(trace), NAME, 1 << 20)
    for operation in operations:
        writer.add(*operation)
    if closed:
        writer.close()


def test_a_writer_that_ends_is_replayed_to_the_same_database(killer, trace, tmp_path):
    flags = ("--journal=delete", *SMALL)
    with killer.start("--duration-s=0.3", "--threads=2", "--processes=2", f"--trace={trace}", *flags) as writer:
        _, errors = writer.communicate(timeout=60)
    assert writer.returncode == 0, errors
    ended = _replay(trace, tmp_path / "again", *flags)
    assert (ended.returncode, ended.stderr) == (0, "")
    again = tmp_path / "again" / "ledger.db"
    # but for the counters of changes and versions in its header
    assert again.read_bytes()[100:] == killer.database.read_bytes()[100:]
    acknowledged = read_acknowledged(killer.database)
    assert read_acknowledged(again) == acknowledged == set(units(str(trace)))
    assert ended.stdout.splitlines()[-1] == f"commits {len(acknowledged)}"


def test_every_operation_is_there_in_its_order(killer, trace):
    with killer.start("--duration-s=0.3", "--threads=3", f"--trace={trace}", *SMALL) as writer:
        writer.communicate(timeout=60)
    operations = list(read(str(trace), NAME))
    assert operations[0][:3] == (CREATE, 0, 0)
    assert sum(each.kind == CLOSE for each in operations) == 3
    inside = None
    for each in operations:
        if each.kind == BEGIN:
            assert inside is None, "two transactions at once"
            inside, puts = each, 0
        elif each.kind == PUT:
            assert inside is not None
            assert each[1:3] == inside[1:3]
            assert PUT_DATA.unpack(each.data)[0] == puts
            puts += 1
        elif each.kind == COMMIT:
            assert puts == 40
            inside = None
    acknowledged = [each.unit for each in operations if each.kind == ACKNOWLEDGE]
    assert set(acknowledged) == read_acknowledged(killer.database)


@pytest.mark.parametrize("journal", ["off", "wal"])
def test_a_killed_writer_is_replayed_to_its_death(killer, trace, tmp_path, journal):
    killer.kill(0.1, f"--trace={trace}", f"--journal={journal}", "--sync=off")
    assert header(str(trace)).died
    ended = _replay(trace, tmp_path / "again", f"--journal={journal}", "--sync=off")
    assert ended.returncode == -signal.SIGKILL
    last = list(read(str(trace)))[-1]
    acknowledged = read_acknowledged(tmp_path / "again" / "ledger.db")
    assert acknowledged == read_acknowledged(killer.database) - ({last.unit} if last.kind == ACKNOWLEDGE else set())
    if journal == "wal":
        assert inspect(tmp_path / "again" / "ledger.db").wrong is None


def test_a_broken_database_is_broken_again_by_what_was_under_way_alone(killer, trace, tmp_path):
    """Killed in the middle of a large transaction without a journal: of all transactions that one is the failure."""
    flags = ("--journal=off", "--sync=off", "--threads=1", "--rows=2000")
    for kill in range(20):
        killer.fresh_database(str(kill))
        trace = killer.database.with_name("ops.bin")
        killer.kill(0.05, f"--trace={trace}", *flags)
        last = list(read(str(trace)))[-1]
        if inspect(killer.database).wrong and last.kind == PUT and PUT_DATA.unpack(last.data)[0] > 200:
            break
    else:
        pytest.fail("twenty kills in the middle of transactions broke nothing")
    known = units(str(trace))
    for name, indexes, wrong in (("last", [len(known) - 1], True), ("others", range(len(known) - 1), False)):
        keep(str(trace), indexes, str(tmp_path / f"{name}.bin"))
        assert _replay(tmp_path / f"{name}.bin", tmp_path / name, *flags).returncode == -signal.SIGKILL
        assert (inspect(tmp_path / name / "ledger.db").wrong is not None) == wrong


def test_at_its_cap_the_trace_ends_and_the_writer_does_not(killer, trace, tmp_path):
    flags = (f"--trace={trace}", "--trace-bytes=5000")
    with killer.start("--duration-s=0.5", *flags, *SMALL) as writer:
        writer.communicate(timeout=60)
    assert writer.returncode == 0
    assert header(str(trace)).state == TRUNCATED
    assert 5000 <= trace.stat().st_size < 5100
    assert len(read_acknowledged(killer.database)) > len(units(str(trace)))
    ended = _replay(trace, tmp_path / "again")
    assert ended.returncode == 1
    assert "is truncated: what came after it is not known" in ended.stderr


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ([(9, 0, 1)], "operation 2 of the trace, of kind 9, makes no sense there"),
        ([(PUT, 0, 1, PUT_DATA.pack(0, 1, 2))], "operation 2 of the trace, of kind 3, makes no sense there"),
        ([(BEGIN, 0, 1), (PUT, 0, 1, b"x")], "operation 3 of the trace, of kind 3, makes no sense there"),
        ([(BEGIN, 0, 1), (BEGIN, 0, 1)], "cannot start a transaction within a transaction"),
        ([(BEGIN, 0, 1), (BEGIN, 1, 2)], "database is locked"),
        ([(COMMIT, 0, 1)], "cannot commit - no transaction is active"),
        ([(CREATE, 0, 0)], "table account already exists"),
        ([(BEGIN, 0, 1), *((PUT, 0, 1, PUT_DATA.pack(0, 1, 2)),) * 2], "UNIQUE constraint failed"),
    ],
)
def test_a_trace_that_makes_no_sense_is_one_line_and_exit_1(trace, tmp_path, operations, said):
    _written(trace, (CREATE, 0, 0), *operations)
    ended = _replay(trace, tmp_path / "again", *SMALL)
    assert ended.returncode == 1
    assert ended.stderr.startswith("sqlite writer: ")
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("data", [b"", b"garbage" * 100, b"CAMPTRC1o" + b"\xff" * 1000, b"CAMPTRC1oacme/1" + bytes(90)])
def test_what_is_no_trace_of_a_writer_is_one_line_and_exit_1(trace, tmp_path, data):
    trace.write_bytes(data)
    ended = _replay(trace, tmp_path / "again")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)


def test_a_writer_killed_at_once_is_replayed_to_nothing(trace, tmp_path):
    _written(trace, (CREATE, 0, 0), closed=False)
    assert _replay(trace, tmp_path / "again").returncode == -signal.SIGKILL
    assert not (tmp_path / "again" / "ledger.db").exists()


def test_the_tool_counts_and_keeps_transactions(trace, tmp_path):
    registry = Registry()
    registry.use(["sqlite"])
    writer = registry.find("tool", "sqlite.writer")
    _written(trace, (CREATE, 0, 0), (BEGIN, 0, 7), (BEGIN, 1, 9), (COMMIT, 0, 7), (CLOSE, 0, 0))
    assert writer.operations(str(trace)) == 2
    writer.keep(str(trace), [1], str(tmp_path / "kept"))
    assert [each[:3] for each in read(str(tmp_path / "kept"))] == [(CREATE, 0, 0), (BEGIN, 1, 9), (CLOSE, 0, 0)]
    trace.write_bytes(struct.pack("<I", 7))
    with pytest.raises(UnableError, match="is no trace"):
        writer.operations(str(trace))
