"""Values outside what a parameter takes, found before anything runs, at the place where each was written.

A value that depends on axes is computed for their combinations: all of them up to a bound, beyond it the ends of each
axis.  What slips through is refused when the run is rendered, never executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial
from itertools import islice, product
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Related, Span
from campaign.language.expressions import Closure, EvaluationError, compile_expression, text_of
from campaign.language.instances import Case, axis_points
from campaign.language.items import Binding, Part, StepAxis, depends_on_late
from campaign.language.names import shown
from campaign.language.providers import Parameter, Providers
from campaign.language.scopes import AxisDraft
from campaign.language.syntax import Expr, Hole, ListOf, Range, Sweep, TupleOf
from campaign.language.tools import holes
from campaign.language.typecheck import cast_value
from campaign.language.values import BUILTIN, SEED
from campaign.plugins.names import canonical
from campaign.plugins.parameter_rules import ParameterProblem, compiled
from campaign.units import UNITS, Quantity, UnitError, Value, format_value, to_json

#: Combinations that are tried for one value.
MAXIMUM_TRIED = 2048
_ENDS = 16
#: Combinations of one plugin parameter's values that its own schema is asked about.
_MAXIMUM_ASKED = 64
_LAST_CODE = 255


def check_limits(case: Case, providers: Providers) -> None:
    """Check the values of an instance, its parameters' and the engine's own; what was reported is left out."""
    domain = _Domain(case)
    for keyword, expr in case.durations.items():
        _check_owned(keyword, expr, domain)
    for part in (*case.parts, *((case.schedule,) if case.schedule else ())):
        units = _units(part)
        for binding in part.bindings.values():
            _check_binding(part, binding, units.get(binding.parameter.name, ()), domain)
        for axis in part.repeats:
            _check_repeated(part, axis, units, domain)
        if part.facts.provider is not None:
            _ask_provider(part, domain, providers)
        for name in part.sound:
            _check_owned(name, part.engine[name], domain)


# --- the engine's own settings ----------------------------------------------------------------------------------

#: Durations that cannot be nothing: a run would be over before it began, a fault too, a watch would never rest.
_POSITIVE = ("timeout", "every", "over", "for")


def _check_owned(name: str, expr: Expr, domain: _Domain) -> None:
    """Instants, spans and exit codes; those that only an attempt decides are asked when it is rendered."""
    values = domain.case.values
    varies = values.varies(expr)
    if depends_on_late(varies):
        return
    ends = [end for end in ((expr.first, expr.last) if isinstance(expr, Range) else (expr,)) if end is not None]
    try:
        closures = [values.compile(end) for end in ends]
        for environment in domain.environments(varies, values.behind(expr)):
            found = [closure(environment) for closure in closures]
            wrong = object_to_codes(found[0]) if name == "ok-exits" else object_to_durations(name, found)
            if wrong is not None:
                domain.report(Diagnostic("CAMP112", wrong, expr.span))
                return
    except EvaluationError as error:
        domain.report(Diagnostic("CAMP113", error.message, error.span or expr.span))


def object_to_durations(name: str, ends: Sequence[Value]) -> str | None:
    """What is wrong with a duration, or the two ends of a range of them; None where it can be."""
    spans = [end.value for end in ends if isinstance(end, Quantity)]
    if spans and name in _POSITIVE and spans[0] <= 0:
        return f"{name} has to be more than 0s"
    if spans and spans[0] < 0:
        return f"{name} cannot be less than 0s"
    if len(spans) == 2 and spans[1] < spans[0]:
        return f"the range of {name} ends before it begins"
    return None


def object_to_codes(codes: Value) -> str | None:
    """What is wrong with exit codes: a process ends with one of 0 to 255; None where they can be."""
    listed = codes if isinstance(codes, tuple) else ()
    odd = next((code for code in listed if not isinstance(code, int) or not 0 <= code <= _LAST_CODE), None)
    return None if odd is None else f"an exit code is a whole number from 0 to 255, not {_text(odd)}"


class _Drop(Struct, frozen=True):
    condition: Expr
    test: Closure
    varies: frozenset[str]


class _Domain:
    """The combinations of axis values that runs of one case can have."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.report = case.values.report
        self._drops = [
            _Drop(drop.exclude.condition, case.values.compile(drop.exclude.condition), drop.varies)
            for drop in case.drops
        ]

    def environments(
        self, varies: frozenset[str], behind: frozenset[str], late: Mapping[str, Value] = MappingProxyType({})
    ) -> Iterator[dict[str, Any]]:
        """Environments for every combination of the axes in ``varies``, without those that are excluded.

        ``behind`` are the keys of what has to be computed; nothing comes out where an axis is not known.
        """
        drafts = [draft for draft in self.case.merged.axes if varies & set(draft.names)]
        names = frozenset(name for draft in drafts for name in draft.names)
        axes = {name for name in varies if not name.startswith(BUILTIN)}
        if not axes <= names or not all(self._is_known(draft) for draft in drafts):
            return
        columns: list[Sequence[Any]] = [list(_some(axis_points(self.case, draft))) for draft in drafts]
        if SEED in varies:
            columns.append(list(_some(self.case.seeds)))
            names |= {SEED}
        deciding = [drop for drop in self._drops if drop.varies <= names]
        closures = self._closures(behind, deciding)
        for combination in islice(product(*columns), MAXIMUM_TRIED):
            environment = {**self.case.values.constants, **late}
            for draft, point in zip(drafts, combination, strict=False):
                environment.update(zip(draft.names, point, strict=True))
            if SEED in names:
                environment[SEED] = combination[-1]
            for key, closure in closures:
                environment[key] = closure(environment)
            if not any(drop.test(environment) for drop in deciding):
                yield environment

    def of_binding(
        self, binding: Binding, late: Mapping[str, Value] = MappingProxyType({})
    ) -> Iterator[tuple[dict[str, Any], Value]]:
        """Environments and what reaches a parameter in each."""
        values = self.case.values
        behind = values.behind_keys([binding.key] if binding.key is not None else [])
        if binding.expr is not None:
            behind |= values.behind(binding.expr)
        for environment in self.environments(binding.varies, behind, late):
            yield environment, environment[binding.key] if binding.key is not None else _call(binding, environment)

    def _is_known(self, draft: AxisDraft) -> bool:
        """Whether an axis has points, as many of each of its names."""
        values = self.case.values
        nodes = [values.nodes.get(values.refer(name, in_text=False) or name) for name in draft.names]
        columns = [values.points(part) for part in draft.parts]
        lengths = {len(points) for points in columns if points is not None}
        return None not in columns and len(lengths) == 1 and all(node is not None and node.sound for node in nodes)

    def _closures(self, behind: frozenset[str], deciding: Sequence[_Drop]) -> list[tuple[str, Closure]]:
        """What has to be computed, in order: what was asked for and what the excludes that decide depend on."""
        values = self.case.values
        needed = behind.union(*(values.behind(drop.condition) for drop in deciding))
        return [
            (key, node.closure)
            for key, node in values.nodes.items()
            if key in needed and node.closure is not None and node.varies and not values.is_pinned(node)
        ]


def _some(points: Sequence[Any]) -> Iterable[Any]:
    """All of them, or the ends of a long axis."""
    if len(points) <= MAXIMUM_TRIED:
        return points
    return [*(points[index] for index in range(_ENDS)), *(points[index] for index in range(-_ENDS, 0))]


def _check_binding(part: Part, binding: Binding, units: Sequence[Hole], domain: _Domain) -> None:
    """Compute what reaches one parameter and ask its type and limits; each place is reported once.

    ``units`` are the places of the tool's texts that write it in a unit of their own.
    """
    if binding.lost or depends_on_late(binding.varies):
        return
    parameter = binding.parameter
    if binding.key is None and binding.closure is None:
        _check_default(parameter, units, domain)
        return
    told: set[Span | None] = set()
    try:
        for _, value in domain.of_binding(binding):
            objection = object_to(parameter, value) or _object_to_text(parameter, value, units)
            span = _written_at(binding, value, domain.case)
            if objection is not None and span not in told:
                told.add(span)
                code, summary = objection
                domain.report(Diagnostic(code, summary, span, None, _declared(binding.parameter)))
    except EvaluationError as error:
        domain.report(Diagnostic("CAMP113", error.message, error.span or binding.span or part.placed.span))


def _check_default(parameter: Parameter, units: Sequence[Hole], domain: _Domain) -> None:
    if parameter.default is None:
        return
    for hole in units:
        objection = _object_to_text(parameter, parameter.default, (hole,))
        if objection is not None:
            domain.report(Diagnostic(objection[0], objection[1], hole.span))


def _call(binding: Binding, environment: dict[str, Any]) -> Value:
    assert binding.closure is not None
    return binding.closure(environment)


def object_to(parameter: Parameter, value: Value) -> tuple[str, str] | None:
    """The code and sentence with which a parameter refuses a value, None where it takes it."""
    try:
        whole = cast_value(value, parameter.type)
        inside = parameter.within is None or parameter.within(whole)
    except UnitError as error:
        return "CAMP111", f"{shown(parameter.name)} cannot be {_text(value)}: {error}"
    except EvaluationError as error:
        return "CAMP113", error.message
    if inside:
        return None
    allowed = f": it takes {limits_text(parameter.limits)}" if parameter.limits else ""
    return "CAMP112", f"{shown(parameter.name)} cannot be {_text(value)}{allowed}"


def _units(part: Part) -> dict[str, list[Hole]]:
    """Where a declared tool writes its parameters in a unit, by their names: ``{duration:ms}``."""
    found: dict[str, list[Hole]] = {}
    for hole in holes(part.facts.declared) if part.facts.declared is not None else ():
        parameter = part.facts.parameters.get(canonical(hole.name))
        if hole.unit in UNITS and parameter is not None and UNITS[hole.unit][0].value == parameter.type.name:
            found.setdefault(parameter.name, []).append(hole)
    return found


def _object_to_text(parameter: Parameter, value: Value, units: Sequence[Hole]) -> tuple[str, str] | None:
    """As ``object_to``, of a value that the parameter takes: whether it can be written for the tool."""
    try:
        whole = cast_value(value, parameter.type)
        if isinstance(whole, Fraction | Quantity | tuple):
            to_json(whole)
        for hole in units:
            text_of(whole, hole.unit)
    except (UnitError, EvaluationError) as error:
        return "CAMP113", f"{shown(parameter.name)} cannot be written: {error}"
    return None


def bounds_of(case: Case, name: str) -> tuple[Any, Any]:
    """The least and the most of all parameters that a name sets, None where there is none; for jitter."""
    lows, highs = [], []
    for part in case.parts:
        for binding in part.bindings.values():
            if binding.key == name:
                low, high = ends_of(part, binding.parameter)
                lows += [low] if low is not None else []
                highs += [high] if high is not None else []
    return max(lows, default=None), min(highs, default=None)


def ends_of(part: Part, parameter: Parameter) -> tuple[Any, Any]:
    """The least and the most that one parameter takes, None where there is none."""
    if part.facts.provider is not None:
        rules = compiled(part.facts.provider)[parameter.name]
        return rules.get("min"), rules.get("max")
    if not isinstance(parameter.limits, Range):
        return None, None
    ends = (parameter.limits.first, parameter.limits.last)
    low, high = (None if end is None else compile_expression(end, _unbound)(None) for end in ends)
    return low, high


def choices_of(part: Part, parameter: Parameter) -> tuple[Value, ...]:
    """The values that alone a parameter takes; none where it takes others too."""
    if part.facts.provider is not None:
        return tuple(compiled(part.facts.provider)[parameter.name].get("allowed", ()))
    if not isinstance(parameter.limits, ListOf):
        return ()
    return tuple(compile_expression(each, _unbound)(None) for each in parameter.limits.items)


def _unbound(name: str) -> Closure:
    raise EvaluationError(f"{shown(name)} is not known here")


def _declared(parameter: Parameter) -> tuple[Related, ...]:
    if parameter.limits is None or parameter.limits.span is None:
        return ()
    return (Related(parameter.limits.span, "limited here"),)


def _text(value: Value) -> str:
    try:
        return shown(format_value(value))
    except UnitError:
        return "a value without a finite decimal form"


def limits_text(limits: Expr) -> str:
    """What follows ``in``, as a person reads it."""
    if isinstance(limits, Range):
        ends = [_literal_text(end) if end is not None else "" for end in (limits.first, limits.last)]
        step = f" step {_literal_text(limits.step)}" if limits.step is not None else ""
        return "..".join(ends) + step
    items = limits.items if isinstance(limits, ListOf) else (limits,)
    return shown(" or ".join(_literal_text(item) for item in items))


def _literal_text(expr: Expr) -> str:
    return _text(compile_expression(expr, _unbound)(None))


def _written_at(binding: Binding, value: Value, case: Case) -> Span | None:
    """Where a value was written: inside the list of its axis, where it comes from one."""
    node = case.values.nodes.get(binding.key) if binding.key is not None else None
    sweep = node.definition.sweep if node is not None and node.definition is not None else None
    if node is None or sweep is None:
        return binding.span
    place = [word.text for word in sweep.names].index(node.name)
    return place_in_sweep(sweep, place, value, case) or binding.span


def place_in_sweep(sweep: Sweep, place: int, value: Value, case: Case) -> Span | None:
    """Where a value stands in the list of a sweep, one of the values of its name at ``place``."""
    points = case.values.points(sweep)
    if not isinstance(sweep.values, ListOf) or points is None:
        return sweep.values.span if sweep.values is not None else None
    for item, point in zip(sweep.values.items, points, strict=False):
        if point[place] is value or point[place] == value:
            inner = item.items[place] if isinstance(item, TupleOf) and len(sweep.names) > 1 else item
            return inner.span
    return None


def _check_repeated(part: Part, axis: StepAxis, units: Mapping[str, Sequence[Hole]], domain: _Domain) -> None:
    """Ask the type and limits of what a step's own ``sweep`` gives."""
    for place, key in enumerate(axis.names if axis.points else ()):
        parameter = part.facts.parameters[key]
        holes_of = units.get(parameter.name, ())
        for point in axis.points[:MAXIMUM_TRIED]:
            objection = object_to(parameter, point[place]) or _object_to_text(parameter, point[place], holes_of)
            if objection is not None:
                span = place_in_sweep(axis.sweep, place, point[place], domain.case) or part.placed.span
                domain.report(Diagnostic(objection[0], objection[1], span, None, _declared(parameter)))


# --- providers of plugins ---------------------------------------------------------------------------------------


class _Source(Struct, frozen=True):
    """Where one parameter gets its values from: ``values`` gives at most so many, ``place`` where one was written."""

    name: str
    values: Callable[[int], Iterator[Value]]
    place: Callable[[Value], Span | None]
    varies: bool


def _ask_provider(part: Part, domain: _Domain, providers: Providers) -> None:
    """Let a plugin's own schema judge: the whole of one run's settings, then each varying value by itself.

    A parameter without a value has a stand-in, so that no other is said to lack it; why it has none was reported.
    """
    settings = {each.name: each.default for each in part.facts.parameters.values() if each.default is not None}
    lost = {each.parameter.name for each in part.bindings.values() if each.lost}
    sources = {source.name: source for source in _sources(part, domain)}
    for source in sources.values():
        first = next(source.values(1), None)
        if first is None:
            lost.add(source.name)
        else:
            settings[source.name] = first
    settings.update(dict.fromkeys(lost, ""))

    def report(problem: ParameterProblem, span: Span | None) -> None:
        domain.report(Diagnostic("CAMP112", str(problem), span or part.placed.provider.span))

    for problem in providers.problems(part.facts, settings):
        named = str(problem.path[0]) if problem.path else ""
        if named not in lost:
            report(problem, sources[named].place(settings[named]) if named in sources else None)
    for source in sources.values():
        for value in source.values(_MAXIMUM_ASKED) if source.varies and source.name not in lost else ():
            for problem in providers.problems(part.facts, {**settings, source.name: value}):
                if problem.path[:1] == (source.name,):  # others are asked by themselves
                    report(problem, source.place(value))


def _sources(part: Part, domain: _Domain) -> Iterator[_Source]:
    case = domain.case
    for binding in part.bindings.values():
        if not binding.lost and (binding.key is not None or binding.closure is not None):
            yield _Source(
                name=binding.parameter.name,
                values=partial(_tried, binding, domain),
                place=partial(_written_at, binding, case=case),
                varies=bool(binding.varies),
            )
    for axis in part.repeats:
        for place, key in enumerate(axis.names):
            parameter = part.facts.parameters.get(key)
            if parameter is not None:
                yield _Source(
                    name=parameter.name,
                    values=partial(_repeated, axis, place, parameter),
                    place=partial(place_in_sweep, axis.sweep, place, case=case),
                    varies=True,
                )


def _tried(binding: Binding, domain: _Domain, count: int) -> Iterator[Value]:
    """Some values that reach a parameter and that it can hold; what only an attempt decides as its placeholder."""
    late = {name: f"{{{name.removeprefix(BUILTIN)}}}" for name in binding.varies if name.startswith(BUILTIN)}
    late.pop(SEED, None)
    try:
        for _, value in islice(domain.of_binding(binding, late), count):
            with suppress(UnitError):
                yield cast_value(value, binding.parameter.type)
    except EvaluationError:
        return  # reported with the binding


def _repeated(axis: StepAxis, place: int, parameter: Parameter, count: int) -> Iterator[Value]:
    for point in axis.points[:count]:
        with suppress(UnitError):
            yield cast_value(point[place], parameter.type)
