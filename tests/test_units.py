"""Exact quantities: what is read is what is meant, and writing it again loses nothing."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from campaign.units import (
    COMPOUND,
    UNITS,
    Dimension,
    Quantity,
    UnitError,
    format_exact,
    format_number,
    format_quantity,
    format_value,
    parse_number,
    parse_quantity,
    to_json,
)

decimals = st.builds(lambda digits, power: Fraction(digits, 10**power), st.integers(), st.integers(0, 12))
quantities = st.builds(Quantity.of, decimals, st.sampled_from(sorted(UNITS)))


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("850mV", Fraction(17, 20), Dimension.VOLTAGE),
        ("1h30m", Fraction(5400), Dimension.DURATION),
        ("1d2h3m4s5ms6us7ns", Fraction(93784005006007, 10**9), Dimension.DURATION),
        ("3.2GHz", Fraction(3_200_000_000), Dimension.FREQUENCY),
        ("10_000B", Fraction(10_000), Dimension.SIZE),
        ("-5C", Fraction(-5), Dimension.TEMPERATURE),
        ("90%", Fraction(9, 10), Dimension.RATIO),
    ],
)
def test_reads_exactly(text: str, value: Fraction, dimension: Dimension) -> None:
    quantity = parse_quantity(text)
    assert (quantity.value, quantity.dimension) == (value, dimension)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mV",
        "5",
        "5xV",
        "0x5V",
        "1e3V",
        "NaN",
        "infs",
        "1m1h",
        "1h1h",
        "1.5h30m",
        "1V2mV",
        "1__0s",
        "_1s",
        "1_s",
        "１s",
        "5 V",
        "٣V",
    ],
)
def test_refuses_what_is_no_quantity(text: str) -> None:
    with pytest.raises(UnitError):
        parse_quantity(text)


@pytest.mark.parametrize("text", ["", "-", "1_", "_1", "1__0", "0x10", "1e3", "1.", ".5", "NaN", "１", "+1"])
def test_refuses_what_is_no_number(text: str) -> None:
    with pytest.raises(UnitError):
        parse_number(text)


def test_twenty_one_values_from_850_to_1050_by_10() -> None:
    first, last, step = map(parse_quantity, ("850mV", "1050mV", "10mV"))
    count = (last - first) / step
    assert count == 20
    assert str(first + step * 20) == "1050mV"


def test_a_ratio_is_a_plain_number() -> None:
    assert parse_quantity("90%") == Fraction(9, 10)
    assert Fraction(9, 10) == parse_quantity("90%")
    assert hash(parse_quantity("90%")) == hash(Fraction(9, 10))
    assert 1 - parse_quantity("90%") == Fraction(1, 10)


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        (lambda a, b: a + b, "cannot be added"),
        (lambda a, b: a < b, "cannot be compared"),
        (lambda a, b: a * b, "cannot be multiplied"),
        (lambda a, b: a / b, "cannot be divided"),
    ],
)
def test_dimensions_do_not_mix(operation, sentence: str) -> None:
    with pytest.raises(UnitError, match=sentence):
        operation(parse_quantity("5V"), parse_quantity("1s"))


def test_equal_dimensions_divide_to_a_number() -> None:
    assert parse_quantity("1h") / parse_quantity("1m") == 60


def test_what_has_no_finite_decimal_form_is_refused() -> None:
    with pytest.raises(UnitError, match="no finite decimal form"):
        format_number(Fraction(1, 3))
    assert str(Quantity(Fraction(100), Dimension.DURATION, "h")) == "1m40s"


def test_a_compound_duration_is_written_largest_unit_first() -> None:
    assert str(parse_quantity("90m").with_unit(COMPOUND)) == "1h30m"
    assert str(parse_quantity("1h30m")) == "1h30m"
    assert str(parse_quantity("1h30m").with_unit("m")) == "90m"


@given(quantities)
def test_writing_and_reading_is_the_identity(quantity: Quantity) -> None:
    assert parse_quantity(str(quantity)) == quantity


@given(decimals)
def test_numbers_are_written_exactly(number: Fraction) -> None:
    assert parse_number(format_number(number)) == number


@given(quantities, quantities)
def test_equal_quantities_hash_alike_and_order_is_total(a: Quantity, b: Quantity) -> None:
    assume(a.dimension is b.dimension)
    assert (a < b) + (a == b) + (a > b) == 1
    assert (a == b) <= (hash(a) == hash(b))
    assert (a + b) - b == a


@given(quantities, st.sampled_from(sorted(UNITS)))
def test_a_unit_changes_the_spelling_only(quantity: Quantity, unit: str) -> None:
    assume(UNITS[unit][0] is quantity.dimension)
    try:
        written = format_quantity(quantity, unit)
    except UnitError:
        assume(False)
    assert parse_quantity(written) == quantity.with_unit(unit) == quantity


def test_a_quantity_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        parse_quantity("1s").value = Fraction(2)


@pytest.mark.parametrize(
    ("value", "text", "json"),
    [
        (True, "true", True),
        (10_000, "10000", 10_000),
        (Fraction(1, 4), "0.25", 0.25),
        (Fraction(19, 20), "0.95", 0.95),
        (Fraction(10**20 + 1, 10**19), "10.0000000000000000001", "10.0000000000000000001"),
        ("wal", "wal", "wal"),
        (parse_quantity("10s"), "10s", "10s"),
        ((1, parse_quantity("2V")), "[1, 2V]", [1, "2V"]),
    ],
)
def test_values_as_text_and_as_json(value, text: str, json: object) -> None:
    assert format_value(value) == text
    assert to_json(value) == json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(1, 3), "1 / 3"),
        (parse_quantity("10s") / 3, "10s / 3"),
        (parse_quantity("1h30m") / 7, "5400s / 7"),
        ((Fraction(1, 2), Fraction(-1, 7)), "[0.5, -1 / 7]"),
    ],
)
def test_what_has_no_decimal_is_written_as_a_division(value, text: str) -> None:
    assert format_exact(value) == text
