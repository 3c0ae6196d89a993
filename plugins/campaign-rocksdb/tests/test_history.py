"""The expected values: what is promised at every moment, and that a file is readable wherever its writer died."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_rocksdb.history import History, Recorder, history_file, key_bytes, read_history, read_value, value_bytes
from campaign_rocksdb.judging import collect, wrong_with


def follow(text: str, everything: bool = False) -> History:
    history = History(everything)
    history.read(iter(text.encode().splitlines(keepends=True)))
    return history


def wrong(text: str, everything: bool = False, **numbers: int) -> str | None:
    """What is wrong where each key (``k3=812``) holds the value of that operation."""
    history = follow(text, everything)
    sizes = {each.number: each.size for key in history.asked() for each in history.candidates(key)}
    pairs = []
    for name, number in numbers.items():
        key = int(name[1:])
        pairs.append((key_bytes(key), value_bytes(key, number, sizes.get(number) or 40)))
    return wrong_with(history, collect(pairs))


LOG = "open 1 log\nput 3 1 40\nack 3 1\nput 3 2 40\nack 3 2\n"
NO_LOG = "open 1 nolog\nput 3 1 40\nack 3 1\nflush 1\nput 3 2 40\nack 3 2\nflushed 1\n"


def test_with_a_log_whatever_was_acknowledged_must_be_there():
    assert wrong(LOG, k3=2) is None
    assert wrong(LOG, k3=1) == "acknowledged put 2 of key 3 is lost: it holds put 1"
    assert wrong(LOG) == "acknowledged put 2 of key 3 is lost: it holds nothing"


def test_without_one_only_what_was_acknowledged_before_a_flush_that_returned():
    assert wrong(NO_LOG, k3=2) is None
    assert wrong(NO_LOG, k3=1) is None
    assert wrong(NO_LOG) == "acknowledged and flushed put 1 of key 3 is lost: it holds nothing"
    assert wrong(NO_LOG.replace("flushed 1\n", "")) is None


def test_who_asks_for_everything_gets_it_without_a_log_too():
    assert wrong(NO_LOG, everything=True, k3=2) is None
    assert wrong(NO_LOG, everything=True, k3=1) == "acknowledged put 2 of key 3 is lost: it holds put 1"


def test_what_was_in_flight_may_be_there_or_not():
    text = LOG + "put 3 5 40\n"
    assert wrong(text, k3=2) is None
    assert wrong(text, k3=5) is None
    assert wrong(text, k3=1) is not None
    text = LOG + "delete 3 5\n"
    assert wrong(text, k3=2) is None
    assert wrong(text) is None


def test_a_delete_must_hold_too():
    text = LOG + "delete 3 5\nack 3 5\n"
    assert wrong(text) is None
    assert wrong(text, k3=2) == "acknowledged delete 5 of key 3 is lost: it holds put 2"


def test_a_close_promises_what_a_flush_does():
    text = "open 1 nolog\nput 3 1 40\nack 3 1\nclose 1\n"
    assert wrong(text) is None
    assert wrong(text + "closed 1\n") is not None
    assert follow(text + "closed 1\n").closed
    assert not follow(text).closed


def test_what_is_about_to_be_opened_is_closed_no_more():
    """A writer that is killed while RocksDB recovers may leave something unfinished."""
    text = "open 1 log\nclose 1\nclosed 1\n"
    assert follow(text).closed
    assert not follow(text + "opening\n").closed


def test_what_a_session_found_is_what_must_be_there_from_then_on():
    text = "open 1 nolog\nput 3 1 40\nack 3 1\nput 4 2 40\n"
    reopened = text + "known 3 0\nknown 4 2\nopen 2 log\n"
    assert wrong(reopened, k4=2) is None
    assert wrong(reopened, k3=1, k4=2) is not None
    assert wrong(reopened) == "acknowledged put 2 of key 4 is lost: it holds nothing"
    # what it found does not count before the session has begun
    assert wrong(text + "known 3 0\n", k3=1) is None


def test_what_was_lost_before_a_session_stays_lost_for_whoever_asks_for_everything():
    text = "open 1 nolog\nput 3 1 40\nack 3 1\nknown 3 0\nopen 2 log\nput 4 2 40\nack 4 2\n"
    assert wrong(text, k4=2) is None
    assert wrong(text, everything=True, k4=2) == "acknowledged put 1 of key 3 is lost: it holds nothing"


def test_a_hole_is_found_where_nothing_was_promised():
    """Operation 1 was acknowledged before 2 began: a crash may take both, or 2 alone."""
    text = "open 1 nolog\nput 3 1 40\nack 3 1\nput 4 2 40\nack 4 2\n"
    assert wrong(text) is None
    assert wrong(text, k3=1) is None
    assert wrong(text, k3=1, k4=2) is None
    assert wrong(text, k4=2) == "there is a hole: put 1 of key 3 is lost, put 2 of key 4, begun after it, is there"
    at_once = "open 1 nolog\nput 3 1 40\nput 4 2 40\nack 3 1\nack 4 2\n"
    assert wrong(at_once, k4=2) is None  # they overlapped: either may have been first


def test_what_nobody_wrote_is_found():
    history = follow(LOG)
    assert wrong_with(history, collect([(b"other", b"x")])) == "a key that was never written is there: b'other'"
    value = value_bytes(3, 2, 40)[:-1] + b"!"
    assert wrong_with(history, collect([(key_bytes(3), value)])) == "key 3 holds 40 bytes that were never written to it"
    assert wrong(LOG, k3=2, k9=7) == "key 9 holds put 7, which was never asked for"


@pytest.mark.parametrize("size", [32, 33, 100, 5000])
def test_a_value_belongs_to_one_key_and_one_operation(size):
    value = value_bytes(17, 812, size)
    assert len(value) == size
    assert read_value(17, value) == 812
    assert read_value(18, value) is None
    assert read_value(17, value[:-1] + b"\0\0") is None
    assert read_value(17, bytes([value[0] ^ 1]) + value[1:]) is None


def test_a_writer_that_died_in_a_line_leaves_a_file_that_its_successor_goes_on_with(tmp_path):
    database = tmp_path / "db"
    history_file(database).write_bytes(LOG.encode() + b"ack 3 1")
    Recorder(database).put(3, 7, 40)
    history = read_history(database)
    assert [str(each) for each in history.candidates(3)] == ["put 2", "put 7"]


@st.composite
def stories(draw):
    """The lines of a writer with a few threads, each of which asks one thing at a time of keys of its own."""
    lines, number, asked, flushes = [f"open 1 {draw(st.sampled_from(['log', 'nolog']))}"], 0, {}, 0
    for _ in range(draw(st.integers(0, 25))):
        thread = draw(st.integers(0, 2))
        if thread in asked:
            lines.append("ack {} {}".format(*asked.pop(thread)))
        elif draw(st.integers(0, 9)) == 0:
            flushes += 1
            lines += [f"flush {flushes}", f"flushed {flushes}"]
        else:
            number += 1
            key = thread + 3 * draw(st.integers(0, 1))
            lines.append(f"put {key} {number} 40" if draw(st.booleans()) else f"delete {key} {number}")
            asked[thread] = (key, number)
    return "\n".join(lines) + "\n"


@given(stories(), st.data())
def test_wherever_a_writer_dies_nothing_is_promised_that_was_not_before(story, data):
    """Cut anywhere: what the whole lines say, and nothing else."""
    at = data.draw(st.integers(0, len(story)))
    whole = story[:at][: story[:at].rfind("\n") + 1]
    cut, before = follow(story[:at]), follow(whole)
    assert (cut.settled, cut.later, cut.acknowledged) == (before.settled, before.later, before.acknowledged)


@given(stories(), st.data())
def test_a_database_that_holds_every_beginning_of_what_was_done_is_sound(story, data):
    """Any state that a crash may leave: a beginning of the operations, not shorter than what was promised."""
    history = follow(story)
    done = [line.split() for line in story.splitlines() if line.startswith(("put", "delete"))]
    promised = max((each.number for each in history.settled.values()), default=0)
    upto = data.draw(st.integers(promised, len(done)))
    state = {}
    for words in done[:upto]:
        if words[0] == "put":
            state[int(words[1])] = int(words[2])
        else:
            state.pop(int(words[1]), None)
    found = collect((key_bytes(key), value_bytes(key, number, 40)) for key, number in state.items())
    if follow(story).log:
        acknowledged = max((int(line.split()[2]) for line in story.splitlines() if line[:3] == "ack"), default=0)
        assert promised == acknowledged
    assert wrong_with(history, found) is None
