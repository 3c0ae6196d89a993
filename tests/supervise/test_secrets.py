"""No secret survives, wherever a chunk ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from campaign.records import MASK, pattern_order
from campaign.supervise.secrets import Masker

from .conftest import Desk, shell

SECRETS = st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=3, unique=True)


@given(SECRETS, st.text("abc", max_size=40), st.lists(st.integers(0, 6), max_size=20))
def test_chunks_make_no_difference(secrets: list[str], text: str, sizes: list[int]) -> None:
    values = tuple(secrets)
    whole = Masker(values)
    expected = whole.feed(text.encode()) + whole.flush()
    masker, at, done = Masker(values), 0, b""
    for size in sizes:
        done += masker.feed(text[at : at + size].encode())
        at += size
    assert done + masker.feed(text[at:].encode()) + masker.flush() == expected


@given(st.text("ab", min_size=1, max_size=6), st.text("abc", max_size=40), st.lists(st.integers(0, 6), max_size=20))
def test_one_secret_is_replaced_everywhere(secret: str, text: str, sizes: list[int]) -> None:
    masker, at, done = Masker((secret,)), 0, b""
    for size in sizes:
        done += masker.feed(text[at : at + size].encode())
        at += size
    done += masker.feed(text[at:].encode()) + masker.flush()
    assert done == text.replace(secret, MASK).encode()


def test_a_secret_that_is_looked_for_is_found_by_its_mask(desk: Desk) -> None:
    found = (pattern_order("contains", "is hunter2-hidden"), pattern_order("matches", "^it is hunter2-hidden$"))
    patterns = (*found, pattern_order("contains", "is hunter2-hidden!"))
    environment = {"HIDDEN": "hunter2-hidden"}
    exit = desk.run(shell("echo it is hunter2-hidden"), environment=environment, masked=("HIDDEN",), patterns=patterns)
    assert sorted(exit.matched) == sorted(each.id for each in found)
