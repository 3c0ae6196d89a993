"""``*``, the only wildcard."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.plugins.wildcards import matches

TEXTS = st.text("ab*/.", max_size=8)


@pytest.mark.parametrize(
    ("pattern", "text", "same"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("*", "", True),
        ("*", "a/b", True),
        ("a*", "ab", True),
        ("a*b*c", "aXbYc", True),
        ("a*b*c", "acb", False),
        ("ab*ba", "aba", False),
        ("*a*a", "a", False),
        ("*.off", "crash.off", True),
        ("db/*.sst", "db/x/1.sst", True),
        ("db/*.sst", "db/1.log", False),
        ("a.c", "abc", False),
        ("[a]", "a", False),
    ],
)
def test_a_star_is_any_characters(pattern: str, text: str, same: bool) -> None:
    assert matches(pattern, text) is same


@given(TEXTS, TEXTS)
def test_it_says_what_a_regular_expression_would(pattern: str, text: str) -> None:
    same = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL)
    assert matches(pattern, text) is bool(same)
