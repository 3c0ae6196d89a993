"""Fingerprints: the same for the same bug wherever and whenever it shows, never the same across kinds."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.judge.fingerprint.masking import masked
from campaign.judge.fingerprint.signature import fingerprint as of_grounds
from campaign.judge.fingerprint.signature import grounds_of, signed
from campaign.records import Excerpt

NUMBERS = st.integers(min_value=0, max_value=2**63)
WORDS = st.from_regex(r"[a-z]{1,12}", fullmatch=True)


def fingerprint(kind: str, subject: str, message: str, excerpt: Excerpt | None = None) -> str:
    return of_grounds(grounds_of(kind, subject, message, (), excerpt))


def test_it_is_16_hexadecimal_digits() -> None:
    assert re.fullmatch("[0-9a-f]{16}", fingerprint("fail oracle", "oracle x", "row 7 missing"))


@given(NUMBERS, NUMBERS, NUMBERS, WORDS)
def test_numbers_addresses_and_paths_do_not_matter(row: int, address: int, seed: int, name: str) -> None:
    message = f"row {row} missing from idx_{row} at 0x{address:x}, see /tmp/{name}/seed-{seed}/db.sqlite"
    assert fingerprint("k", "s", message) == fingerprint("k", "s", "row 1 missing from idx_2 at 0xff, see /var/x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("took 12ms of 3 s", "took 1.5s of 20 s"),
        ("at 2026-11-20T10:00:00Z lost", "at 2027-01-02T03:04:05.678Z lost"),
        ("at 2026-11-20 10:00:00 lost", "at 2027-01-02 03:04:05.678 lost"),
        ("rows 1, 2, 3 torn", "rows 17 torn"),
        ("page deadbeefcafe", "page 0123456789ab"),
        ("id 6f1c2a3e-0b1d-4c5e-9f00-112233445566", "id ffffffff-aaaa-bbbb-cccc-000000000000"),
        ("first line 3\nsecond", "first line 9\nanother"),
        ("\n\n  lost  row", "lost row"),
    ],
)
def test_what_differs_from_run_to_run_is_masked(one: str, other: str) -> None:
    assert masked(one) == masked(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("row missing", "row torn"), ("no such table", "no such column"), ("malformed image", "malformed page")],
)
def test_different_words_are_different_bugs(one: str, other: str) -> None:
    assert fingerprint("k", "s", one) != fingerprint("k", "s", other)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_it_never_equals_across_kinds(subject: str, message: str, kind: str) -> None:
    assert fingerprint("a" + kind, subject, message) != fingerprint("b" + kind, subject, message)
    assert fingerprint(kind, subject + "x", message) != fingerprint(kind + "x", subject, message)


def test_the_runs_own_names_are_masked_where_they_are_quoted() -> None:
    own = {"off": "lost 'off' now, it is off", "wal": "lost 'wal' now, it is off"}
    assert masked(own["off"], ["off"]) == masked(own["wal"], ["wal"])
    assert masked("run crash.off.full#3 broke", ["crash.off.full#3"]) == masked("run a.b#1 broke", ["a.b#1"])


def test_a_word_of_the_sentence_is_not_taken_for_a_cell() -> None:
    assert masked("the index is broken", ["index"]) == "the index is broken"


@given(st.text(max_size=5000), st.lists(st.text(max_size=20), max_size=3))
def test_masking_never_fails_and_stays_on_one_line(message: str, names: list[str]) -> None:
    assert len(masked(message, names).splitlines()) <= 1


def test_a_stack_goes_before_the_message() -> None:
    stack = Excerpt("python", "ValueError", ("a.py:f", "b.py:g"))
    assert fingerprint("k", "s", "one", stack) == fingerprint("k", "s", "other", stack)
    assert fingerprint("k", "s", "one", stack) != fingerprint("k", "s", "one")
    other = Excerpt("python", "ValueError", ("a.py:f", "b.py:h"))
    assert fingerprint("k", "s", "one", stack) != fingerprint("k", "s", "one", other)


def test_what_was_dropped_and_where_it_stood_do_not_matter() -> None:
    stack = Excerpt("python", "ValueError", ("a.py:f",))
    same = Excerpt("python", "ValueError", ("a.py:f",), ("json.py:loads",), "output.log")
    assert fingerprint("k", "s", "m", stack) == fingerprint("k", "s", "m", same)


def test_error_lines_stand_beside_the_message() -> None:
    lines = Excerpt("lines", "", ("cannot sync 'x.1'",))
    grounds = grounds_of("k", "s", "exit 1", ("x.1",), lines)
    assert grounds.lines == ("exit #", "cannot sync #")
    assert of_grounds(grounds) != fingerprint("k", "s", "exit 1")


def test_a_plugins_own_name_is_all_that_counts_beside_the_kind() -> None:
    assert of_grounds(signed("fail oracle", "torn page 7")) == of_grounds(signed("fail oracle", "torn page 9"))
    assert of_grounds(signed("fail oracle", "torn page")) != of_grounds(signed("fail exit", "torn page"))


def test_what_a_checker_ends_with_is_kept() -> None:
    assert masked("exit status 1, not 0: row 7 is missing") == "exit status 1, not #: row # is missing"
    assert masked("exit status 2, not 0") != masked("exit status 1, not 0")
