"""No secret survives, wherever a chunk ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from campaign.records import MASK
from campaign.supervise.secrets import Masker

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
