"""What providers declare of their parameters, read once: texts become values, rules that nobody knows are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from campaign.plugins.names import canonical, kind_of, objection
from campaign.units import Dimension, Quantity, UnitError, Value, parse_number, parse_quantity

if TYPE_CHECKING:
    from campaign.plugins.api import Provider

#: The types of parameters, as ``param`` writes them in a spec; ``list`` is for providers only.
TYPES = ("int", "decimal", "string", "bool", "path", *(dimension.value for dimension in Dimension), "list")
#: The rules of cerberus that a parameter may have: data that judges a value.  Rules that change one (``coerce``,
#: ``rename``, ``default_setter`` …) are left out, so that what a plan shows is what a provider gets.
RULES = frozenset(
    (
        "type",
        "default",
        "required",
        "min",
        "max",
        "allowed",
        "forbidden",
        "minlength",
        "maxlength",
        "regex",
        "empty",
        "dependencies",
        "excludes",
        "schema",
        "meta",
    )
)
_OF_ONE_VALUE = ("default", "min", "max")
_OF_MANY_VALUES = ("allowed", "forbidden")


class ParameterProblem(Struct, frozen=True):
    """What is wrong with one setting; ``path`` is its name, then indexes where it is inside a list."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        name = "".join(f"[{part}]" if isinstance(part, int) else part for part in self.path)
        return f"{name} {self.message}"


class SchemaError(ValueError):
    """A provider's ``parameters`` cannot be used; carries every reason, one sentence each."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(reasons))


@cache
def compiled(provider: Provider) -> Mapping[str, Mapping[str, Any]]:
    """The schema with its texts read as values; raises SchemaError with every reason why it cannot be used."""
    schema = provider.parameters
    if not isinstance(schema, Mapping):
        raise SchemaError([f"parameters are {kind_of(schema)}, not a mapping"])
    reasons = [reason for name in schema if (reason := _name_reason(name, schema))]
    result: dict[str, Mapping[str, Any]] = {}
    for name, rules in schema.items():
        try:
            result[name] = _compile_rules(rules)
        except SchemaError as error:
            reasons += [f"parameter {name!s} {reason}" for reason in error.reasons]
    if reasons:
        raise SchemaError(reasons)
    return result


def _name_reason(name: object, schema: Mapping[str, Any]) -> str | None:
    if objected := objection(name):
        return f"parameter {name!s} {objected}"
    first = next(other for other in schema if isinstance(other, str) and canonical(other) == canonical(str(name)))
    return f"parameters {first} and {name} are two spellings of one name" if first != name else None


def _compile_rules(rules: object) -> dict[str, Any]:
    if not isinstance(rules, Mapping):
        raise SchemaError([f"has {kind_of(rules)} where its rules should stand"])
    kind = rules.get("type")
    if kind not in TYPES:
        raise SchemaError(["has no type" if kind is None else f"has the unknown type {kind!s}"])
    reasons = [f"has the rule {rule!s}, which parameters cannot have" for rule in rules if rule not in RULES]
    compiled_rules = dict(rules)
    if kind == "list" and "schema" in rules:
        compiled_rules["schema"] = _nested(rules["schema"], reasons)
    if not reasons:
        _read_constraints(compiled_rules, reasons)
        _check_pattern(compiled_rules, reasons)
    if reasons:
        raise SchemaError(reasons)
    return compiled_rules


def _nested(rules: object, reasons: list[str]) -> dict[str, Any]:
    try:
        return _compile_rules(rules)
    except SchemaError as error:
        reasons += [f"has items whose schema {reason}" for reason in error.reasons]
        return {}


def _read_constraints(rules: dict[str, Any], reasons: list[str]) -> None:
    """Turn the texts of ``rules`` into values, in place; what cannot be read goes to ``reasons``."""
    items = rules.get("schema", {}) if rules["type"] == "list" else rules
    for rule in (*_OF_ONE_VALUE, *_OF_MANY_VALUES):
        if rule not in rules:
            continue
        try:
            if rule in _OF_ONE_VALUE:
                rules[rule] = read_value(rules, rules[rule])
            else:
                rules[rule] = tuple(read_value(items, value) for value in _sequence(rules[rule]))
        except UnitError as error:
            reasons.append(f"has the {rule} {rules[rule]!r}: {error}")


def _check_pattern(rules: Mapping[str, Any], reasons: list[str]) -> None:
    if "regex" not in rules:
        return
    from campaign.plugins.patterns import PatternError, compile_pattern  # late: few schemas have one

    try:
        compile_pattern(str(rules["regex"]))
    except PatternError as error:
        reasons.append(f"has the regex {rules['regex']!r}: {error}")


def _sequence(value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise UnitError("it is not a list")
    return tuple(value)


def read_value(rules: Mapping[str, Any], value: object) -> Value:
    """``value`` (as JSON or Python writes it) as a value of the type that ``rules`` name; raises UnitError."""
    kind = rules.get("type")
    if kind == "list":
        return tuple(read_value(rules.get("schema", {}), item) for item in _sequence(value))
    return _READERS.get(str(kind), _any_value)(value)


def _whole(value: object) -> int:
    number = _number(value)
    if isinstance(number, Fraction):
        if number.denominator != 1:
            raise UnitError(f"{value} is not a whole number")
        return number.numerator
    return number


def _number(value: object) -> int | Fraction:
    if isinstance(value, str):
        return parse_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise UnitError(f"{kind_of(value)} is not a number")
    try:
        return Fraction(repr(value)) if isinstance(value, float) else value  # as written, see units.to_json
    except (OverflowError, ValueError):  # infinity and NaN
        raise UnitError(f"{value} is not a number") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnitError(f"{kind_of(value)} is not a string")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise UnitError(f"{kind_of(value)} is not true or false")
    return value


def _quantity_of(dimension: Dimension) -> Callable[[object], Value]:
    def read(value: object) -> Value:
        if dimension is Dimension.RATIO and not isinstance(value, str | Quantity):
            return Quantity(Fraction(_number(value)), dimension, "%")
        quantity = parse_quantity(value) if isinstance(value, str) else value
        if not isinstance(quantity, Quantity):
            raise UnitError(f"{kind_of(value)} is not a {dimension}; write it with its unit, in quotes")
        if quantity.dimension is not dimension:
            raise UnitError(f"{quantity} is a {quantity.dimension}, not a {dimension}")
        return quantity

    return read


def _any_value(value: object) -> Value:
    """An item of a list without a schema: as it comes, decimals exact."""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return tuple(_any_value(item) for item in value)
    if isinstance(value, bool | int | str | Fraction | Quantity):
        return value
    raise UnitError(f"{kind_of(value)} is not a value of the language")


_READERS: Mapping[str, Callable[[object], Value]] = {
    "int": _whole,
    "decimal": _number,
    "string": _text,
    "path": _text,
    "bool": _boolean,
    **{dimension.value: _quantity_of(dimension) for dimension in Dimension},
}
