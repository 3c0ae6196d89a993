"""What a ``sweep`` says: the types and the points of its axis, once the names in it are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from campaign.diagnostics import Diagnostic, Span
from campaign.language.axes import AxisError, Point, Stretch, in_unit
from campaign.language.expressions import Closure, EvaluationError
from campaign.language.names import shown
from campaign.language.syntax import Expr, ListOf, Range, Sweep, TupleOf
from campaign.language.typecheck import ANY, INT, STRING, Type, Typer, article, joined, ordered
from campaign.units import Quantity, UnitError, Value, format_value

Report = Callable[[Diagnostic], None]


def sweep_types(sweep: Sweep, typer: Typer, report: Report) -> list[Type]:
    """The type of each of a sweep's names; what is wrong is reported and becomes ANY."""
    if sweep.kind is not None:
        return [STRING]
    width = len(sweep.names)
    values = sweep.values
    if isinstance(values, Range) and not sweep.joint:
        type_ = typer.range(values)
        return [_with_jitter(sweep, _stepped(values, type_, report), typer, report)]
    if not isinstance(values, ListOf):
        if values is not None:
            typer.infer(values)
            wanted = "a list of tuples" if sweep.joint else "a list or a range"
            report(Diagnostic("CAMP150", f"an axis takes {wanted}", values.span, 'write: sweep x = ["a", "b"]'))
        return [ANY] * width
    if not values.items:
        report(Diagnostic("CAMP150", "an axis has at least one value", values.span))
        return [ANY] * width
    if sweep.joint:
        return _columns(sweep, values, typer, report)
    item = typer.infer(values).item or ANY
    return [_with_jitter(sweep, item, typer, report)]


def _stepped(values: Range, type_: Type, report: Report) -> Type:
    if values.last is None:
        report(Diagnostic("CAMP150", "the range of an axis has an end", values.span, "write: 1..10"))
        return ANY
    if values.step is None and type_ not in (INT, ANY):
        hint = "say in which steps: 850mV..1050mV step 10mV"
        report(Diagnostic("CAMP150", f"a range of {type_} has no steps of its own", values.span, hint))
        return ANY
    return type_


def _with_jitter(sweep: Sweep, type_: Type, typer: Typer, report: Report) -> Type:
    if sweep.jitter is None or type_ == ANY:
        return type_
    if ordered(type_):
        typer.expect(sweep.jitter, type_, "jitter")
    else:
        typer.infer(sweep.jitter)
        report(Diagnostic("CAMP150", "only a numeric axis has jitter", sweep.jitter.span))
    return type_


def _columns(sweep: Sweep, values: ListOf, typer: Typer, report: Report) -> list[Type]:
    width, columns = len(sweep.names), list[list[Type]]()
    if sweep.jitter is not None:
        report(Diagnostic("CAMP150", "a joint axis has no jitter", sweep.jitter.span))
    sound = True
    for point in values.items:
        if not isinstance(point, TupleOf) or len(point.items) != width:
            names = ", ".join(word.text for word in sweep.names)
            summary = f"a point of this axis has {width} values: ({shown(names)})"
            report(Diagnostic("CAMP150", summary, point.span))
            sound = False
            continue
        columns.append([typer.infer(item) for item in point.items])
    if not sound:
        return [ANY] * width
    return [_column(sweep, place, columns, values, report) for place in range(width)]


def _column(sweep: Sweep, place: int, rows: list[list[Type]], values: ListOf, report: Report) -> Type:
    type_ = joined([row[place] for row in rows])
    if type_ is not None:
        return type_
    found = sorted({article(row[place]) for row in rows})
    summary = f"{shown(sweep.names[place].text)} takes values of one type, not {' and '.join(found)}"
    report(Diagnostic("CAMP110", summary, values.span))
    return ANY


def sweep_points(sweep: Sweep, compiled: Callable[[Expr], Closure], constants: Any) -> Sequence[Point]:
    """The points of a sweep that is well typed; raises EvaluationError (AxisError's sentences among them)."""
    if sweep.kind is not None:
        labels = [choice.label.text for choice in sweep.choices]
        _distinct([(label,) for label in labels], [choice.span for choice in sweep.choices])
        return [(label,) for label in labels]
    values = sweep.values
    if isinstance(values, Range):
        return _stretch(values, compiled, constants)
    assert isinstance(values, ListOf)
    computed = [compiled(item)(constants) for item in values.items]
    spans = [item.span or sweep.span for item in values.items]
    if not sweep.joint:
        points: list[Point] = [(value,) for value in in_unit(computed)]
    else:
        rows: list[Any] = computed
        columns = [in_unit([row[place] for row in rows]) for place in range(len(sweep.names))]
        points = list(zip(*columns, strict=True))
    _distinct(points, spans)
    return points


def _stretch(values: Range, compiled: Callable[[Expr], Closure], constants: Any) -> Stretch:
    assert values.last is not None
    first, last = compiled(values.first)(constants), compiled(values.last)(constants)
    step: Value = 1 if values.step is None else compiled(values.step)(constants)
    if isinstance(step, Quantity) and not isinstance(first, Quantity):
        step = step.value
    try:
        return Stretch(first, last, step)
    except AxisError as error:
        raise EvaluationError(str(error), values.span) from None


def _distinct(points: Sequence[Point], spans: Sequence[Span]) -> None:
    seen: set[Point] = set()
    for point, span in zip(points, spans, strict=True):
        told_apart = tuple((type(value) is bool, value) for value in point)
        if told_apart in seen:
            raise EvaluationError(f"{_written(point)} stands twice on this axis", span)
        seen.add(told_apart)


def _written(point: Point) -> str:
    try:
        text = ", ".join(format_value(value) for value in point)
    except UnitError:
        text = ", ".join(str(Fraction(value)) if isinstance(value, Fraction) else repr(value) for value in point)
    return shown(text if len(point) == 1 else f"({text})")


def jitter_width(sweep: Sweep, compiled: Callable[[Expr], Closure], constants: Any) -> Value | None:
    """Half the width of a sweep's jitter, None where it has none."""
    return None if sweep.jitter is None else compiled(sweep.jitter)(constants)


def is_negative(value: Value | None) -> bool:
    """Whether a number or a quantity is less than nothing."""
    plain = value.value if isinstance(value, Quantity) else value
    return isinstance(plain, int | Fraction) and plain < 0
