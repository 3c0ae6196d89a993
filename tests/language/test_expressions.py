"""What expressions compute, exactly, and what is left of one when some of its names are known."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.language.expressions import EvaluationError, Missing, evaluate, pattern_id
from campaign.language.parser import parse_expression
from campaign.language.substitution import as_literal, substitute
from campaign.language.syntax import Expr
from campaign.units import Quantity, Value, parse_quantity


def read(text: str) -> Expr:
    tree, found = parse_expression(text, "x", 1, 1)
    assert tree is not None, found
    return tree


def value(text: str, **names: Value) -> Value:
    return evaluate(read(text), lookup(names))


def lookup(names: dict[str, Value]) -> Any:
    def find(name: str) -> Value:
        if name not in names:
            raise Missing(name)
        return names[name]

    return find


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("1 / 3 + 1 / 3 + 1 / 3 == 1", True),
        ("0.1 + 0.2 == 0.3", True),
        ("4 / 2", 2),
        ("-3 - -4", 1),
        ("90% == 0.9", True),
        ("50% * 10s == 5s", True),
        ("10s / 4s", Fraction(5, 2)),
        ("1h30m == 90m", True),
        ("1s in 500ms..2s", True),
        ("3s in 500ms..2s", False),
        ("5 in 1..9 step 2", True),
        ("4 in 1..9 step 2", False),
        ("860mV in 850mV..1050mV step 10mV", True),
        ("5 in 1..", True),
        ('"a" in ["a", "b"]', True),
        ("[1, 2] contains 2", True),
        ("[true] contains 1", False),
        ('(1, "a") in [(2, "b"), (1, "a")]', True),
        ("(1, 1s) == (1, 1000ms)", True),
        ("(1, true) == (1, 1)", False),
        ('"abc" contains "bc"', True),
        ('"abc" matches /^a.c$/', True),
        ("true == 1", False),
        ("not false and true or false", True),
        ("false and 1 / 0 == 1", False),
        ("true or 1 / 0 == 1", True),
        ("len([1, 2, 3])", 3),
        ('len("äö")', 2),
        ("min(3, 1, 2)", 1),
        ("max([3, 1, 2])", 3),
        ("abs(-3s) == 3s", True),
        ("round(2.5)", 3),
        ("round(-2.5)", -3),
        ("round(7 / 3)", 2),
        ('"{1s}" == ""', None),
    ],
)
def test_values(text: str, expected: Value | None) -> None:
    if expected is None:
        assert parse_expression(text, "x", 1, 1)[1]
    else:
        assert value(text) == expected
        assert type(value(text)) is type(expected) or isinstance(expected, int)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"{threads} threads, {duration:ms} ms"', "4 threads, 1500 ms"),
        ('"{duration}"', "1.5s"),
        ('"{{x}}"', "{x}"),
        ("threads * 100 == 400", True),
    ],
)
def test_names(text: str, expected: Value) -> None:
    assert value(text, threads=4, duration=parse_quantity("1.5s")) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "division by zero"),
        ("5s / 0", "division by zero"),
        ("1s + 1V", "cannot be added"),
        ("1s < 1V", "cannot be compared"),
        ("2s * 2s", "cannot be multiplied"),
        ('"a" + "b"', "joined in a string"),
        ('"{third}"', "no finite decimal"),
        ('"{third:ms}"', "no quantity"),
        ("nofunction(1)", "not a function"),
        ("1..2", "range is not a value"),
        ("big * big * big * big * big", "4096 bits"),
        ('"x" matches /(?=a)/', "regular expression"),
        ("output contains threads", "known before the run"),
    ],
)
def test_what_cannot_be_computed_says_why(text: str, reason: str) -> None:
    with pytest.raises(EvaluationError, match=reason) as error:
        value(text, third=Fraction(1, 3), big=10**300, threads=4)
    assert error.value.span is not None


def test_an_unknown_name_is_missing() -> None:
    with pytest.raises(Missing, match=r"metrics\.ops"):
        value("metrics.ops > 3")


def test_the_output_is_asked_by_pattern() -> None:
    asked = []

    def find(name: str) -> Value:
        asked.append(name)
        return True

    assert evaluate(read('output contains "done {{1}}" and output matches /a\\/b/'), find) is True
    assert asked == [pattern_id("contains", "done {1}"), pattern_id("matches", "a/b")]


def test_substitute_puts_settings_in_and_leaves_the_rest() -> None:
    names = {"threads": 4, "why": "x", "third": Fraction(1, 3), "limit": parse_quantity("90%")}
    tree = substitute(
        read('metrics.ops > threads * third and output contains "{why} {gone}" or 0.5 < limit'), lookup(names)
    )
    rest = msgspec.json.decode(msgspec.json.encode(tree), type=Expr)
    assert rest == tree
    assert b"span" not in msgspec.json.encode(tree)
    known: dict[str, Value] = {"metrics.ops": 2, "gone": "y", pattern_id("contains", "x y"): True}
    inner = substitute(rest, lookup(known))
    assert evaluate(inner, lookup(known)) is True


numbers = st.integers(-(10**12), 10**12) | st.fractions(max_denominator=10**6)
quantities = st.builds(Quantity.of, numbers, st.sampled_from(["ms", "s", "mV", "GHz", "KiB", "%", "C"]))
plain = (
    st.booleans()
    | st.integers(-(10**20), 10**20)
    | numbers
    | quantities
    | st.text(max_size=20).filter(lambda t: "\0" not in t)
)
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=8)


@given(values)
def test_a_literal_denotes_its_value(given_value: Value) -> None:
    tree = msgspec.json.decode(msgspec.json.encode(as_literal(given_value)), type=Expr)
    found = evaluate(tree, lookup({}))
    assert found == given_value
    assert isinstance(found, bool) == isinstance(given_value, bool)


@given(numbers, numbers, numbers)
def test_arithmetic_is_exact(a: Fraction, b: Fraction, c: Fraction) -> None:
    names = {"a": a, "b": b, "c": c}
    assert value("(a + b) * c", **names) == (a + b) * c
    if c:
        assert value("(a - b) / c * c == a - b", **names) is True
