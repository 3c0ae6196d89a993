"""What is promised, by what is kept on disk: every case by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_redis.configuration import Persistence
from campaign_redis.history import LEAST_BYTES, History, Recorder, expected, read_history, read_value, value_bytes

ALWAYS = Persistence(appendfsync="always")
EVERYSEC = Persistence(appendfsync="everysec")
NO = Persistence(appendfsync="no")
SNAPSHOTS = Persistence(appendonly=False, save="1 1")


def _history(*lines: str) -> History:
    history = History()
    history.read(f"{line}\n".encode() for line in lines)
    return history


def _numbers(history: History, key: int, persistence: Persistence):
    """The promised write of a key, and those that may be there instead."""
    found = expected(history, key, persistence)
    return found.promised and found.promised.number, [each.number for each in found.instead]


#: Key 5: one write long ago, one just before the server's last sign of life.
TWO = ("server 1 aa", "set 1 5 1", "ack 1 100.0", "set 2 5 1", "ack 2 103.0")


@pytest.mark.parametrize(
    ("persistence", "promised"),
    [(ALWAYS, (2, [])), (NO, (2, [])), (EVERYSEC, (1, [2])), (SNAPSHOTS, (None, [1, 2]))],
)
def test_what_survives_the_kill_of_the_process_is_promised(persistence, promised):
    assert _numbers(_history(*TWO), 5, persistence) == promised


def test_everysec_promises_what_the_server_says_it_has_written():
    assert _numbers(_history(*TWO, "mark 1 1", "written 1"), 5, EVERYSEC) == (2, [])
    assert _numbers(_history(*TWO[:4], "mark 1 1", *TWO[4:], "written 1"), 5, EVERYSEC) == (1, [2])
    assert _numbers(_history(*TWO, "mark 1 1"), 5, EVERYSEC) == (1, [2])


def test_a_snapshot_promises_what_was_acknowledged_before_it_was_begun():
    between = (*TWO[:3], "mark 1 1", *TWO[3:], "saved 1")
    assert _numbers(_history(*between), 5, SNAPSHOTS) == (1, [2])
    assert _numbers(_history(*between, "mark 2 1", "saved 2"), 5, SNAPSHOTS) == (2, [])


def test_what_one_server_says_holds_for_what_was_sent_to_it():
    later = (*TWO, "server 2 bb", "mark 1 2", "written 1", "mark 2 2", "saved 2")
    assert _numbers(_history(*later), 5, EVERYSEC) == (1, [2])
    assert _numbers(_history(*later), 5, SNAPSHOTS) == (None, [1, 2])


def test_the_seconds_count_from_the_last_answer_of_that_server():
    later = (*TWO, "server 2 bb", "set 3 6 2", "ack 3 200.0")
    assert _numbers(_history(*later), 5, EVERYSEC) == (1, [2])


def test_what_was_not_answered_may_be_there_or_not():
    assert _numbers(_history("server 1 aa", "set 1 5 1"), 5, ALWAYS) == (None, [1])
    assert _numbers(_history(*TWO, "set 3 5 1", "unknown 3"), 5, ALWAYS) == (2, [3])


def test_what_was_not_answered_may_be_done_late_as_long_as_its_server_lives():
    hung = ("server 1 aa", "set 1 5 1", "unknown 1", "set 2 5 1", "ack 2 100.0")
    assert _numbers(_history(*hung), 5, ALWAYS) == (2, [1])
    anew = (*hung, "server 2 bb", "set 3 5 2", "ack 3 101.0")
    assert _numbers(_history(*anew), 5, ALWAYS) == (3, [])


def test_what_was_refused_is_not_there():
    assert _numbers(_history(*TWO, "set 3 5 1", "refused 3"), 5, ALWAYS) == (2, [])


def test_a_line_that_is_not_whole_does_not_count(tmp_path):
    (tmp_path / "h").write_bytes(b"server 1 aa\nset 1 5 1\nack 1 100.0")
    history = read_history(tmp_path / "h")
    assert (history.acknowledged, _numbers(history, 5, ALWAYS)) == (0, (None, [1]))


def test_what_is_recorded_is_read(tmp_path):
    recorder = Recorder(tmp_path / "h")
    recorder.add("server", 1, "aa")
    recorder.add("set", 1, 5, 1)
    recorder.add("ack", 1, "100.000000")
    recorder.close()
    assert read_history(tmp_path / "h").acknowledged == 1


@given(
    st.integers(0, 10**6), st.integers(1, 10**9), st.integers(LEAST_BYTES, 300), st.integers(0, 299), st.integers(0, 7)
)
def test_a_value_tells_its_write_and_a_flipped_bit_does_not(key, number, size, at, bit):
    value = bytearray(value_bytes(key, number, size))
    assert len(value) == size
    assert read_value(key, bytes(value)) == number
    assert read_value(key + 1, bytes(value)) is None
    value[at % size] ^= 1 << bit
    assert read_value(key, bytes(value)) != number
