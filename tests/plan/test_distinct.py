from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.language.axes import Stretch
from campaign.plan.distinct import check_names, reads_both, reads_twice, trie
from campaign.plan.matrix import cells
from campaign.plan.scenario import Axis, Scenario
from campaign.units import Value

from .made import SPAN, axis, scenario


def codes(*scenarios: Scenario) -> list[str]:
    return [found.code for found in check_names(scenarios)]


class Range(Sequence[tuple[Value, ...]]):
    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Value, ...]:  # type: ignore[override]
        return (range(self.size)[index],)


def long(name: str) -> Axis:
    return Axis(names=(name,), points=Range(10**12), declared=(SPAN,))


@pytest.mark.parametrize(
    ("label", "x", "y", "shared"),
    [
        ("a.{x}{y}", ("a", "ab"), ("bc", "c"), True),
        ("a.{x}{y}", ("aa", "ab"), ("bc", "c"), False),
        ("a.{x}{y}", (1, 12), (23, 3), True),
        ("a.{x}-{y}", ("a", "ab"), ("bc", "c"), False),
        ("a.{x}.{y}", ("a", "a.b"), ("b.c", "c"), True),
        ("a.{x}.{y}", ("a", "a.b"), ("c", "d"), False),
        ("a.{x}{y}", ("1mV", "12mV"), ("3V", "2V"), False),
        ("a.{x}", ("a", "ab"), ("bc", "c"), False),
    ],
)
def test_a_separator_is_asked_for_where_cells_share_a_name(
    label: str, x: tuple[Value, ...], y: tuple[Value, ...], shared: bool
) -> None:
    made = scenario(label, axis("x", *x), axis("y", *y))
    every = [cell.name for cell in cells(made, 0)]
    assert (len(set(every)) < len(every)) is shared
    assert codes(made) == (["CAMP200"] if shared else [])


@pytest.mark.parametrize(
    ("first", "step", "label", "proved"),
    [
        (1, 1, "a.{x}.{y}", True),
        (1, 1, "a.{x}{y}", False),
        (1, Fraction(1, 2), "a.{x}.{y}", False),
        (Fraction(3, 2), 1, "a.{x}.{y}", False),
        (-5, 1, "a.{x}.{y}", True),
    ],
)
def test_of_a_long_even_range_only_the_characters_that_it_needs_count(
    first: int | Fraction, step: int | Fraction, label: str, proved: bool
) -> None:
    axes = [Axis(names=(name,), points=Stretch(first, 10**6, step), declared=(SPAN,)) for name in ("x", "y")]
    assert codes(scenario(label, *axes)) == ([] if proved else ["CAMP200"])


def test_the_hint_is_a_separator_that_works() -> None:
    (found,) = check_names([scenario("a.{x}{y}", axis("x", "a", "a.b"), axis("y", "b.c", "c", ".bz", "z"))])
    assert found.hint is not None
    assert "{x}-{y}" in found.hint


words = st.lists(st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=5, unique=True)


@given(st.lists(words, min_size=1, max_size=4))
def test_the_proof_agrees_with_listing_every_name(pieces: list[list[str]]) -> None:
    every = ["".join(row) for row in product(*pieces)]
    assert reads_twice([trie(piece) for piece in pieces]) is (len(set(every)) < len(every))


@given(st.lists(words, min_size=1, max_size=3), st.lists(words, min_size=1, max_size=3))
def test_two_instances_share_a_name_where_listing_finds_one(one: list[list[str]], other: list[list[str]]) -> None:
    shared = {"".join(row) for row in product(*one)} & {"".join(row) for row in product(*other)}
    assert reads_both([trie(piece) for piece in one], [trie(piece) for piece in other]) is bool(shared)


def test_a_range_too_long_to_list_is_proved_by_its_form() -> None:
    assert codes(scenario("a.{m}_{n}", long("m"), long("n"))) == []
    assert codes(scenario("a.{m}{n}", long("m"), long("n"))) == ["CAMP200"]
    assert codes(scenario("a.{m}x", long("m")), scenario("a.{n}y", long("n"))) == []


def test_instances_are_told_apart_too() -> None:
    assert codes(scenario("a.{x}", axis("x", "b", "c")), scenario("a.b")) == ["CAMP200"]
    assert codes(scenario("a.{x}", axis("x", "b", "c")), scenario("a.d")) == []
    assert codes(scenario("a", axis("x", 1)), scenario("a", axis("y", 1))) == []
    assert codes(scenario("a", axis("x", 1)), scenario("a", axis("x", 2))) == []
    assert codes(scenario("a"), scenario("a")) == ["CAMP200"]
    assert codes(scenario("a"), scenario("ab"), scenario("b")) == []


def test_values_written_alike_are_an_error() -> None:
    assert codes(scenario("a", axis("d", "1s", "1000ms"))) == ["CAMP150"]


@pytest.mark.parametrize("value", ["a b", "", "a/b", "..\n", "é"])
def test_a_placeholder_takes_no_unsafe_string(value: str) -> None:
    assert codes(scenario("a.{x}", axis("x", "ok", value))) == ["CAMP201"]
    assert codes(scenario("a", axis("x", "ok", value))) == []
