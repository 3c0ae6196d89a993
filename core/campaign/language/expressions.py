"""Expressions: what they compute, exactly.

An expression is compiled once to closures over an environment and called for every run; ``evaluate`` does both in
one go.  Nothing here knows where names come from: whoever compiles binds each name to a closure.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, TypeAlias, cast

from campaign.diagnostics import Span
from campaign.language.patterns import PatternError, compile_pattern, search
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
    Quantity,
    UnitError,
    Value,
    format_number,
    format_value,
    parse_number,
    parse_quantity,
)

#: The dotted name as written in, its value out; raises Missing.
Lookup: TypeAlias = Callable[[str], Value]
#: A compiled expression: an environment in (whatever ``Bind`` agreed on), a value out.
Closure: TypeAlias = Callable[[Any], Value]
#: Where a name's value comes from.
Bind: TypeAlias = Callable[[str], Closure]

#: Bounds on what a finite but hostile spec may compute (``a = b * b`` in a long chain, ``"{a}{a}"`` likewise).
MAXIMUM_BITS = 4096
MAXIMUM_TEXT = 1 << 20
MAXIMUM_ITEMS = 100_000

_NAMELESS = frozenset((Integer, Decimal, QuantityLiteral, Boolean, Regex))


class InText(str):
    """A name that stands in a text, where more can be named than elsewhere: ``{workdir}``, ``{srv.port}``."""

    __slots__ = ()


class Missing(LookupError):  # noqa: N818 - the name of the contract, an outcome rather than a failure
    """Asked for something that is not there, such as a metric that was never printed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class EvaluationError(ValueError):
    """What cannot be computed: a division by zero, a number without end; a sentence and, where known, its place."""

    def __init__(self, message: str, span: Span | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.span = span


def pattern_id(kind: str, text: str) -> str:
    """How an expectation asks whether the output held ``text``: ``output contains done``, as ``records`` names it."""
    return f"output {kind} {text}"


def evaluate(expr: Expr, lookup: Lookup) -> Value:
    """The value of ``expr``; raises Missing from ``lookup`` and EvaluationError.

    ``and`` and ``or`` stop at the first operand that decides.
    """
    return compile_expression(expr, lambda name: lambda _: lookup(name))(None)


def compile_expression(expr: Expr, bind: Bind) -> Closure:
    """``expr`` as a function of an environment; names are bound now, once."""
    return _COMPILERS[type(expr)](expr, bind)


def literal(expr: Expr) -> Value | None:
    """The value of a literal without names, else None."""
    if isinstance(expr, Integer | Boolean):
        return expr.value
    if isinstance(expr, Decimal):
        return parse_number(expr.text)
    if isinstance(expr, QuantityLiteral):
        return parse_quantity(expr.text)
    if isinstance(expr, Text):
        return expr.plain
    return None


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct operands of ``expr``."""
    if isinstance(expr, Binary):
        return (expr.left, expr.right)
    if isinstance(expr, Unary):
        return (expr.operand,)
    if isinstance(expr, ListOf | TupleOf):
        return expr.items
    if isinstance(expr, Call):
        return expr.arguments
    if isinstance(expr, Range):
        return tuple(part for part in (expr.first, expr.last, expr.step) if part is not None)
    return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """``expr`` and everything in it, in the order in which it was written; needs no stack of its own depth."""
    waiting = [expr]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(children(current)))


def references(expr: Expr) -> list[Name | Hole]:
    """Every name in ``expr``, also those in strings."""
    if type(expr) in _NAMELESS:  # most expressions of a spec, and asked for often
        return []
    found: list[Name | Hole] = []
    for part in walk(expr):
        if isinstance(part, Name):
            found.append(part)
        elif isinstance(part, Text):
            found += [piece for piece in part.parts if isinstance(piece, Hole)]
    return found


# --- compiling --------------------------------------------------------------------------------------------------


def _constant(expr: Integer | Boolean | Decimal | QuantityLiteral, _: Bind) -> Closure:
    try:
        value = literal(expr)
    except (UnitError, ValueError) as error:
        raise EvaluationError(str(error), expr.span) from None
    assert value is not None
    _bounded(value, expr.span)
    return lambda _: value


def _name(expr: Name, bind: Bind) -> Closure:
    return bind(expr.text)


def _text(expr: Text, bind: Bind) -> Closure:
    plain = expr.plain
    if plain is not None:
        return lambda _: plain
    pieces = [part if isinstance(part, str) else _hole(part, bind) for part in expr.parts]

    def join(environment: Any) -> str:
        text = "".join(piece if isinstance(piece, str) else str(piece(environment)) for piece in pieces)
        if len(text) > MAXIMUM_TEXT:
            raise EvaluationError("this text grows beyond 1 MiB", expr.span)
        return text

    return join


def _hole(hole: Hole, bind: Bind) -> Closure:
    value = bind(InText(hole.name))
    return lambda environment: text_of(value(environment), hole.unit, hole.span)


def text_of(value: Value, unit: str | None, span: Span | None = None) -> str:
    """A value as it stands in a string, a quantity as a plain number in ``unit`` where one is given."""
    try:
        if unit is None:
            return format_value(value)
        if not isinstance(value, Quantity):
            raise UnitError(f"this is no quantity, it cannot be written in {unit}")
        return format_number(value.number(unit))
    except UnitError as error:
        raise EvaluationError(str(error), span) from None


def _regex(expr: Regex, _: Bind) -> Closure:
    return lambda _: expr.pattern


def _sequence(expr: ListOf | TupleOf, bind: Bind) -> Closure:
    items = [compile_expression(item, bind) for item in expr.items]

    def build(environment: Any) -> tuple[Value, ...]:
        value = tuple(item(environment) for item in items)
        if any(type(item) is tuple for item in value) and _leaves(value, MAXIMUM_ITEMS) > MAXIMUM_ITEMS:
            raise EvaluationError(f"this list grows beyond {MAXIMUM_ITEMS} items", expr.span)
        return value

    return build


def _leaves(value: tuple[Value, ...], most: int) -> int:
    """How many items a list of lists has in all; gives up soon after ``most``."""
    count = 0
    for item in value:
        count += _leaves(item, most - count) if isinstance(item, tuple) else 1
        if count > most:
            break
    return count


def _range(expr: Range, _: Bind) -> Closure:
    raise EvaluationError("a range is not a value", expr.span)


def _unary(expr: Unary, bind: Bind) -> Closure:
    operand = compile_expression(expr.operand, bind)
    if expr.operator == "not":
        return lambda environment: not operand(environment)
    return lambda environment: _applied(operator.neg, expr, operand(environment))


def _binary(expr: Binary, bind: Bind) -> Closure:
    return _BINARY.get(expr.operator, _relation)(expr, bind)


def _both(expr: Binary, bind: Bind) -> Closure:
    left, right = compile_expression(expr.left, bind), compile_expression(expr.right, bind)
    return lambda environment: bool(left(environment)) and bool(right(environment))


def _either(expr: Binary, bind: Bind) -> Closure:
    left, right = compile_expression(expr.left, bind), compile_expression(expr.right, bind)
    return lambda environment: bool(left(environment)) or bool(right(environment))


def _relation(expr: Binary, bind: Bind) -> Closure:
    function = _OPERATORS[expr.operator]
    left, right = compile_expression(expr.left, bind), compile_expression(expr.right, bind)
    if expr.operator not in _ARITHMETIC:
        return lambda environment: _tried(function, expr, left(environment), right(environment))
    return lambda environment: _applied(function, expr, left(environment), right(environment))


def _member(expr: Binary, bind: Bind) -> Closure:
    left = compile_expression(expr.left, bind)
    if isinstance(expr.right, Range):
        within = compile_range(expr.right, bind)
        return lambda environment: within(environment, left(environment))
    right = compile_expression(expr.right, bind)
    return lambda environment: _contains(right(environment), left(environment))


def compile_range(expr: Range, bind: Bind) -> Callable[[Any, Value], bool]:
    """Whether a value lies in ``a..b``, and on its steps where it has a ``step``."""
    first = compile_expression(expr.first, bind)
    last = None if expr.last is None else compile_expression(expr.last, bind)
    step = None if expr.step is None else compile_expression(expr.step, bind)

    def within(environment: Any, value: Value) -> bool:
        low: Any = first(environment)
        high: Any = None if last is None else last(environment)
        try:
            if value < low or (high is not None and value > high):
                return False
            return step is None or _on_step(cast("Any", value) - low, step(environment))
        except (UnitError, TypeError) as error:
            raise EvaluationError(str(error), expr.span) from None

    return within


def _on_step(offset: Any, step: Any) -> bool:
    if not step:
        return False
    quotient = offset / step if isinstance(offset, Quantity) else Fraction(offset) / Fraction(step)
    return bool(Fraction(quotient).denominator == 1)


def _holds(expr: Binary, bind: Bind) -> Closure:
    """``contains`` and ``matches``; the output itself is never here, only what its pump was asked to look for."""
    if isinstance(expr.left, Name) and expr.left.text == "output":
        return _asked_of_output(expr, bind)
    left = compile_expression(expr.left, bind)
    right = compile_expression(expr.right, bind)
    if expr.operator == "contains":
        return lambda environment: _contains(left(environment), right(environment))
    if isinstance(expr.right, Regex):
        _checked_pattern(expr.right.pattern, expr.right.span)
    return lambda environment: search(str(right(environment)), str(left(environment)))


def _asked_of_output(expr: Binary, bind: Bind) -> Closure:
    if isinstance(expr.right, Regex):
        return bind(pattern_id(expr.operator, expr.right.pattern))
    if isinstance(expr.right, Text) and expr.right.plain is not None:
        return bind(pattern_id(expr.operator, expr.right.plain))
    # Only a text whose names are not put in yet: see ``substitute``, which is asked first.
    raise EvaluationError(
        "the output can only be asked for a text or a pattern that is known before the run", expr.span
    )


def _checked_pattern(pattern: str, span: Span | None) -> None:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        raise EvaluationError(f"this is not a regular expression of linear time: {error}", span) from None


def _contains(whole: Value, part: Value) -> bool:
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    return isinstance(whole, tuple) and any(same(item, part) for item in whole)


def same(left: Value, right: Value) -> bool:
    """Equality of the language: by value, and ``true`` is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def _call(expr: Call, bind: Bind) -> Closure:
    function = FUNCTIONS.get(expr.function)
    if function is None:
        raise EvaluationError(f"{expr.function} is not a function", expr.span)
    arguments = [compile_expression(argument, bind) for argument in expr.arguments]
    if len(arguments) == 1:
        only = arguments[0]
        return lambda environment: _applied(function, expr, only(environment))
    return lambda environment: _applied(function, expr, *[argument(environment) for argument in arguments])


def _applied(function: Callable[..., Any], expr: Unary | Binary | Call, *operands: Value) -> Value:
    value = _tried(function, expr, *operands)
    _bounded(value, expr.span)
    return value


def _tried(function: Callable[..., Any], expr: Unary | Binary | Call, *operands: Value) -> Value:
    try:
        return cast("Value", function(*operands))
    except ZeroDivisionError:
        raise EvaluationError("a division by zero", expr.span) from None
    except (UnitError, TypeError, ValueError) as error:
        raise EvaluationError(_sentence(error, operands), expr.span) from None


def _sentence(error: Exception, operands: tuple[Value, ...]) -> str:
    if isinstance(error, UnitError):
        return str(error)
    return "this cannot be computed from " + " and ".join(format_value(operand)[:80] for operand in operands)


def _bounded(value: object, span: Span | None) -> None:
    if isinstance(value, bool):
        return
    if isinstance(value, Quantity):
        value = value.value
    if isinstance(value, int):
        bits = value.bit_length()
    elif isinstance(value, Fraction):
        bits = value.numerator.bit_length() + value.denominator.bit_length()
    else:
        return
    if bits > MAXIMUM_BITS:
        raise EvaluationError(f"this number grows beyond {MAXIMUM_BITS} bits", span)


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        raise UnitError('texts are joined in a string: "{a}{b}"')
    return left + right


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return left / right
    return Fraction(left) / Fraction(right)


def _round(number: Any) -> int:
    """To the nearest whole number, halves away from zero, as people round."""
    whole = int(abs(Fraction(number)) + Fraction(1, 2))
    return -whole if number < 0 else whole


def _items(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple) else arguments


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "min": lambda *arguments: min(_items(arguments)),
    "max": lambda *arguments: max(_items(arguments)),
    "abs": abs,
    "round": _round,
}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": same,
    "!=": lambda left, right: not same(left, right),
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": _add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
}
#: What makes numbers, which may grow; all else says yes or no.
_ARITHMETIC = frozenset("+-*/")
_BINARY: dict[str, Callable[[Binary, Bind], Closure]] = {
    "and": _both,
    "or": _either,
    "in": _member,
    "contains": _holds,
    "matches": _holds,
}
_COMPILERS: dict[type, Callable[[Any, Bind], Closure]] = {
    Integer: _constant,
    Boolean: _constant,
    Decimal: _constant,
    QuantityLiteral: _constant,
    Text: _text,
    Regex: _regex,
    Name: _name,
    ListOf: _sequence,
    TupleOf: _sequence,
    Range: _range,
    Unary: _unary,
    Binary: _binary,
    Call: _call,
}
