"""Exact quantities: a rational number and a dimension, never a float.

``850mV..1050mV step 10mV`` is 21 values and the last one is 1050mV, because nothing here rounds.  A quantity
remembers the unit it was written in, for people only: ``1s`` and ``1000ms`` are equal and hash alike.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from enum import StrEnum
from fractions import Fraction
from typing import TypeAlias


class Dimension(StrEnum):
    """What a quantity measures; the values are the names of the language's types."""

    DURATION = "duration"
    SIZE = "size"
    VOLTAGE = "voltage"
    CURRENT = "current"
    POWER = "power"
    FREQUENCY = "frequency"
    TEMPERATURE = "temperature"
    RATIO = "ratio"


def _scaled(dimension: Dimension, **factors: int | Fraction) -> dict[str, tuple[Dimension, Fraction]]:
    return {unit: (dimension, Fraction(factor)) for unit, factor in factors.items()}


_MILLI, _MICRO, _NANO = Fraction(1, 10**3), Fraction(1, 10**6), Fraction(1, 10**9)

#: Every unit of the language: its dimension and its size in the base unit (s, B, V, A, W, Hz, °C, 1).
UNITS: dict[str, tuple[Dimension, Fraction]] = {
    **_scaled(Dimension.DURATION, ns=_NANO, us=_MICRO, ms=_MILLI, s=1, m=60, h=3600, d=86400),
    **_scaled(Dimension.VOLTAGE, uV=_MICRO, mV=_MILLI, V=1),
    **_scaled(Dimension.CURRENT, mA=_MILLI, A=1),
    **_scaled(Dimension.POWER, mW=_MILLI, W=1),
    **_scaled(Dimension.FREQUENCY, Hz=1, kHz=10**3, MHz=10**6, GHz=10**9),
    **_scaled(Dimension.SIZE, B=1, kB=10**3, MB=10**6, GB=10**9, KiB=2**10, MiB=2**20, GiB=2**30),
    **_scaled(Dimension.TEMPERATURE, C=1),
    **_scaled(Dimension.RATIO, **{"%": Fraction(1, 100)}),
}
#: Stands in ``Quantity.unit`` for a duration of several units, written largest unit first.
COMPOUND = ""
_DURATIONS = ("d", "h", "m", "s", "ms", "us", "ns")  # falling, as compound durations are written
_FLOAT_LIMIT = 10**300
_DIGITS = frozenset("0123456789")

Number: TypeAlias = "int | Fraction"


class UnitError(ValueError):
    """A quantity that cannot be read, written or computed; the text is a sentence for the user."""


class Quantity:
    """A rational number with a dimension; immutable, exact, equal by value.

    ``value`` is in the base unit of the dimension, ``unit`` is how a person wrote it (``COMPOUND`` for
    ``1h30m``).  A ratio equals the plain number of its value: ``90% == Fraction(9, 10)``.
    """

    __slots__ = ("dimension", "unit", "value")

    def __init__(self, value: Number, dimension: Dimension, unit: str) -> None:
        object.__setattr__(self, "value", value if type(value) is Fraction else Fraction(value))
        object.__setattr__(self, "dimension", dimension)
        object.__setattr__(self, "unit", unit)

    value: Fraction
    dimension: Dimension
    unit: str

    def __setattr__(self, name: str, _: object) -> None:
        raise AttributeError(f"a quantity is immutable: {name}")

    @classmethod
    def of(cls, number: Number, unit: str) -> Quantity:
        """``number`` of ``unit``; raises UnitError for a unit that the language lacks."""
        if unit not in UNITS:
            raise UnitError(f"{unit} is not a unit")
        dimension, size = UNITS[unit]
        return cls(number * size, dimension, unit)

    def number(self, unit: str) -> Fraction:
        """The plain number of this quantity in ``unit``; raises UnitError where the dimension differs."""
        if unit not in UNITS:
            raise UnitError(f"{unit} is not a unit")
        dimension, size = UNITS[unit]
        if dimension is not self.dimension:
            raise UnitError(f"{unit} is a unit of {dimension}, this is a {self.dimension}")
        return self.value / size

    def with_unit(self, unit: str) -> Quantity:
        """The same quantity, to be written in ``unit``."""
        if unit != COMPOUND or self.dimension is not Dimension.DURATION:
            self.number(unit)
        return Quantity(self.value, self.dimension, unit)

    def __str__(self) -> str:
        return format_quantity(self, self.unit)

    def __repr__(self) -> str:
        return f"Quantity({self.value} {self.dimension}, {self.unit!r})"

    def __hash__(self) -> int:
        return hash(self.value) if self.dimension is Dimension.RATIO else hash((self.value, self.dimension))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Quantity):
            return self.dimension is other.dimension and self.value == other.value
        if isinstance(other, int | Fraction) and not isinstance(other, bool):
            return self.dimension is Dimension.RATIO and self.value == other
        return NotImplemented

    def _compare(self, other: object, relation: Callable[[Fraction, Number], bool]) -> bool:
        if isinstance(other, Quantity) and other.dimension is self.dimension:
            return relation(self.value, other.value)
        if self.dimension is Dimension.RATIO and isinstance(other, int | Fraction):
            return relation(self.value, other)
        raise UnitError(f"a {self.dimension} cannot be compared with {_kind(other)}")

    def __lt__(self, other: object) -> bool:
        return self._compare(other, operator.lt)

    def __le__(self, other: object) -> bool:
        return self._compare(other, operator.le)

    def __gt__(self, other: object) -> bool:
        return self._compare(other, operator.gt)

    def __ge__(self, other: object) -> bool:
        return self._compare(other, operator.ge)

    def _added(self, other: object, sign: int) -> Quantity:
        if isinstance(other, Quantity) and other.dimension is self.dimension:
            return Quantity(self.value + sign * other.value, self.dimension, self.unit)
        if self.dimension is Dimension.RATIO and isinstance(other, int | Fraction):
            return Quantity(self.value + sign * other, self.dimension, self.unit)
        raise UnitError(f"{_kind(other)} cannot be added to or taken from a {self.dimension}")

    def __add__(self, other: object) -> Quantity:
        return self._added(other, 1)

    def __sub__(self, other: object) -> Quantity:
        return self._added(other, -1)

    def __radd__(self, other: object) -> Quantity:
        return self._added(other, 1)

    def __rsub__(self, other: object) -> Quantity:
        return -self + other

    def __neg__(self) -> Quantity:
        return Quantity(-self.value, self.dimension, self.unit)

    def __abs__(self) -> Quantity:
        return Quantity(abs(self.value), self.dimension, self.unit)

    def __mul__(self, other: object) -> Quantity:
        if isinstance(other, Quantity) and other.dimension is Dimension.RATIO:
            return Quantity(self.value * other.value, self.dimension, self.unit)
        if isinstance(other, Quantity) and self.dimension is Dimension.RATIO:
            return Quantity(self.value * other.value, other.dimension, other.unit)
        if isinstance(other, int | Fraction):
            return Quantity(self.value * other, self.dimension, self.unit)
        raise UnitError(f"a {self.dimension} cannot be multiplied by {_kind(other)}")

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> Quantity | Fraction:
        if isinstance(other, Quantity) and other.dimension is self.dimension:
            return self.value / other.value
        if isinstance(other, Quantity) and other.dimension is Dimension.RATIO:
            return Quantity(self.value / other.value, self.dimension, self.unit)
        if isinstance(other, int | Fraction):
            return Quantity(self.value / other, self.dimension, self.unit)
        raise UnitError(f"a {self.dimension} cannot be divided by {_kind(other)}")

    def __rtruediv__(self, other: object) -> Fraction:
        if self.dimension is Dimension.RATIO and isinstance(other, int | Fraction):
            return other / self.value
        raise UnitError(f"{_kind(other)} cannot be divided by a {self.dimension}")


#: What a setting or an axis can hold: bool and int are told apart, lists are tuples.
Value: TypeAlias = "bool | int | Fraction | str | Quantity | tuple[Value, ...]"


def _kind(value: object) -> str:
    return f"a {value.dimension}" if isinstance(value, Quantity) else f"a plain {type(value).__name__.lower()}"


def parse_quantity(text: str) -> Quantity:
    """Read ``850mV``, ``1.5GHz``, ``1h30m``, ``-5C``; raises UnitError with the reason.

    Compound durations are of integers, units falling, each once.
    """
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text)
    parts: list[tuple[str, str]] = []
    while rest:
        number, rest = _take(rest, lambda char: char in _DIGITS or char in "._")
        unit, rest = _take(rest, lambda char: char not in _DIGITS and char not in "._")
        if not number or unit not in UNITS:
            raise UnitError(f"{text} is not a quantity" + (f": {unit} is not a unit" if unit else ""))
        parts.append((number, unit))
    if not parts:
        raise UnitError("an empty text is not a quantity")
    if len(parts) > 1:
        _check_compound(text, parts)
    first = Quantity.of(parse_number(parts[0][0]), parts[0][1])
    total = sum((Quantity.of(parse_number(number), unit).value for number, unit in parts), Fraction(0))
    return Quantity(sign * total, first.dimension, first.unit if len(parts) == 1 else COMPOUND)


def parse_number(text: str) -> Number:
    """Read ``10_000`` as an int and ``0.95`` as a Fraction; raises UnitError for anything else (hex, NaN, ``1e3``)."""
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text)
    whole, dot, fraction = digits.partition(".")
    for part in (whole, fraction) if dot else (whole,):
        groups = part.split("_")
        if not all(groups) or not all(_DIGITS.issuperset(group) for group in groups):
            raise UnitError(f"{text} is not a number")
    if dot:
        return sign * Fraction(f"{whole}.{fraction}".replace("_", ""))
    return sign * int(whole.replace("_", ""))


def _take(text: str, wanted: Callable[[str], bool]) -> tuple[str, str]:
    end = next((index for index, char in enumerate(text) if not wanted(char)), len(text))
    return text[:end], text[end:]


def _check_compound(text: str, parts: list[tuple[str, str]]) -> None:
    if any(unit not in _DURATIONS for _, unit in parts):
        raise UnitError(f"{text}: only durations can be compound")
    order = [_DURATIONS.index(unit) for _, unit in parts]
    if order != sorted(set(order)):
        raise UnitError(f"{text}: the units of a compound duration fall, each at most once")
    if any("." in number for number, _ in parts):
        raise UnitError(f"{text}: a compound duration is made of integers")


def format_number(value: Number) -> str:
    """The shortest exact decimal of ``value``; raises UnitError where there is none (1/3)."""
    fraction = Fraction(value)
    digits, denominator = 0, fraction.denominator
    for prime in (2, 5):
        power = 0
        while denominator % prime == 0:
            denominator //= prime
            power += 1
        digits = max(digits, power)
    if denominator != 1:
        raise UnitError(f"{fraction} has no finite decimal form")
    scaled = str(abs(fraction.numerator) * 10**digits // fraction.denominator).rjust(digits + 1, "0")
    text = f"{scaled[:-digits]}.{scaled[-digits:]}" if digits else scaled
    return f"-{text}" if fraction < 0 else text


def format_quantity(quantity: Quantity, unit: str) -> str:
    """Write a quantity in ``unit``, exactly; a duration that is not finite there is written compound.

    Raises UnitError where no exact form exists.
    """
    try:
        return format_number(quantity.number(unit)) + unit
    except UnitError:
        if quantity.dimension is not Dimension.DURATION:
            raise
    return format_duration(quantity)


def format_duration(quantity: Quantity) -> str:
    """Write a duration compound, largest unit first: ``1h30m``; raises UnitError below whole nanoseconds."""
    rest, parts = abs(quantity.value), []
    for unit in _DURATIONS:
        count = rest // UNITS[unit][1]
        rest -= count * UNITS[unit][1]
        if count:
            parts.append(f"{count}{unit}")
    if rest:
        raise UnitError(f"{quantity.value} s has no finite decimal form")
    return ("-" if quantity.value < 0 else "") + ("".join(parts) or "0s")


def format_value(value: Value) -> str:
    """Write a value as the language writes it; strings plain, lists in brackets."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Fraction):
        return format_number(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(format_value(item) for item in value) + "]"
    return str(value)


def to_json(value: Value) -> object:
    """A value as JSON: quantities as text; a decimal as the number that prints like it, as text where none does."""
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Fraction):
        number = value.numerator / value.denominator if value.denominator < _FLOAT_LIMIT > abs(value.numerator) else 0.0
        return number if Fraction(repr(number)) == value else format_number(value)
    return format_value(value)


def format_exact(value: Value) -> str:
    """Write any value for people: as ``format_value``, and what has no finite decimal as a division, ``10s / 3``."""
    if isinstance(value, tuple):
        return "[" + ", ".join(format_exact(item) for item in value) + "]"
    try:
        return format_value(value)
    except UnitError:
        if not isinstance(value, Quantity):
            return f"{Fraction(value).numerator} / {Fraction(value).denominator}"
    unit = value.unit or "s"
    number = value.number(unit)
    return f"{number.numerator}{unit} / {number.denominator}"


def to_shown_json(value: Value) -> object:
    """A value as JSON for people: as ``to_json``, and what no decimal can be as a division, ``"1 / 3"``."""
    try:
        return to_json(value)
    except UnitError:
        return format_exact(value)
