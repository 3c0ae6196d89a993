"""The claim of the package, on real kills: what is promised is there, and what is not promised is lost."""

import re

import pytest

from campaign_rocksdb.history import read_history


@pytest.mark.parametrize("flags", [(), ("--sync=true",), ("--value-bytes=9000", "--threads=1")])
def test_with_a_log_no_acknowledged_write_is_lost(writing, judged, tmp_path, flags):
    for number, acknowledged in enumerate((50, 600)):
        database = tmp_path / str(number) / "db"
        database.parent.mkdir()
        writing.kill(database, acknowledged, *flags)
        finding = judged(database, everything=True)
        assert finding.wrong is None
        assert finding.acknowledged >= acknowledged


def test_without_one_only_what_was_flushed_is_promised(writing, judged, tmp_path):
    writing.kill(tmp_path / "db", 1500, "--wal=false", "--flush-every-s=0.2", "--memtable-bytes=1000000")
    assert judged(tmp_path / "db").wrong is None
    everything = judged(tmp_path / "db", everything=True)
    assert re.match(r"acknowledged (put|delete) \d+ of key \d+ is lost: it holds ", everything.wrong)


def test_what_a_closed_writer_left_is_whole_with_a_log_or_without(writing, judged, tmp_path):
    output = writing.write(tmp_path / "db", "--wal=false", "--duration-s=0.4", "--reopens=1")
    finding = judged(tmp_path / "db", everything=True)
    assert finding.wrong is None
    assert finding.notes == ()
    assert f"operations {finding.acknowledged}" in output.splitlines()
    assert read_history(tmp_path / "db").sessions == 2


def test_a_writer_goes_on_where_a_killed_one_stopped(writing, judged, tmp_path):
    writing.kill(tmp_path / "db", 300, "--wal=false")
    writing.kill(tmp_path / "db", 900)
    writing.write(tmp_path / "db", "--duration-s=0.2")
    assert judged(tmp_path / "db").wrong is None
