from __future__ import annotations

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.plan import identity


def test_a_key_is_cell_and_seed() -> None:
    assert identity.run_key("crash.wal.full", 3) == "crash.wal.full#3"
    assert identity.split_key("crash.wal.full#3") == ("crash.wal.full", 3)
    assert identity.split_key('a[x="b#1"]#-7') == ('a[x="b#1"]', -7)


@pytest.mark.parametrize("text", ["", "#3", "crash", "crash#", "crash#x", "crash#1.5", "crash#٣"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cell#seed"):
        identity.split_key(text)


def test_an_id_is_what_the_page_says() -> None:
    hashed = blake2b(b"12:sqlite-crashcrash.wal.full#3@1", digest_size=10, person=b"campaign.run").hexdigest()
    assert identity.run_id("sqlite-crash", "crash.wal.full#3") == hashed


def test_a_draw_is_what_the_page_says() -> None:
    hashed = blake2b(b"2:atcrash.wal.full#3", digest_size=8, key=b"42", person=b"campaign.draw").digest()
    assert identity.draw(42, "crash.wal.full#3", "at") == int.from_bytes(hashed, "big")


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_name_and_key_never_run_together(name: str, key: str, other_name: str, other_key: str) -> None:
    same = (name, key) == (other_name, other_key)
    assert (identity.run_id(name, key) == identity.run_id(other_name, other_key)) is same


def test_name_key_and_attempt_all_count() -> None:
    ids = {identity.run_id(n, k, a) for n in ("a", "ab") for k in ("b#1", "#1") for a in (1, 2, 11)}
    assert len(ids) == 12


@given(st.integers(), st.text(max_size=9), st.text(max_size=9))
def test_draws_depend_on_seed_key_and_purpose_alone(seed: int, key: str, purpose: str) -> None:
    drawn = identity.draw(seed, key, purpose)
    assert 0 <= drawn < 2**64
    assert drawn == identity.drawer(seed, purpose)(key)
    assert drawn != identity.draw(seed + 1, key, purpose)
    assert drawn != identity.draw(seed, key, purpose + "x")


def test_a_seed_of_any_length_is_a_key() -> None:
    assert identity.draw(10**200, "a#0", "at") != identity.draw(10**200 + 1, "a#0", "at")


@given(st.integers(0, 2**64 - 1), st.integers(1, 10**6))
def test_scaled_draws_stay_below(drawn: int, bound: int) -> None:
    assert 0 <= identity.below(drawn, bound) < bound


def test_a_stream_repeats_itself_and_no_other() -> None:
    def numbers(*of: object) -> list[int]:
        stream = identity.Stream(*of)  # type: ignore[arg-type]
        return [stream.below(10**30) for _ in range(20)]

    assert numbers(1, "a", "sample") == numbers(1, "a", "sample")
    others = [(2, "a", "sample"), (1, "b", "sample"), (1, "a", "cover"), (1, "ea", "sampl")]
    assert all(numbers(*other) != numbers(1, "a", "sample") for other in others)
    assert len(set(numbers(1, "a", "sample"))) == 20
