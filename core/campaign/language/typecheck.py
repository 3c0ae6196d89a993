"""Types and units of expressions, known before anything runs.

``Typer`` infers bottom-up and reports each mistake once, at its place: what is wrong below becomes ``ANY``, which
fits everywhere, so that one mistake never causes a second message.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Span
from campaign.language.expressions import FUNCTIONS
from campaign.language.names import meant, with_article
from campaign.language.patterns import PatternError, compile_pattern
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
from campaign.units import UNITS, Dimension, Quantity, UnitError, Value, parse_number, parse_quantity


class Type(Struct, frozen=True):
    """A type by its name in the language; a list knows what it holds, a tuple what stands at each place."""

    name: str
    item: Type | None = None
    places: tuple[Type, ...] = ()

    def __str__(self) -> str:
        if self.places:
            return f"{self.name} ({', '.join(map(str, self.places))})"
        if self.item is None or self.item.name == "any":
            return self.name
        return "list of lists" if self.item.item is not None else f"{self.name} of {self.item}"


ANY = Type("any")  # not known, or wrong and said so already
INT, DECIMAL, STRING, BOOL, PATH = Type("int"), Type("decimal"), Type("string"), Type("bool"), Type("path")
RATIO = Type(Dimension.RATIO.value)
DURATION = Type(Dimension.DURATION.value)
OUTPUT = Type("output")  # takes only contains and matches
PATTERN = Type("pattern")

DIMENSIONS = {dimension.value: Type(dimension.value) for dimension in Dimension}
#: What a parameter can be declared as.
PARAMETER_TYPES = {"int": INT, "decimal": DECIMAL, "string": STRING, "bool": BOOL, "path": PATH, **DIMENSIONS}

_NUMBERS = frozenset(("int", "decimal"))
_TEXTS = frozenset(("string", "path"))
Report: TypeAlias = Callable[[Diagnostic], None]


def named(name: str) -> Type:
    """The type called ``name``, of a declared parameter or of a plugin's schema; ``list`` holds anything."""
    return PARAMETER_TYPES.get(name, Type("list", ANY) if name == "list" else ANY)


def article(type_: Type) -> str:
    """A type as a message says it: ``an int``, ``a duration``."""
    return with_article(str(type_))


def type_text(type_: Type) -> str:
    """A type in one word, for records: ``voltage``, ``list/voltage``, ``any``."""
    item = type_.item if type_.item is not None and type_.name == "list" else None
    return type_.name if item is None else f"{type_.name}/{type_text(item)}"


def type_of(value: Value) -> Type:
    """The type of a value."""
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return INT
    if isinstance(value, str):
        return STRING
    if isinstance(value, Quantity):
        return DIMENSIONS[value.dimension.value]
    if isinstance(value, Fraction):
        return DECIMAL
    return Type("list", joined([type_of(item) for item in value]) or ANY)


def joined(types: list[Type]) -> Type | None:
    """The one type that all of these fit, None where there is none; of nothing it is ANY."""
    result = ANY
    for each in types:
        merged = _joined_pair(result, each)
        if merged is None:
            return None
        result = merged
    return result


def _joined_pair(left: Type, right: Type) -> Type | None:
    if right in (left, ANY):
        return left
    if left == ANY:
        return right
    names = {left.name, right.name}
    if names == _NUMBERS:
        return DECIMAL
    if names <= _TEXTS:
        return STRING
    if "ratio" in names and names & _NUMBERS:
        return RATIO
    if names == {"tuple"} and len(left.places) == len(right.places):
        places = [_joined_pair(*pair) for pair in zip(left.places, right.places, strict=True)]
        return None if None in places else Type("tuple", None, tuple(place for place in places if place is not None))
    if names == {"list"} and left.item is not None and right.item is not None:
        item = _joined_pair(left.item, right.item)
        return None if item is None else Type("list", item)
    return None


def item_of(type_: Type) -> Type | None:
    """What a list or a tuple holds, ANY where nothing is known; None where it is no one type, or nothing at all."""
    return joined(list(type_.places)) if type_.name == "tuple" else ANY if type_ == ANY else type_.item


def fits(actual: Type, wanted: Type) -> bool:
    """Whether a value of ``actual`` can be given where ``wanted`` is asked for.

    An int takes any whole value, so a decimal may fit it; that is seen when the value is there.
    """
    if ANY in (actual, wanted) or actual == wanted:
        return True
    if actual.name in _NUMBERS and (wanted.name in _NUMBERS or wanted == RATIO):
        return True
    if actual == RATIO and wanted == DECIMAL:
        return True
    if actual.name in _TEXTS and wanted.name in _TEXTS:
        return True
    if wanted.name == "list" and (item := item_of(actual)) is not None:
        return fits(item, wanted.item or ANY)
    return False


def cast_value(value: Value, wanted: Type) -> Value:
    """``value`` as a parameter of type ``wanted`` holds it: a whole decimal as an int, a plain number as a ratio.

    Raises UnitError with a sentence where it cannot be one.
    """
    if wanted == INT:
        return _whole(value)
    if wanted == DECIMAL and isinstance(value, int | Fraction | Quantity) and not isinstance(value, bool):
        plain = value.value if isinstance(value, Quantity) and value.dimension is Dimension.RATIO else value
        if not isinstance(plain, Quantity):
            return plain
    if wanted == RATIO and isinstance(value, int | Fraction) and not isinstance(value, bool):
        return Quantity(value, Dimension.RATIO, "%")
    if not fits(type_of(value), wanted):
        raise UnitError(f"this is {article(type_of(value))}, not {article(wanted)}")
    return value


def _whole(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise UnitError(f"this is {article(type_of(value))}, not an int")
    if isinstance(value, Fraction) and value.denominator != 1:
        raise UnitError("an int takes only whole values")
    return int(value)


class Typer:
    """Infers types; ``name_type`` gives the type of a name (and reports an unknown one itself), ``report`` collects."""

    def __init__(self, name_type: Callable[[Name | Hole], Type], report: Report) -> None:
        self._name_type = name_type
        self._report = report

    def _error(self, code: str, summary: str, span: Span | None, hint: str | None = None) -> Type:
        self._report(Diagnostic(code, summary, span, hint))
        return ANY

    def infer(self, expr: Expr) -> Type:
        """The type of ``expr``, ANY where it has none."""
        return _INFER[type(expr)](self, expr)

    def expect(self, expr: Expr, wanted: Type, what: str) -> Type:
        """Infer and say so where ``expr`` is not what ``what`` takes."""
        actual = self.infer(expr)
        if not fits(actual, wanted):
            self._error("CAMP111", f"{what} takes {article(wanted)}, not {article(actual)}", expr.span)
            return ANY
        return actual

    def _literal(self, expr: Integer | Decimal | QuantityLiteral | Boolean) -> Type:
        try:
            if isinstance(expr, QuantityLiteral):
                return DIMENSIONS[parse_quantity(expr.text).dimension.value]
            if isinstance(expr, Decimal):
                parse_number(expr.text)
        except (UnitError, ValueError) as error:
            return self._error("CAMP110", str(error), expr.span)
        return _LITERALS[type(expr)]

    def _text(self, expr: Text) -> Type:
        for part in expr.parts:
            if isinstance(part, Hole):
                self.hole(part)
        return STRING

    def hole(self, hole: Hole) -> None:
        """Check that a hole's value can stand in a text, in its unit where it has one."""
        type_ = self._name_type(hole)
        if type_.name in ("list", "tuple", "output"):
            self._error("CAMP110", f"{article(type_)} cannot stand in a text", hole.span)
        if hole.unit is None or type_ == ANY:
            return
        if hole.unit not in UNITS:
            self._error("CAMP110", f"{hole.unit} is not a unit", hole.span, meant(hole.unit, UNITS))
        elif UNITS[hole.unit][0].value != type_.name:
            dimension = UNITS[hole.unit][0]
            self._error("CAMP110", f"{hole.unit} is a unit of {dimension}, {hole.name} is {article(type_)}", hole.span)

    def _regex(self, expr: Regex) -> Type:
        try:
            compile_pattern(expr.pattern)
        except PatternError as error:
            hint = "no backreferences and no look-around: patterns are matched in linear time"
            return self._error("CAMP114", f"this regular expression is not accepted: {error}", expr.span, hint)
        return PATTERN

    def _tuple(self, expr: TupleOf) -> Type:
        return Type("tuple", None, tuple(self.infer(item) for item in expr.items))

    def _list(self, expr: ListOf) -> Type:
        types = [self.infer(item) for item in expr.items]
        item = joined(types)
        if item is not None:
            return Type("list", item)
        odd = next(index for index in range(len(types)) if joined(types[: index + 1]) is None)
        first = joined(types[:odd]) or ANY
        self._error("CAMP110", f"this is {article(types[odd])} in a list of {first}", expr.items[odd].span)
        return Type("list", ANY)

    def _range(self, expr: Range) -> Type:
        self.range(expr)
        return self._error("CAMP110", "a range is not a value here", expr.span)

    def range(self, expr: Range) -> Type:
        """The type of a range's points."""
        parts = [part for part in (expr.first, expr.last, expr.step) if part is not None]
        types = [self.infer(part) for part in parts]
        type_ = joined(types)
        if type_ is None:
            wrong = ", ".join(article(each) for each in types)
            return self._error("CAMP110", f"the ends and the step of a range are of one type, not {wrong}", expr.span)
        if type_ != ANY and not ordered(type_):
            return self._error("CAMP110", f"{article(type_)} has no ranges", expr.span)
        return type_

    def _name(self, expr: Name) -> Type:
        return self._name_type(expr)

    def _unary(self, expr: Unary) -> Type:
        operand = self.infer(expr.operand)
        if expr.operator == "not":
            return self._bool(expr.operand, operand, "not")
        if operand != ANY and not ordered(operand):
            return self._error("CAMP110", f"{article(operand)} has no negative", expr.span)
        return operand

    def _bool(self, expr: Expr, type_: Type, what: str) -> Type:
        if type_ not in (BOOL, ANY):
            self._error("CAMP110", f"{what} takes a bool, this is {article(type_)}", expr.span)
        return BOOL

    def _binary(self, expr: Binary) -> Type:
        operator = expr.operator
        if operator in ("contains", "matches"):
            return self._holds(expr)
        if operator == "in":
            return self._member(expr)
        left, right = self.infer(expr.left), self.infer(expr.right)
        if operator in ("and", "or"):
            self._bool(expr.left, left, operator)
            return self._bool(expr.right, right, operator)
        if OUTPUT in (left, right):
            self._error("CAMP110", "output takes only contains and matches", expr.span)
            return ANY
        if operator in ("==", "!=", "<", "<=", ">", ">="):
            return self._comparison(expr, left, right)
        return self._arithmetic(expr, left, right)

    def _comparison(self, expr: Binary, left: Type, right: Type) -> Type:
        common = joined([left, right])
        if common is None:
            self._error("CAMP110", f"{article(left)} cannot be compared with {article(right)}", expr.span)
        elif expr.operator not in ("==", "!=") and common != ANY and not ordered(common):
            self._error("CAMP110", f"{article(common)} has no order, only == and !=", expr.span)
        return BOOL

    def _arithmetic(self, expr: Binary, left: Type, right: Type) -> Type:
        if ANY in (left, right):
            return ANY
        result = _arithmetic(expr.operator, left, right)
        if result is not None:
            return result
        hint = 'join texts in one string: "{a}{b}"' if {left.name, right.name} <= _TEXTS else None
        verb = {"+": "added to", "-": "taken from", "*": "multiplied by", "/": "divided by"}[expr.operator]
        first, second = (right, left) if expr.operator == "-" else (left, right)
        return self._error("CAMP110", f"{article(first)} cannot be {verb} {article(second)}", expr.span, hint)

    def _member(self, expr: Binary) -> Type:
        left = self.infer(expr.left)
        if isinstance(expr.right, Range):
            item = self.range(expr.right)
        else:
            right = self.infer(expr.right)
            held = item_of(right)
            if held is None:
                hint = "a text in a text is asked with contains" if right.name in _TEXTS else None
                self._error("CAMP110", f"in takes a list or a range, not {article(right)}", expr.right.span, hint)
                return BOOL
            item = held
        if joined([left, item]) is None:
            self._error("CAMP110", f"{article(left)} is never in a list of {item}", expr.span)
        return BOOL

    def _holds(self, expr: Binary) -> Type:
        left, right = self.infer(expr.left), self.infer(expr.right)
        if expr.operator == "matches":
            if right not in (PATTERN, ANY):
                hint = "write the pattern between slashes: /…/"
                self._error("CAMP110", f"matches takes a pattern, not {article(right)}", expr.right.span, hint)
            if left.name not in ("string", "path", "output", "any"):
                self._error("CAMP110", f"{article(left)} has no text to match", expr.left.span)
            return BOOL
        if left.name in ("list", "tuple"):
            if joined([item_of(left) or ANY, right]) is None:
                self._error("CAMP110", f"a {left} never contains {article(right)}", expr.span)
        elif left.name not in ("string", "path", "output", "any"):
            self._error("CAMP110", f"{article(left)} contains nothing", expr.left.span)
        elif right.name not in ("string", "path", "any"):
            self._error("CAMP110", f"a text contains texts, not {article(right)}", expr.right.span)
        return BOOL

    def _call(self, expr: Call) -> Type:
        types = [self.infer(argument) for argument in expr.arguments]
        if expr.function not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            hint = meant(expr.function, FUNCTIONS) or f"the functions are {known}"
            return self._error("CAMP100", f"{expr.function} is not a function", expr.span, hint)
        if expr.function in ("len", "abs", "round") and len(types) != 1:
            return self._error("CAMP110", f"{expr.function} takes one argument, not {len(types)}", expr.span)
        if not types:
            return self._error("CAMP110", f"{expr.function} takes at least one argument", expr.span)
        return self._called(expr, types)

    def _called(self, expr: Call, types: list[Type]) -> Type:
        first = types[0]
        if expr.function == "len":
            wrong = first.name not in ("list", "tuple", "string", "path", "any")
            return self._error("CAMP110", f"{article(first)} has no length", expr.span) if wrong else INT
        if expr.function == "round":
            wrong = first.name not in (*_NUMBERS, "ratio", "any")
            hint = "divide by a unit first: round(duration / 1s)"
            return (
                self._error("CAMP110", f"round takes a number, not {article(first)}", expr.span, hint) if wrong else INT
            )
        several = len(types) == 1 and first.name in ("list", "tuple") and expr.function != "abs"
        common = item_of(first) if several else joined(types)
        if common is None or (common != ANY and not ordered(common)):
            wrong_types = " and ".join(article(each) for each in types)
            return self._error("CAMP110", f"{expr.function} cannot be taken of {wrong_types}", expr.span)
        return common


def ordered(type_: Type) -> bool:
    """Whether values of this type have an order (and ranges, negatives, sums)."""
    return type_.name in _NUMBERS or type_.name in DIMENSIONS


def _arithmetic(operator: str, left: Type, right: Type) -> Type | None:
    """The type of a sum, product or quotient, None where there is none."""
    if not ordered(left) or not ordered(right):
        return None
    if operator in ("+", "-"):
        return _joined_pair(left, right)
    if operator == "/" and left == right:
        return DECIMAL
    scales = (*_NUMBERS, "ratio")
    if right.name in scales:
        if left.name in _NUMBERS:
            return RATIO if right == RATIO and operator == "*" else _number(operator, left, right)
        return left
    return right if operator == "*" and left.name in scales else None


def _number(operator: str, left: Type, right: Type) -> Type:
    return INT if operator == "*" and left == right == INT else DECIMAL


_LITERALS: dict[type, Type] = {Integer: INT, Decimal: DECIMAL, Boolean: BOOL}
_INFER: dict[type, Callable[[Typer, Any], Type]] = {
    Integer: Typer._literal,
    Boolean: Typer._literal,
    Decimal: Typer._literal,
    QuantityLiteral: Typer._literal,
    Text: Typer._text,
    Regex: Typer._regex,
    Name: Typer._name,
    ListOf: Typer._list,
    TupleOf: Typer._tuple,
    Range: Typer._range,
    Unary: Typer._unary,
    Binary: Typer._binary,
    Call: Typer._call,
}
