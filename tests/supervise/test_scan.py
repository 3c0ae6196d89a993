"""Patterns and metrics are found line by line, however the output is cut."""

from __future__ import annotations

from typing import Any

import re2
from hypothesis import given
from hypothesis import strategies as st

from campaign.records import MetricOrder, PatternOrder, pattern_order
from campaign.supervise.scan import LINE_BYTES, Patterns, Scanner

LINES = st.lists(st.text("ab \r0", max_size=8).map(str.encode), max_size=12)
PATTERNS = ["^a", "b$", "^$", r"a\s*b", "[^a]b", r"\Aa", r"b\z", "(?i)A", "a|^b", "(?:a)(b)", r"\bb"]


def scan(
    chunks: list[bytes], patterns: list[PatternOrder], metrics: list[MetricOrder]
) -> tuple[set[str], dict[str, str]]:
    found = Patterns(patterns)
    scanner = Scanner(found, metrics)
    for chunk in chunks:
        scanner.feed(chunk)
    scanner.end()
    return set(found.found), scanner.values


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    return [*chunks, data[at:]]


@given(LINES, st.booleans(), st.lists(st.integers(0, 9), max_size=20), st.sampled_from(PATTERNS))
def test_a_pattern_is_found_where_a_line_matches(
    lines: list[bytes], ended: bool, sizes: list[int], pattern: str
) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    rows = data.split(b"\n")
    if rows[-1] == b"":
        rows.pop()  # what follows the last end of a line is no line
    seen = [row.removesuffix(b"\r") for row in rows]
    found, _ = scan(cut(data, sizes), [PatternOrder("p", "matches", pattern)], [])
    assert ("p" in found) == any(re2.search(pattern, line) for line in seen)


@given(LINES, st.lists(st.integers(0, 9), max_size=20))
def test_the_last_match_of_a_metric_wins(lines: list[bytes], sizes: list[int]) -> None:
    data = b"\n".join(lines)
    every = [match.group(1) for line in data.split(b"\n") for match in re2.finditer("([ab]+)", line)]
    _, values = scan(cut(data, sizes), [], [MetricOrder("m", "([ab]+)")])
    assert values.get("m") == (every[-1].decode() if every else None)


@given(LINES, st.lists(st.integers(0, 9), max_size=20), st.sampled_from(["ab", "a b", " ", "a\nb"]))
def test_a_text_is_found_within_a_line(lines: list[bytes], sizes: list[int], text: str) -> None:
    found, _ = scan(cut(b"\n".join(lines), sizes), [PatternOrder("p", "contains", text)], [])
    assert ("p" in found) == any(text.encode() in line for line in lines)


def test_of_a_line_64_kib_are_seen() -> None:
    line = b"x" * (LINE_BYTES - 1) + b"yz"
    chunks = [line[at : at + 4096] for at in range(0, len(line), 4096)]
    orders = [PatternOrder("y", "contains", "y"), PatternOrder("z", "contains", "z")]
    assert scan([*chunks, b"\nnext\n"], orders, [])[0] == {"y"}


def test_invalid_utf8_does_not_hide_a_match() -> None:
    order = PatternOrder("p", "matches", "^value=(.*) end$")
    assert scan([b"value=\xff\xfe end\n"], [order], [])[0] == {"p"}


def test_a_metric_is_text_of_a_bounded_length() -> None:
    _, values = scan([b"n=" + b"\xff" * 1000], [], [MetricOrder("n", "n=(.*)")])
    assert values["n"] == "�" * 200


def test_an_explosive_expression_stays_linear() -> None:
    order = PatternOrder("p", "matches", "^(a+)+$")
    assert scan([b"a" * 60000 + b"!\n"], [order], [])[0] == set()


@given(LINES, st.lists(st.integers(0, 9), max_size=20), st.sampled_from(["contains", "matches"]))
def test_a_last_word_is_that_of_the_last_line_that_matches(lines: list[bytes], sizes: list[int], kind: Any) -> None:
    seen = [row.removesuffix(b"\r") for row in b"\n".join(lines).split(b"\n")]
    words = [line for line in seen if re2.search("a|b", line)]
    order = pattern_order(kind, "b", "a|b")
    found, _ = scan(cut(b"\n".join(lines), sizes), [order, pattern_order("contains", "0")], [])
    assert (order.id in found) == (bool(words) and b"b" in words[-1])
