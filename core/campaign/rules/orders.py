"""The values of an order against a rule book: what is about to be executed, whatever was planned.

Asked when an order is rendered, and by the supervisor that is to carry it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from campaign.language.expressions import EvaluationError, text_of
from campaign.plugins.names import canonical
from campaign.plugins.parameter_rules import read_value
from campaign.records import HoleOrder, Order, ServiceOrder, StepOrder
from campaign.records.order import Template, parameter_variables
from campaign.rules.limits import Given, Violation, violations
from campaign.rules.structs import RuleBook
from campaign.units import Dimension, Quantity, UnitError, Value, format_exact, parse_quantity

_DIMENSIONS = frozenset(each.value for each in Dimension)
_PLAIN = frozenset(("int", "decimal", "string", "path", "bool")) | _DIMENSIONS


def broken(order: Order, book: RuleBook) -> list[Violation]:
    """Every value of an order that breaks a limit; raises UnitError for one that cannot be read as what it must be."""
    return list(violations(given_of(order), book.limits, book.unbounded))


def given_of(order: Order) -> Iterator[Given]:
    """Every value of an order: what its processes, faults, holds, watches and oracles get, then settings and axes.

    What the rule sets themselves have watched (guards) is theirs.  Raises UnitError.
    """
    kinds = order.rules.kinds if order.rules is not None else {}
    physical = order.rules.physical if order.rules is not None else {}
    reached: dict[str, tuple[str, ...]] = {}
    for provider, values in _settings_of(order):
        known = kinds.get(provider, {})
        for name, value in values.items():
            reached[canonical(name)] = (*reached.get(canonical(name), ()), provider)
            kind = known.get(name)
            written = name in physical.get(provider, ())
            yield Given(name, read(kind, value), provider, kind if kind in _PLAIN else None, physical=written)
    known = {canonical(name): kind for name, kind in kinds.get("", {}).items()}
    for name, value in {**order.settings, **order.axes}.items():
        provider, _, own = name.rpartition(".")
        kind = known.get(canonical(name))
        plain = kind if kind in _PLAIN else None
        yield Given(own, read(kind, value), provider or None, plain, reached.get(canonical(name), ()))


def differing(order: Order) -> Iterator[str]:
    """Arguments and variables that are not what the values of their process come to; raises UnitError.

    Those of declared tools are made again; of every tool those variables that hold its parameters.
    """
    kinds = order.rules.kinds if order.rules is not None else {}
    processes: tuple[ServiceOrder | StepOrder, ...] = (*order.services, *order.steps)
    for process in processes:
        known = kinds.get(process.tool, {})
        plain = {name: kind for name in process.values if (kind := known.get(name)) in _PLAIN}
        values = {name: read(kind, process.values[name]) for name, kind in plain.items()}
        yield from _differing_variables(process, values)
        if process.template and len(process.template) != len(process.argv):
            yield f"{process.label} has {len(process.argv)} arguments, its values make {len(process.template)}"
            continue
        for number, (template, word) in enumerate(zip(process.template, process.argv, strict=False)):
            # the first word may have become an absolute path, which only the planner knows
            if number and not _is_made(template, word, values):
                yield f"{process.label} is given {word!r}, which is not what its values come to"


def _differing_variables(process: ServiceOrder | StepOrder, values: Mapping[str, Value]) -> Iterator[str]:
    for name, template in process.env_template.items():
        if not _is_made(template, process.env.get(name, ""), values):
            yield f"the variable {name} of {process.label} is not what its values come to"
    for name, text in parameter_variables(values).items():
        if process.env.get(name) != text:
            yield f"the variable {name} of {process.label} is not what its values come to"


def _is_made(template: Template, word: str, values: Mapping[str, Value]) -> bool:
    """Whether an argument is what its template makes of the values; lists and what is late can be anything."""
    pieces: list[str | None] = []
    for part in template:
        if isinstance(part, HoleOrder) and part.switch:
            if values.get(part.name) is not True:
                return False
        elif isinstance(part, HoleOrder):
            pieces.append(_written(values[part.name], part.unit) if part.name in values else None)
        else:
            pieces.append(part)
    fixed = [""]
    for piece in pieces:
        if piece is None:
            fixed.append("")
        else:
            fixed[-1] += piece
    return _fits(fixed, word)


def _written(value: Value, unit: str | None) -> str:
    try:
        return text_of(value, unit)
    except EvaluationError as error:
        raise UnitError(error.message) from None


def _fits(fixed: list[str], word: str) -> bool:
    """Whether a word is these texts in order, with anything between two of them."""
    if len(fixed) == 1:
        return word == fixed[0]
    if not word.startswith(fixed[0]) or not word.endswith(fixed[-1]):
        return False
    at, end = len(fixed[0]), len(word) - len(fixed[-1])
    for text in fixed[1:-1]:
        found = word.find(text, at, end)
        if found < 0:
            return False
        at = found + len(text)
    return at <= end


def _settings_of(order: Order) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from ((each.tool, each.values) for each in order.services)
    yield from ((each.tool, each.values) for each in order.steps)
    yield from ((each.fault, each.settings) for each in order.faults)
    yield from ((each.fault, each.settings) for each in order.holds)
    yield from ((each.oracle, each.settings) for each in order.watches)
    yield from ((each.oracle, each.settings) for each in order.oracles)


def read(kind: str | None, value: Any) -> Value:
    """A JSON value as one of the language; raises UnitError where it is none of its kind (NaN, null, another unit)."""
    if kind is not None and kind.startswith("list/") and isinstance(value, list | tuple):
        return tuple(read(kind.removeprefix("list/"), item) for item in value)
    if kind not in _PLAIN:
        return _guessed(value)
    if isinstance(value, str) and " / " in value and kind in _DIMENSIONS:
        return _divided(value)
    return read_value({"type": kind}, value)


def _guessed(value: Any) -> Value:
    """What is of no known kind: a text that is a quantity is one."""
    if isinstance(value, list | tuple):
        return tuple(_guessed(item) for item in value)
    if isinstance(value, str):
        try:
            return parse_quantity(value)
        except (UnitError, ValueError):
            return value
    if isinstance(value, bool | int | Fraction | Quantity):
        return value
    return read_value({"type": "decimal"}, value)


def _divided(text: str) -> Quantity:
    """``10s / 3``: what no decimal can be."""
    dividend, _, divisor = text.partition(" / ")
    if not divisor.isascii() or not divisor.isdigit() or not int(divisor):
        raise UnitError(f"{text} is not a quantity")
    quantity = parse_quantity(dividend)
    return Quantity(quantity.value / int(divisor), quantity.dimension, quantity.unit)


def sentence(violation: Violation) -> str:
    """A broken limit in one line: the value, what refuses it, where that stands, and why."""
    given = violation.given
    name = given.name if given.provider is None else f"{given.provider}.{given.name}"
    said = "; ".join(dict.fromkeys(map(str, violation.origins)))
    return f"{name} = {format_exact(violation.value)} {violation.reason} ({said})"
