"""Bytes to text, and places in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.diagnostics import Span
from campaign.language.source import MAX_BYTES, MAX_ERRORS, Source, read_source


@given(st.text(), st.data())
def test_a_span_says_where_its_text_stands(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    span = Source("x", text).span(start, end)
    lines = text.split("\n")
    assert text[start:].startswith(lines[span.line - 1][span.column - 1 :])
    before = "\n".join([*lines[: span.end_line - 1], lines[span.end_line - 1][: span.end_column - 1]])
    assert before == text[:end]


def test_lines_are_given_without_their_ends() -> None:
    source = Source("x", "a\r\nb\n")
    assert [source.line(number) for number in (0, 1, 2, 3, 4)] == ["", "a", "b", "", ""]


def test_a_byte_order_mark_is_skipped() -> None:
    assert read_source("x", b"\xef\xbb\xbfuse a") == (Source("x", "use a"), [])


def test_too_many_bytes_are_refused_before_they_are_read() -> None:
    source, (found,) = read_source("x", b"\xff" * (MAX_BYTES + 1))
    assert source is None
    assert found.code == "CAMP002"
    assert read_source("x", b"#" * MAX_BYTES)[0] is not None


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [(b"\xff", 1, 1), (b"ab\xc3", 1, 3), (b"a\n\xc3\xa9\xed\xa0\x80", 2, 2), (b"\xef\xbb\xbf\xff", 1, 1)],
)
def test_what_is_no_utf_8_is_refused_at_its_place(data: bytes, line: int, column: int) -> None:
    source, (found,) = read_source("x", data)
    assert source is None
    assert found.code == "CAMP001"
    assert found.span == Span("x", line, column, line, column + 1)


@pytest.mark.parametrize("char", ["\0", "\x1b", "\x7f", "\x85", "\r", "\u200e", "\u202e", "\u2066", "\u2028", "\ufeff"])
def test_deceiving_characters_are_reported_and_taken_out(char: str) -> None:
    source, (found,) = read_source("x", f"a {char} # b".encode())
    assert found.code == "CAMP003"
    assert found.span == Span("x", 1, 3, 1, 4)
    assert source == Source("x", "a   # b")
    assert char not in found.summary + (found.hint or "")


def test_every_other_character_may_stand() -> None:
    text = 'x = "ü 😀 \u200d א"\r\n\t# 中'
    assert read_source("x", text.encode()) == (Source("x", text), [])


def test_very_many_of_them_are_not_all_reported() -> None:
    _, found = read_source("x", b"\0" * 10_000)
    assert len(found) == MAX_ERRORS


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    source, found = read_source("x", data)
    assert source is not None or found
