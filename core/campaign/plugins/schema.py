"""Cerberus with the language's types: checks schemas of providers and settings against them.

Imported late, by ``parameters.validate`` and by the registry when a plugin is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import cerberus
from cerberus import TypeDefinition, errors

from campaign.plugins.parameter_rules import ParameterProblem, compiled
from campaign.plugins.patterns import compile_pattern
from campaign.units import Dimension, Quantity, UnitError, Value, format_value

if TYPE_CHECKING:
    from campaign.plugins.api import Provider


class _OfDimension(type):
    """The type of a class that holds every quantity of one dimension, so that cerberus can ask ``isinstance``."""

    dimension: Dimension

    def __instancecheck__(cls, value: object) -> bool:
        if cls.dimension is Dimension.RATIO and isinstance(value, int | Fraction):
            return not isinstance(value, bool)  # 90% == 0.9
        return isinstance(value, Quantity) and value.dimension is cls.dimension


class _Whole(type):
    """The type of a class that holds every whole number: an int takes any whole value."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, int) or (isinstance(value, Fraction) and value.denominator == 1)


def _quantities(dimension: Dimension) -> type:
    return _OfDimension(dimension.name.title(), (), {"dimension": dimension})


_TYPES: dict[str, TypeDefinition] = {
    "int": TypeDefinition("int", (_Whole("Whole", (), {}),), (bool,)),
    "decimal": TypeDefinition("decimal", (int, Fraction), (bool,)),
    "string": TypeDefinition("string", (str,), ()),
    "path": TypeDefinition("path", (str,), ()),
    "bool": TypeDefinition("bool", (bool,), ()),
    "list": TypeDefinition("list", (Sequence,), (str,)),
    **{each.value: TypeDefinition(each.value, (_quantities(each),), ()) for each in Dimension},
}


class _Problems(errors.BaseErrorHandler):  # type: ignore[misc]
    """Cerberus' errors as problems, in the order of the settings."""

    def __call__(self, found: Iterable[Any]) -> list[ParameterProblem]:
        return [problem for error in found for problem in _flat(error)]


def _flat(error: Any) -> Iterable[ParameterProblem]:
    if error.is_group_error:
        return [problem for child in error.child_errors for problem in _flat(child)]
    return [ParameterProblem(tuple(error.document_path), _message(error))]


_SENTENCES: Mapping[int, str] = {
    errors.REQUIRED_FIELD.code: "must be given",
    errors.UNKNOWN_FIELD.code: "is no parameter here",
    errors.BAD_TYPE.code: "is {value}, which is not {constraint}",
    errors.MIN_VALUE.code: "is {value}; the least is {constraint}",
    errors.MAX_VALUE.code: "is {value}; the most is {constraint}",
    errors.UNALLOWED_VALUE.code: "is {value}; allowed are {constraint}",
    errors.UNALLOWED_VALUES.code: "holds {info}; allowed are {constraint}",
    errors.FORBIDDEN_VALUE.code: "is {value}, which is forbidden",
    errors.FORBIDDEN_VALUES.code: "holds {info}, which is forbidden",
    errors.MIN_LENGTH.code: "is {value}, shorter than {constraint}",
    errors.MAX_LENGTH.code: "is {value}, longer than {constraint}",
    errors.REGEX_MISMATCH.code: "is {value}, which does not match {constraint}",
    errors.EMPTY_NOT_ALLOWED.code: "must not be empty",
    errors.EXCLUDES_FIELD.code: "cannot stand beside {info}",
    errors.DEPENDENCIES_FIELD.code: "needs {info} beside it",
    errors.DEPENDENCIES_FIELD_VALUE.code: "needs another value of {info}",
    errors.CUSTOM.code: "is {value}: {info}",
}


#: Of a longer list of allowed values so many are named, those like the one that was given first.
_MOST_LISTED, _NAMED = 16, 5


def _message(error: Any) -> str:
    sentence = _SENTENCES.get(error.code, "breaks the rule {rule}: {constraint}")
    info = error.info[0] if error.info else ""
    constraint = _a(error.constraint) if error.code == errors.BAD_TYPE.code else _written(error.constraint)
    if error.rule == "allowed" and len(error.constraint) > _MOST_LISTED:
        constraint = _some(list(map(str, error.constraint)), str(info or error.value))
    return sentence.format(value=_written(error.value), constraint=constraint, info=_written(info), rule=error.rule)


def _some(allowed: list[str], given: str) -> str:
    """The values most like ``given``, and how many there are."""
    from difflib import get_close_matches  # late: only for a mistake

    near = get_close_matches(given, allowed, _NAMED) or allowed[:_NAMED]
    return f"{_written(near)}, … ({len(allowed)} in all)"


def _a(kind: object) -> str:
    return f"an {kind}" if kind == "int" else f"a {kind}"


def _written(value: object) -> str:
    """A value or several as a person writes them; never fails."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_written(item) for item in value)
    try:
        return format_value(value) if isinstance(value, bool | int | Fraction | Quantity) else str(value)
    except UnitError:
        return str(value)


class _Validator(cerberus.Validator):  # type: ignore[misc]
    """Validates settings; the language's types only, none of cerberus' own, and linear-time patterns."""

    types_mapping: ClassVar[dict[str, TypeDefinition]] = _TYPES

    def _validate_regex(self, pattern: str, field: str, value: object) -> None:
        """{'type': 'string'}"""
        if isinstance(value, str) and not compile_pattern(pattern).fullmatch(value):
            self._error(field, errors.REGEX_MISMATCH)


def check_schema(provider: Provider) -> list[str]:
    """Every reason why a schema cannot be used: rules that cerberus refuses, defaults that break them.

    Raises SchemaError where it cannot even be read.
    """
    schema = compiled(provider)
    try:
        validator = _validator(provider)
    except cerberus.SchemaError as error:
        return [f"parameter {name} {reason}" for name, reason in _schema_reasons(error.args[0])]
    except Exception as error:  # cerberus trips over some broken schemas instead of refusing them
        return [f"parameters are no valid cerberus schema: {type(error).__name__}: {error}"]
    given = {name: rules["default"] for name, rules in schema.items() if "default" in rules}
    return [f"parameter {each.path[0]} has a default that {each.message}" for each in _judge(validator, given, True)]


def problems(provider: Provider, settings: Mapping[str, Value]) -> list[ParameterProblem]:
    """Everything wrong with ``settings`` for this provider."""
    return _judge(_validator(provider), settings, False)


@cache  # building one costs as much as fifty validations
def _validator(provider: Provider) -> _Validator:
    # cerberus expands a schema in place: it gets a copy, ours stays as it is
    schema = {name: dict(rules) for name, rules in compiled(provider).items()}
    return _Validator(schema, error_handler=_Problems())


def _judge(validator: _Validator, settings: Mapping[str, Value], partial: bool) -> list[ParameterProblem]:
    """``partial``: only what is there is judged, nothing is missing."""
    validator.validate(dict(settings), update=partial, normalize=False)
    found: list[ParameterProblem] = validator.errors
    return found


def _schema_reasons(found: Any) -> Iterable[tuple[str, str]]:
    """The leaves of cerberus' nested report on a schema: a parameter's name and what is wrong."""
    if not isinstance(found, Mapping):
        return [("schema", str(found))]
    return [(str(name), reason) for name, nested in found.items() for reason in _leaves(nested)]


def _leaves(nested: Any) -> list[str]:
    if isinstance(nested, Mapping):
        return [f"{key}: {leaf}" for key, value in nested.items() for leaf in _leaves(value)]
    if isinstance(nested, list):
        return [leaf for value in nested for leaf in _leaves(value)]
    return [str(nested)]
