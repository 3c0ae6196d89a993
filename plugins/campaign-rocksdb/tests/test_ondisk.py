"""Logs that end in the middle of a record, and what MANIFESTs and CURRENTs say."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_rocksdb.ondisk import Flaw, current_manifest, flaw_of, live_tables, oldest_log

BLOCK = 32768


def log(*sizes: int) -> tuple[bytes, list[int]]:
    """A log with records of these sizes, and where each ends."""
    data, ends = bytearray(), []
    for size in sizes:
        left, first, last = size, True, False
        while not last:
            room = BLOCK - len(data) % BLOCK
            if room < 7:
                data += bytes(room)
                continue
            part = min(left, room - 7)
            last = part == left
            kind = (1 if last else 2) if first else (4 if last else 3)
            data += b"CRC!" + part.to_bytes(2, "little") + bytes([kind]) + b"x" * part
            left, first = left - part, False
        ends.append(len(data))
    return bytes(data), ends


@given(st.lists(st.integers(0, 3 * BLOCK), max_size=6), st.data())
def test_a_cut_is_found_unless_it_falls_between_records(sizes, data):
    whole, ends = log(*sizes)
    assert flaw_of(whole) is None
    at = data.draw(st.integers(0, len(whole)))
    starts = [0, *ends]
    begun = max(start for start in starts if start <= at)
    if at in starts or (at - begun < 7 and BLOCK - begun % BLOCK < 7):  # between records, or in a block's empty end
        assert flaw_of(whole[:at]) is None
    else:
        assert flaw_of(whole[:at]).cut
        assert begun <= flaw_of(whole[:at]).at < begun + 7


def test_the_empty_end_of_a_block_is_no_record():
    whole, _ = log(BLOCK - 7 - 5)
    for more in range(6):
        assert flaw_of(whole + bytes(more)) is None


def test_what_is_no_record_is_no_cut_that_a_crash_may_have_left():
    whole, ends = log(100, 100, 100)
    for at, value in ((ends[1] + 5, 0xFF), (ends[1] + 6, 0xFE)):
        damaged = bytearray(whole)
        damaged[at] = value
        assert flaw_of(bytes(damaged)) == Flaw(ends[1], cut=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "CURRENT is missing"),
        (b"", "CURRENT is damaged: it names 'nothing'"),
        (b"MANIFEST-00", "CURRENT is damaged: it names 'MANIFEST-00'"),
        (b"MANIFEST-../../x\n", "CURRENT is damaged: it names 'MANIFEST-../../x'"),
        (random.Random(0).randbytes(100), "CURRENT is damaged"),
    ],
)
def test_a_current_that_names_no_manifest_is_told(tmp_path, text, message):
    if text is not None:
        (tmp_path / "CURRENT").write_bytes(text)
    with pytest.raises(ValueError, match=r"^CURRENT is") as caught:
        current_manifest(tmp_path)
    assert str(caught.value).startswith(message)


def test_what_a_dump_of_a_manifest_says():
    dump = """\
--------------- Column family "default"  (ID 0) --------------
log number: 48
--- level 0 --- version# 1 ---
 49:230720[18556 .. 19567]['key00000555' seq:18556, type:1 .. 'key00001566' seq:19567, type:1]
 7:454641[0 .. 0]['key00000000' seq:0, type:1 .. 'key00001999' seq:0, type:1]
--- level 1 --- version# 1 ---
"""
    assert live_tables(dump) == {49: 230720, 7: 454641}
    assert oldest_log(dump) == 48
