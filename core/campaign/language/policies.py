"""``retry``, ``minimize`` and ``iterate``: the options each has, and their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from campaign.diagnostics import Diagnostic
from campaign.language.expressions import EvaluationError
from campaign.language.instances import Case
from campaign.language.items import label_of, labels_of
from campaign.language.limits import object_to_durations
from campaign.language.names import meant, shown
from campaign.language.syntax import Expr, ListOf, Options, Range, Setting
from campaign.language.typecheck import DURATION, INT, RATIO, STRING, Type
from campaign.language.values import Values
from campaign.plugins.names import canonical
from campaign.units import Quantity, Value

#: Kinds of failure that ``retry { on = […] }`` can name: those of ``records.FailureKind``, which costs 5 ms to import.
FAILURES = ("setup", "timeout", "exit", "signal", "expect", "oracle", "sla", "guard", "lost", "internal")

#: What ``minimize { by = … }`` makes smaller: the values of parameters, or a list by delta debugging.
WAYS = ("parameters", "ddmin")


class Retry(Struct, frozen=True):
    """``retry``: at most ``attempts`` in all, for these kinds of failure (empty: any), pausing longer each time."""

    attempts: int = 1
    on: tuple[str, ...] = ()
    first: Quantity | None = None
    last: Quantity | None = None


class Minimize(Struct, frozen=True):
    """``minimize``: ``by`` which minimizer, ``order`` of the names, so many attempts at most, none after ``time``."""

    attempts: int = 60
    order: tuple[str, ...] = ()
    by: str = WAYS[0]
    time: Quantity | None = None


class Iterate(Struct, frozen=True):
    """``iterate``: rates as 0..1, None where it does not say; ``before`` are argument vectors."""

    target: float | None = None
    confidence: float | None = None
    rounds: int | None = None
    before: tuple[tuple[str, ...], ...] = ()


#: Options by clause: a type, or what else the option takes.
_OPTIONS: dict[str, dict[str, Type | str]] = {
    "retry": {"attempts": INT, "on": "kinds", "backoff": "durations"},
    "minimize": {"order": "names", "attempts": INT, "time": DURATION, "by": "way"},
    "iterate": {"target": RATIO, "confidence": RATIO, "rounds": INT, "before": "commands"},
}


def check_policies(case: Case) -> None:
    """Check the options of every policy that reaches this instance."""
    for keyword, options in case.merged.options.items():
        if keyword in _OPTIONS:
            for setting in options.values():
                _check_option(keyword, setting, case)
    for layer in case.merged.layers:
        for clause in layer.clauses:
            if isinstance(clause, Options) and clause.keyword != "schedule":
                _only_settings(clause, case)


def _only_settings(clause: Options, case: Case) -> None:
    first: dict[str, Setting] = {}
    for each in clause.body:
        if not isinstance(each, Setting):
            summary = f"this clause does not stand in {clause.keyword}"
            case.values.report(Diagnostic("CAMP120", summary, each.span))
        elif first.setdefault(canonical(each.name.text), each) is not each:
            case.values.report(Diagnostic("CAMP103", f"{shown(each.name.text)} is given twice", each.name.span))


def _check_option(keyword: str, setting: Setting, case: Case) -> None:
    options = _OPTIONS[keyword]
    name = setting.name.text
    wanted = options.get(canonical(name))
    if wanted is None:
        hint = meant(name, options) or f"{keyword} has {', '.join(options)}"
        case.values.report(Diagnostic("CAMP121", f"{keyword} has no option {shown(name)}", setting.name.span, hint))
    elif isinstance(wanted, Type):
        _check_value(f"{keyword} {name}", setting.value, wanted, case)
    else:
        _OTHERS[wanted](setting.value, f"{keyword} {name}", case)


def _check_value(what: str, expr: Expr, wanted: Type, case: Case) -> None:
    value = case.values.fixed(expr, wanted, what)
    if value is None:
        return
    if wanted == INT and not (isinstance(value, int) and 1 <= value <= 1_000_000):
        case.values.report(Diagnostic("CAMP112", f"{what} takes a whole number of 1 or more", expr.span))
    elif wanted == DURATION and _number(value) <= 0:
        case.values.report(Diagnostic("CAMP112", f"{what} has to be more than 0s", expr.span))
    elif what == "iterate target" and _number(value) == 0:
        case.values.report(Diagnostic("CAMP112", f"{what} is more than 0%, which every campaign reaches", expr.span))
    elif what == "iterate confidence" and not 0.5 <= _number(value) < 1:
        case.values.report(Diagnostic("CAMP112", f"{what} is 50% or more, and less than 100%", expr.span))
    elif wanted == RATIO and not 0 <= _number(value) <= 1:
        case.values.report(Diagnostic("CAMP112", f"{what} lies between 0% and 100%", expr.span))


def _number(value: Value) -> float:
    return float(value.value if isinstance(value, Quantity) else value)  # type: ignore[arg-type]  # a ratio by its type


def _kinds(expr: Expr, what: str, case: Case) -> None:
    for text, span in labels_of(expr):
        if text not in FAILURES:
            hint = meant(text or "", FAILURES) or f"kinds of failure are {', '.join(FAILURES)}"
            summary = f"{what} takes kinds of failure" + (f", not {shown(text)}" if text else "")
            case.values.report(Diagnostic("CAMP121", summary, span, hint))


def _durations(expr: Expr, what: str, case: Case) -> None:
    parts = [expr.first, expr.last] if isinstance(expr, Range) else [expr]
    if isinstance(expr, Range) and (expr.last is None or expr.step is not None):
        case.values.report(Diagnostic("CAMP121", f"{what} takes a duration or a range a..b", expr.span))
        return
    found = [case.values.fixed(part, DURATION, what) for part in parts if part is not None]
    ends = [end for end in found if end is not None]
    wrong = object_to_durations(what, ends) if len(ends) == len(found) else None
    if wrong is not None:
        case.values.report(Diagnostic("CAMP112", wrong, expr.span))


def _names(expr: Expr, what: str, case: Case) -> None:
    """Names at all; which are those of any instance that they reach is seen when all are known, see ``uses``."""
    for text, span in labels_of(expr):
        if text is None:
            case.values.report(Diagnostic("CAMP121", f"{what} takes names", span))


def _way(expr: Expr, what: str, case: Case) -> None:
    text = label_of(expr)
    if text not in WAYS:
        hint = meant(text or "", WAYS)
        case.values.report(Diagnostic("CAMP121", f"{what} takes {' or '.join(WAYS)}", expr.span, hint))


def _commands(expr: Expr, what: str, case: Case) -> None:
    nested = isinstance(expr, ListOf) and any(isinstance(item, ListOf) for item in expr.items)
    wanted = Type("list", Type("list", STRING) if nested else STRING)
    value = case.values.fixed(expr, wanted, what)
    if value == () or (isinstance(value, tuple) and () in value):
        case.values.report(Diagnostic("CAMP121", f"{what} takes argument vectors, none of them empty", expr.span))


_OTHERS: Mapping[str, Callable[[Expr, str, Case], None]] = {
    "kinds": _kinds,
    "durations": _durations,
    "names": _names,
    "way": _way,
    "commands": _commands,
}


def retry_of(case: Case) -> Retry:
    """The retry policy of an instance that was checked."""
    options = case.merged.options.get("retry", {})
    attempts = _fixed(options.get("attempts"), case)
    on = options.get("on")
    backoff = options.get("backoff")
    ends: list[Quantity] = []
    if backoff is not None:
        parts = [backoff.value.first, backoff.value.last] if isinstance(backoff.value, Range) else [backoff.value]
        ends = [end for part in parts if part is not None and isinstance(end := _value(part, case), Quantity)]
    return Retry(
        attempts=attempts if isinstance(attempts, int) else 1,
        on=tuple(text for text, _ in labels_of(on.value) if text) if on else (),
        first=ends[0] if ends else None,
        last=ends[-1] if ends else None,
    )


def minimize_of(case: Case) -> Minimize | None:
    """The ``minimize`` clause of an instance that was checked; None where it has none."""
    options = case.merged.options.get("minimize")
    if options is None:
        return None
    attempts, order, by = _fixed(options.get("attempts"), case), options.get("order"), options.get("by")
    time = _fixed(options.get("time"), case)
    return Minimize(
        attempts=attempts if isinstance(attempts, int) else Minimize().attempts,
        order=tuple(text for text, _ in labels_of(order.value) if text) if order else (),
        by=(label_of(by.value) if by else None) or WAYS[0],
        time=time if isinstance(time, Quantity) else None,
    )


def iterate_of(values: Values, options: Mapping[str, Setting]) -> Iterate:
    """An ``iterate`` clause that was checked."""
    found = {canonical(name): _constant(each.value, values) for name, each in options.items()}
    target, confidence, rounds, before = (found.get(name) for name in ("target", "confidence", "rounds", "before"))
    return Iterate(
        target=_number(target) if target is not None else None,
        confidence=_number(confidence) if confidence is not None else None,
        rounds=rounds if isinstance(rounds, int) else None,
        before=_vectors(before) if isinstance(before, tuple) else (),
    )


def _vectors(value: tuple[Value, ...]) -> tuple[tuple[str, ...], ...]:
    """One argument vector, or a list of them."""
    vectors = value if value and isinstance(value[0], tuple) else (value,)
    return tuple(tuple(map(str, vector)) for vector in vectors if isinstance(vector, tuple))


def _fixed(setting: Setting | None, case: Case) -> Value | None:
    return None if setting is None else _value(setting.value, case)


def _value(expr: Expr, case: Case) -> Value | None:
    return _constant(expr, case.values)


def _constant(expr: Expr, values: Values) -> Value | None:
    try:
        return values.compile(expr)(values.constants)
    except EvaluationError:
        return None
