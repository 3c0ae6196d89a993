"""Numbers that tools print, read as the type that the spec declares."""

from __future__ import annotations

import re
from fractions import Fraction

from campaign.units import COMPOUND, Dimension, Quantity, UnitError, Value, parse_quantity

_LONGEST = 400  # digits; what is longer is not a measurement, and reading it would cost quadratic time
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


def read_metric(text: str, kind: str) -> Value:
    """``text`` as printed, read as a ``kind`` of the language, exactly; raises UnitError with the reason.

    Decimals may have an exponent (``1.5e6``), as many tools print them; a ratio may be a plain number.
    """
    given = text.strip()
    if kind in ("string", "path"):
        return given
    if kind == "bool":
        return _boolean(given)
    if kind in ("int", "decimal"):
        return _whole(given) if kind == "int" else _decimal(given)
    return _quantity(given, Dimension(kind))


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise UnitError(f"{text[:40]!r} is neither true nor false")
    return text.lower() == "true"


def _decimal(text: str) -> Fraction:
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        raise UnitError(f"{text[:40]!r} is not a number")
    return Fraction(text)


def _whole(text: str) -> int:
    number = _decimal(text)
    if number.denominator != 1:
        raise UnitError(f"{text[:40]!r} is not a whole number")
    return int(number)


def _quantity(text: str, dimension: Dimension) -> Quantity:
    if dimension is Dimension.RATIO and _NUMBER.fullmatch(text[:_LONGEST]):
        return Quantity(_decimal(text), dimension, "%")
    found = parse_quantity(text[:_LONGEST].replace(" ", ""))
    if found.dimension is not dimension:
        raise UnitError(f"{text[:40]!r} is a {found.dimension}, not a {dimension}")
    return found


def seconds(number: float) -> Quantity:
    """A measured time as a duration, to the nanosecond."""
    return Quantity(Fraction(round(number * 10**9), 10**9), Dimension.DURATION, COMPOUND)
