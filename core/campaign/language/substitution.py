"""Expressions with some of their names put in: what an order carries, whose run has not ended yet."""

from __future__ import annotations

from campaign.language.expressions import InText, Lookup, Missing, children, text_of
from campaign.language.syntax import (
    Binary,
    Boolean,
    Call,
    Decimal,
    Expr,
    Hole,
    Integer,
    ListOf,
    Name,
    QuantityLiteral,
    Range,
    Regex,
    Text,
    TupleOf,
    Unary,
)
from campaign.units import (
    COMPOUND,
    UNITS,
    Dimension,
    Quantity,
    UnitError,
    Value,
    format_number,
    format_quantity,
)

_BASE_UNITS = {
    Dimension.DURATION: "s",
    Dimension.SIZE: "B",
    Dimension.VOLTAGE: "V",
    Dimension.CURRENT: "A",
    Dimension.POWER: "W",
    Dimension.FREQUENCY: "Hz",
    Dimension.TEMPERATURE: "C",
    Dimension.RATIO: "%",
}


def substitute(expr: Expr, known: Lookup) -> Expr:
    """``expr`` with every name that ``known`` has put in as a literal, and without places: what an order carries.

    Names for which ``known`` raises Missing stay; they are known only when the run has ended.
    """
    if isinstance(expr, Name):
        try:
            return as_literal(known(expr.text))
        except Missing:
            return Name(expr.parts)
    if isinstance(expr, Text):
        return _substituted_text(expr, known)
    return _rebuilt(expr, [substitute(child, known) for child in children(expr)])


def _substituted_text(expr: Text, known: Lookup) -> Text:
    parts: list[str | Hole] = []
    for part in expr.parts:
        if isinstance(part, str):
            parts.append(part)
            continue
        try:
            parts.append(text_of(known(InText(part.name)), part.unit, part.span))
        except Missing:
            parts.append(Hole(part.name, part.unit))
    if all(isinstance(part, str) for part in parts):
        return Text(("".join(str(part) for part in parts),))
    return Text(tuple(parts))


def _rebuilt(expr: Expr, parts: list[Expr]) -> Expr:
    if isinstance(expr, Binary):
        return Binary(expr.operator, parts[0], parts[1])
    if isinstance(expr, Unary):
        return Unary(expr.operator, parts[0])
    if isinstance(expr, ListOf):
        return ListOf(tuple(parts))
    if isinstance(expr, TupleOf):
        return TupleOf(tuple(parts))
    if isinstance(expr, Call):
        return Call(expr.function, tuple(parts))
    if isinstance(expr, Range):
        last = parts[1] if expr.last is not None else None
        return Range(parts[0], last, parts[-1] if expr.step is not None else None)
    return _without_place(expr)


def _without_place(expr: Expr) -> Expr:
    if isinstance(expr, Integer):
        return Integer(expr.value)
    if isinstance(expr, Boolean):
        return Boolean(expr.value)
    if isinstance(expr, Decimal):
        return Decimal(expr.text)
    if isinstance(expr, QuantityLiteral):
        return QuantityLiteral(expr.text)
    if isinstance(expr, Regex):
        return Regex(expr.pattern)
    return expr


def as_literal(value: Value) -> Expr:
    """A value as the expression that denotes it, exactly: a third of a second is ``1s / 3``."""
    if isinstance(value, bool):
        return Boolean(value)
    if isinstance(value, int):
        return Integer(value)
    if isinstance(value, str):
        return Text((value,))
    if isinstance(value, tuple):
        return ListOf(tuple(as_literal(item) for item in value))
    if isinstance(value, Quantity):
        return _quantity_literal(value)
    try:
        return Decimal(format_number(value))
    except UnitError:
        return Binary("/", Integer(value.numerator), Integer(value.denominator))


def _quantity_literal(value: Quantity) -> Expr:
    try:
        return QuantityLiteral(format_quantity(value, value.unit))
    except UnitError:
        unit = _BASE_UNITS[value.dimension] if value.unit == COMPOUND else value.unit
        number = value.value / UNITS[unit][1]
        whole = QuantityLiteral(f"{number.numerator}{unit}")
        return Binary("/", whole, Integer(number.denominator))
