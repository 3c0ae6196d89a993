"""Whether values keep the limits of a rule book: one pure function, asked wherever a value can come from.

Names are canonical, values exact.  A value is refused where a limit that binds it cannot judge it: one without a unit,
of another dimension, or a text that is no plain number.  Every value inside a list is judged by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from msgspec import Struct

from campaign.plugins.names import canonical
from campaign.rules.structs import PHYSICAL, TYPE, Bound, Limit, Number, Origin
from campaign.units import Quantity, Value, format_exact

#: A number that every program reads alike: no sign but the minus, no exponent, no blanks, no octal-looking zeros.
_WRITTEN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_LONGEST_NUMBER = 100


class Given(Struct, frozen=True):
    """A value that something is about to be given: a setting, an axis, or a ``provider``'s parameter.

    ``kind`` is the type that the provider declares for it; ``reaches`` are the providers that a setting or an axis is
    handed to as it is, whose limits bind it too.  ``physical`` is what a provider writes to the world, a text even.
    """

    name: str
    value: Value
    provider: str | None = None
    kind: str | None = None
    reaches: tuple[str, ...] = ()
    physical: bool = False


class Violation(Struct, frozen=True):
    """A value that is refused, in words, and the places that refuse it; without ``limit``: nothing binds it."""

    given: Given
    value: Value
    reason: str
    origins: tuple[Origin, ...]
    limit: Limit | None = None


def violations(
    given: Iterable[Given], limits: Mapping[str, Limit], unbounded: Origin | None = None
) -> Iterator[Violation]:
    """Every value that breaks a limit; with ``unbounded``, also every physical one that no limit binds."""
    for each in given:
        for leaf in leaves(each.value):
            binding = list(binding_limits(each, leaf, limits))
            yield from (
                Violation(each, leaf, reason, origins, limit)
                for limit in binding
                if (objection := object_to(limit, leaf)) is not None
                for reason, origins in (objection,)
            )
            if unbounded is not None and not binding and is_physical(each, leaf):
                yield Violation(each, leaf, "is bound by no limit, and what is unbounded is denied", (unbounded,))


def leaves(value: Value) -> Iterator[Value]:
    """The single values in a value, however deep the lists."""
    waiting: list[Value] = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, tuple):
            waiting.extend(reversed(each))
        else:
            yield each


def binding_limits(given: Given, leaf: Value, limits: Mapping[str, Limit]) -> Iterator[Limit]:
    """Every limit that binds a value: by its name, by ``provider.name``, by its declared type, by what it measures."""
    return (limits[key] for key in keys_of(given, leaf) if key in limits)


def keys_of(given: Given, leaf: Value) -> Iterator[str]:
    """The keys under which limits can bind a value, each once."""
    name = canonical(given.name)
    yield name
    providers = given.reaches if given.provider is None else (given.provider,)
    for provider in providers:
        yield f"{canonical(provider)}.{name}"
    own = type_of(leaf)
    yield f"{TYPE}{own}"
    if given.kind is not None and given.kind != own:
        yield f"{TYPE}{given.kind}"


def type_of(leaf: Value) -> str:
    """The name of the type of a single value."""
    if isinstance(leaf, Quantity):
        return leaf.dimension.value
    if isinstance(leaf, bool):
        return "bool"
    if isinstance(leaf, str):
        return "string"
    return "int" if isinstance(leaf, int) else "decimal"


def is_physical(given: Given, leaf: Value) -> bool:
    """Whether a wrong value here could destroy something."""
    return given.physical or type_of(leaf) in PHYSICAL or given.kind in PHYSICAL


def object_to(limit: Limit, leaf: Value) -> tuple[str, tuple[Origin, ...]] | None:
    """Why a limit refuses a value, and the places that say so; None where it takes it."""
    for bound, word in ((limit.low, "at least"), (limit.high, "at most")):
        if bound is None:
            continue
        value = _judged(leaf, bound)
        if value is None:
            return f"is {_what(leaf)} and must be {word} {format_exact(bound.value)}", (bound.origin,)
        if not (value <= bound.value if bound is limit.high else value >= bound.value):
            return f"must be {word} {format_exact(bound.value)}", (bound.origin,)
    allowed = limit.allowed
    if allowed is not None and not any(same(leaf, value) for value in allowed.values):
        return f"must be one of {', '.join(map(format_exact, allowed.values))}", allowed.origins
    return None


def _judged(leaf: Value, bound: Bound) -> Number | None:
    """A value as an end of a limit can judge it; None where it cannot.

    To a plain number a text is the number that it writes, as what gets the text would read it.
    """
    if isinstance(leaf, str) and dimension(bound.value) == "number" and len(leaf) <= _LONGEST_NUMBER:
        return Fraction(leaf) if _WRITTEN.fullmatch(leaf) else None
    comparable = not isinstance(leaf, bool | str | tuple) and dimension(leaf) == dimension(bound.value)
    return leaf if comparable else None  # type: ignore[return-value]


def dimension(value: Value) -> str:
    """What a value measures: the name of its dimension; plain numbers and ratios are alike."""
    if isinstance(value, Quantity):
        return "number" if value.dimension.value == "ratio" else value.dimension.value
    if isinstance(value, bool):
        return "bool"
    return "text" if isinstance(value, str | tuple) else "number"


def _what(leaf: Value) -> str:
    kind = dimension(leaf)
    return "a number without a unit" if kind == "number" else f"a {kind}"


def same(left: Value, right: Value) -> bool:
    """Whether two values are one: by value, but true is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def leaves_no_value(limit: Limit) -> str | None:
    """Why a limit takes no value at all, as the end of a sentence; None where one may be left."""
    low, high = limit.low, limit.high
    if low is not None and high is not None and low.value > high.value:
        return f"has no value left: at least {format_exact(low.value)}, at most {format_exact(high.value)}"
    if limit.allowed is not None and all(object_to(limit, value) is not None for value in limit.allowed.values):
        return "has no value left: each that is allowed breaks another bound"
    return None


def limit_text(limit: Limit) -> str:
    """What a limit allows, as a person reads it: ``800mV..1100mV``, ``at most 4GiB``, ``fft or matrixprod``."""
    low, high = (None if bound is None else format_exact(bound.value) for bound in (limit.low, limit.high))
    parts = []
    if low is not None and high is not None:
        parts.append(f"{low}..{high}")
    elif low is not None or high is not None:
        parts.append(f"at least {low}" if high is None else f"at most {high}")
    if limit.allowed is not None:
        parts.append(" or ".join(map(format_exact, limit.allowed.values)))
    return ", ".join(parts)
