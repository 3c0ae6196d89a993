"""Parameters: the language's types in cerberus, texts read as values, and the way through JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.plugins.api import Tool
from campaign.plugins.parameters import SchemaError, defaults, from_json, parameter_types, validate
from campaign.units import UNITS, Quantity, UnitError, parse_quantity, to_json


def tool(parameters: Mapping[str, Any]) -> Tool:
    provider = Tool()
    provider.parameters = parameters  # type: ignore[misc]
    return provider


RAMP = tool(
    {
        "rail": {"type": "string", "default": "cpu", "allowed": ["cpu", "soc"]},
        "from": {"type": "voltage", "default": "850mV", "min": "800mV", "max": "1.1V"},
        "width": {"type": "voltage", "required": True},
        "share": {"type": "ratio", "default": "90%"},
        "rounds": {"type": "int", "default": 3, "min": 1},
        "scale": {"type": "decimal", "default": 0.5},
        "log": {"type": "path"},
        "dry": {"type": "bool", "default": False},
        "name": {"type": "string", "regex": "(a+)+b", "maxlength": 100},
        "waits": {"type": "list", "default": ["1s", "2s"], "schema": {"type": "duration", "max": "1m"}},
        "loads": {"type": "list", "allowed": ["fft", "matrix"], "schema": {"type": "string"}},
    }
)
GIVEN = {**defaults(RAMP), "width": parse_quantity("10mV")}


def test_types_by_name() -> None:
    assert parameter_types(RAMP)["from"] == "voltage"
    assert list(parameter_types(RAMP)) == list(RAMP.parameters)


def test_defaults_are_values_and_those_without_one_are_left_out() -> None:
    assert defaults(RAMP) == {
        "rail": "cpu",
        "from": parse_quantity("850mV"),
        "share": parse_quantity("90%"),
        "rounds": 3,
        "scale": Fraction(1, 2),
        "dry": False,
        "waits": (parse_quantity("1s"), parse_quantity("2s")),
    }


def test_defaults_with_what_is_required_are_fine() -> None:
    assert validate(RAMP, GIVEN) == []


def test_of_a_long_list_those_are_named_that_are_like_what_was_given() -> None:
    pages = tool({"page": {"type": "string", "allowed": [*(f"page-{n}" for n in range(70)), "index"]}})
    (problem,) = validate(pages, {"page": "indx"})
    assert str(problem) == 'page is "indx"; allowed are "index", … (71 in all)'
    (problem,) = validate(pages, {"page": "0000"})
    assert str(problem).endswith("… (71 in all)")
    assert len(str(problem)) < 120


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rail": "gpu"}, 'rail is "gpu"; allowed are "cpu", "soc"'),
        ({"rail": 5}, "rail is 5, which is not a string"),
        ({"from": parse_quantity("790mV")}, "from is 790mV; the least is 800mV"),
        ({"from": parse_quantity("1101mV")}, "from is 1101mV; the most is 1.1V"),
        ({"from": parse_quantity("5s")}, "from is 5s, which is not a voltage"),
        ({"from": 5}, "from is 5, which is not a voltage"),
        ({"rounds": 0}, "rounds is 0; the least is 1"),
        ({"rounds": Fraction(5, 2)}, "rounds is 2.5, which is not an int"),
        ({"rounds": True}, "rounds is true, which is not an int"),
        ({"scale": parse_quantity("5s")}, "scale is 5s, which is not a decimal"),
        ({"scale": Fraction(1, 3), "dry": 1}, "dry is 1, which is not a bool"),
        ({"log": False}, "log is false, which is not a path"),
        ({"waits": (parse_quantity("1s"), parse_quantity("61s"))}, "waits[1] is 61s; the most is 1m"),
        ({"waits": (parse_quantity("1s"), 7)}, "waits[1] is 7, which is not a duration"),
        ({"waits": "1s"}, 'waits is "1s", which is not a list'),
        ({"loads": ("fft", "sort")}, 'loads holds "sort"; allowed are "fft", "matrix"'),
        ({"name": "a" * 60}, f'name is "{"a" * 60}", which does not match "(a+)+b"'),  # hours, with backtracking
        ({"name": "xab"}, 'name is "xab", which does not match "(a+)+b"'),
        ({"form": parse_quantity("1V")}, "form is no parameter here"),
    ],
)
def test_what_is_wrong_is_named(settings, said) -> None:
    assert [str(problem) for problem in validate(RAMP, {**GIVEN, **settings})] == [said]


def test_what_is_missing_is_named() -> None:
    assert [str(problem) for problem in validate(RAMP, defaults(RAMP))] == ["width must be given"]


def test_everything_wrong_is_named_at_once() -> None:
    settings = {**GIVEN, "rail": "x", "rounds": 0, "nothing": 1}
    assert {problem.path for problem in validate(RAMP, settings)} == {("rail",), ("rounds",), ("nothing",)}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"rounds": Fraction(4)}, "an int takes any whole value"),
        ({"share": Fraction(1, 2)}, "a ratio takes a plain number"),
        ({"share": 1}, "a ratio takes a plain number"),
        ({"scale": 2}, "a decimal takes an int"),
        ({"scale": Fraction(1, 3)}, "decimals are exact"),
    ],
)
def test_values_that_fit(settings, kind) -> None:
    assert validate(RAMP, {**GIVEN, **settings}) == [], kind


def test_values_make_the_journey_through_json() -> None:
    travelled = msgspec.json.decode(msgspec.json.encode({name: to_json(value) for name, value in GIVEN.items()}))
    assert from_json(RAMP, travelled) == GIVEN


UNITS_OF_TYPES = st.sampled_from(sorted(UNITS))


@given(st.integers(-(10**6), 10**6), UNITS_OF_TYPES)
def test_any_quantity_makes_the_journey(number: int, unit: str) -> None:
    value = Quantity.of(Fraction(number, 8), unit)
    provider = tool({"x": {"type": value.dimension.value}})
    travelled = msgspec.json.decode(msgspec.json.encode({"x": to_json(value)}))
    assert from_json(provider, travelled) == {"x": value}


@given(st.fractions() | st.integers() | st.booleans() | st.text())
def test_validating_never_raises(value: Any) -> None:
    for kind in ("int", "decimal", "string", "bool", "path", "duration", "ratio", "list"):
        validate(tool({"x": {"type": kind, "min": 0} if kind == "int" else {"type": kind}}), {"x": value})


@pytest.mark.parametrize("value", ["5", "x", 5.5, None, {}, []])
def test_json_of_another_type_is_refused(value) -> None:
    with pytest.raises(UnitError):
        from_json(tool({"x": {"type": "voltage"}}), {"x": value})


def test_a_schema_tells_every_reason() -> None:
    with pytest.raises(SchemaError) as caught:
        defaults(tool({"x": {"type": "y"}, "for": {"type": "int"}}))
    assert caught.value.reasons == (
        "parameter for belongs to the engine in every provider's block",
        "parameter x has the unknown type y",
    )


def test_a_schema_is_not_changed_by_validating() -> None:
    parameters = {"waits": {"type": "list", "default": ["1s"], "schema": {"type": "duration", "max": "1m"}}}
    before = repr(parameters)
    validate(tool(parameters), {"waits": (parse_quantity("1s"),)})
    assert repr(parameters) == before
