"""Which name was meant, and when two spellings are one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.language.names import Spelling, meant, nearest, shown
from campaign.language.policies import FAILURES
from campaign.records import FailureKind


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("thread", ["threads", "keys"], "threads"),
        ("tread", ["threads", "keys"], "threads"),
        ("Threads", ["threads"], "threads"),
        ("jurnal-mode", ["journal_mode"], "journal_mode"),
        ("durtaion", ["duration"], "duration"),
        ("banana", ["threads", "keys"], None),
        ("x", ["y"], "y"),
        ("sqlite.writr", ["sqlite.writer", "sqlite.reader"], "sqlite.writer"),
        ("a" * 4000, ["a" * 3999], None),
    ],
)
def test_the_name_that_was_meant(name: str, known: list[str], expected: str | None) -> None:
    assert nearest(name, known) == expected
    assert meant(name, known) == (None if expected is None else f"did you mean {expected}?")


@given(st.text("abcdef", min_size=3, max_size=12), st.integers(0, 11))
def test_one_letter_too_few_is_always_found(name: str, place: int) -> None:
    place %= len(name)
    assert nearest(name[:place] + name[place + 1 :], [name]) == name


def test_the_first_spelling_holds() -> None:
    spelling = Spelling()
    assert spelling.check("cache-size", None) is None
    assert spelling.check("cache-size", None) is None
    wrong = spelling.check("Cache_Size", None)
    assert wrong is not None
    assert wrong.code == "CAMP102"
    assert "cache-size" in wrong.summary


def test_long_names_are_shortened_in_messages() -> None:
    assert shown("a" * 4000) == "a" * 57 + "..."


def test_the_kinds_of_failure_are_those_of_the_records() -> None:
    assert tuple(kind.value for kind in FailureKind) == FAILURES
