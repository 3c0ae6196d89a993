"""What a run is made of: its items with their providers found and every parameter bound to what reaches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Related, Span
from campaign.language.axes import Point
from campaign.language.expressions import Closure, EvaluationError
from campaign.language.names import meant, shown, with_article
from campaign.language.providers import Facts, Parameter
from campaign.language.scopes import Definition, Placed
from campaign.language.syntax import Expr, ListOf, Name, Plain, Range, Setting, Sweep, Text
from campaign.language.typecheck import ANY, BOOL, DURATION, INT, Type, article, fits
from campaign.language.values import BUILTIN, Values, definition_key
from campaign.plugins.names import canonical

#: Which settings of a provider's block belong to the engine, by the keyword of the item.
ENGINE_SETTINGS: dict[str, tuple[str, ...]] = {
    "run": ("ok-exits", "timeout"),
    "serve": ("timeout",),
    "hold": ("target",),
    "fault": ("at", "for", "sla", "target", "after"),
    "watch": ("every", "faults", "required", "advisory", "timeout"),
    "oracle": ("required", "advisory", "timeout"),
    "schedule": ("over", "faults"),
}
_OWNED = {canonical(name): name for names in ENGINE_SETTINGS.values() for name in names}
_TYPES: dict[str, Type] = {
    "for": DURATION,
    "sla": DURATION,
    "every": DURATION,
    "timeout": DURATION,
    "over": DURATION,
    "required": BOOL,
    "advisory": BOOL,
    "ok-exits": Type("list", INT),
}


class Binding(Struct, frozen=True):
    """What one parameter gets: an expression of the provider's own block, a value of the run, or its default.

    ``varies`` are the axes and builtins it depends on; ``span`` is where its value was written.  One that is ``lost``
    has no value, which was reported.
    """

    parameter: Parameter
    type: Type = ANY
    expr: Expr | None = None
    key: str | None = None
    closure: Closure | None = None
    varies: frozenset[str] = frozenset()
    span: Span | None = None
    overridden: bool = False
    lost: bool = False


class StepAxis(Struct, frozen=True):
    """A ``sweep`` inside a ``run`` block: the parameters it sets and their points, none where they are not known."""

    sweep: Sweep
    names: tuple[str, ...]
    points: Sequence[Point]


class Part(Struct, frozen=True, kw_only=True):
    """One item of the run, understood.

    ``engine`` are the settings that belong to the engine, by name; those that are ``sound`` have a value.
    """

    placed: Placed
    facts: Facts
    bindings: dict[str, Binding]
    engine: dict[str, Expr]
    sound: frozenset[str]
    repeats: tuple[StepAxis, ...] = ()

    @property
    def kind(self) -> str:
        """``run``, ``serve``, ``fault`` …"""
        return self.placed.kind

    @property
    def label(self) -> str:
        """Its label."""
        return self.placed.label

    @property
    def copies(self) -> int | None:
        """How often its own ``sweep`` repeats it; 0 where that is not known, None where it has none."""
        return prod(len(axis.points) for axis in self.repeats) if self.repeats else None


#: Steps that one ``run`` block may be repeated to.
MAXIMUM_REPEATS = 10_000


def resolve_item(placed: Placed, facts: Facts, values: Values, owned: Sequence[str] | None = None) -> Part:
    """Bind the parameters of an item and check what its block says; ``owned`` are the engine's settings in it."""
    own, engine, sweeps = _block(placed, facts, values, ENGINE_SETTINGS[placed.kind] if owned is None else owned)
    repeats = tuple(_repeat(sweep, facts, values) for sweep in sweeps)
    if prod(len(axis.points) for axis in repeats) > MAXIMUM_REPEATS:
        summary = f"a step is repeated at most {MAXIMUM_REPEATS:,} times in a run"
        values.report(Diagnostic("CAMP150", summary, sweeps[0].span))
    swept = {name for axis in repeats for name in axis.names}
    bindings = {
        key: _bind(parameter, own.get(key), placed, facts, values)
        for key, parameter in facts.parameters.items()
        if key not in swept
    }
    sound = frozenset(name for name, expr in engine.items() if _check_engine(name, expr, values))
    return Part(placed=placed, facts=facts, bindings=bindings, engine=engine, sound=sound, repeats=repeats)


def _block(
    placed: Placed, facts: Facts, values: Values, owned: Sequence[str]
) -> tuple[dict[str, Setting], dict[str, Expr], list[Sweep]]:
    own: dict[str, Setting] = {}
    engine: dict[str, Expr] = {}
    sweeps: list[Sweep] = []
    first: dict[str, Span] = {}
    for clause in placed.body:
        if isinstance(clause, Plain) and clause.keyword == "timeout":
            _twice("timeout", clause.span, first, values)
            if _is_engine("timeout", clause.span, owned, values):
                engine["timeout"] = clause.value
        elif isinstance(clause, Sweep) and clause.kind is None and placed.kind == "run":
            sweeps.append(clause)
        elif not isinstance(clause, Setting):
            values.report(
                Diagnostic(
                    "CAMP120", f"this clause does not stand in the block of {with_article(placed.kind)}", clause.span
                )
            )
        elif canonical(clause.name.text) in _OWNED:
            _twice(clause.name.text, clause.name.span, first, values)
            if _is_engine(name := _OWNED[canonical(clause.name.text)], clause.name.span, owned, values):
                engine[name] = clause.value
        elif (parameter := facts.parameters.get(canonical(clause.name.text))) is not None:
            _twice(clause.name.text, clause.name.span, first, values)
            own[canonical(parameter.name)] = clause
        elif facts.complete:
            _no_parameter(clause, facts, owned, values)
    return own, engine, sweeps


def _twice(name: str, span: Span, first: dict[str, Span], values: Values) -> None:
    earlier = first.setdefault(canonical(name), span)
    if earlier is not span:
        related = (Related(earlier, "given here first"),)
        values.report(Diagnostic("CAMP103", f"{shown(name)} is given twice in one block", span, None, related))


def _is_engine(name: str, span: Span, owned: Sequence[str], values: Values) -> bool:
    if name not in owned:
        hint = f"here it can be {', '.join(owned)}" if owned else None
        values.report(Diagnostic("CAMP121", f"{name} belongs to the engine and means nothing here", span, hint))
    return name in owned


def _no_parameter(clause: Setting, facts: Facts, owned: Sequence[str], values: Values) -> None:
    known = [parameter.name for parameter in facts.parameters.values()]
    name = clause.name.text
    hint = meant(name, [*known, *owned])
    if hint is None and known:
        hint = f"its parameters are {', '.join(known[:12])}"
    summary = f"{shown(facts.name)} has no parameter {shown(name)}"
    values.report(Diagnostic("CAMP143", summary, clause.name.span, hint))


# --- binding ----------------------------------------------------------------------------------------------------


def _bind(parameter: Parameter, own: Setting | None, placed: Placed, facts: Facts, values: Values) -> Binding:
    key = values.reaching(facts.name, parameter)
    if key is not None and (own is None or values.overrides(key)):
        return _bound_to_run(parameter, key, values)
    if own is not None:
        return _bound_to_block(parameter, own, values)
    if parameter.default is None and parameter.required and facts.complete and not values.lost:
        hint = f"set it: {parameter.name} = …"
        summary = f"{shown(facts.name)} needs {parameter.name}, which has no default"
        values.report(Diagnostic("CAMP144", summary, placed.provider.span, hint))
        return Binding(parameter, lost=True)
    return Binding(parameter)


def _bound_to_run(parameter: Parameter, key: str, values: Values) -> Binding:
    values.need_key(key)
    node = values.nodes[key]
    span = _written(node.definition)
    sound = node.sound and _check_type(parameter, node.type, span, values)
    if sound:
        _check_jitter(parameter, node.definition, values)
    return Binding(
        parameter=parameter,
        type=node.type,
        key=key,
        varies=node.varies,
        span=span,
        overridden=values.overrides(key),
        lost=not sound,
    )


def _check_jitter(parameter: Parameter, definition: Definition | None, values: Values) -> None:
    sweep = definition.sweep if definition is not None else None
    if sweep is not None and sweep.jitter is not None and parameter.type == INT:
        summary = f"{shown(parameter.name)} takes whole values, which an axis with jitter does not have"
        values.report(Diagnostic("CAMP150", summary, sweep.jitter.span))


def _written(definition: Definition | None) -> Span | None:
    if definition is None:
        return None
    if definition.setting is not None:
        return definition.setting.value.span or definition.span
    return definition.span


def _bound_to_block(parameter: Parameter, own: Setting, values: Values) -> Binding:
    values.need(own.value)
    errors = values.errors
    type_ = values.typer().infer(own.value)
    lost = Binding(parameter, span=own.value.span, lost=True)
    if values.errors != errors or not values.sound(own.value):
        return lost
    if not _check_type(parameter, type_, own.value.span, values):
        return lost
    try:
        closure = values.compile(own.value)
    except EvaluationError as error:
        values.report(Diagnostic("CAMP113", error.message, error.span or own.value.span))
        return lost
    varies = values.varies(own.value)
    return Binding(parameter, type_, own.value, None, closure, varies, own.value.span or own.span)


def _check_type(parameter: Parameter, type_: Type, span: Span | None, values: Values) -> bool:
    if fits(type_, parameter.type):
        return True
    related = (Related(parameter.span, "declared here"),) if parameter.span else ()
    summary = f"{parameter.name} takes {article(parameter.type)}, this is {article(type_)}"
    values.report(Diagnostic("CAMP111", summary, span, None, related))
    return False


# --- the engine's own settings ----------------------------------------------------------------------------------


def label_of(expr: Expr) -> str | None:
    """The label that ``target = redis.server`` or ``target = "a"`` names."""
    if isinstance(expr, Name):
        return expr.text
    return expr.plain if isinstance(expr, Text) else None


def labels_of(expr: Expr) -> list[tuple[str | None, Span | None]]:
    """The labels (or other bare names) of ``[a, b]``, or of a single one, each with its place."""
    items: Sequence[Expr] = expr.items if isinstance(expr, ListOf) else (expr,)
    return [(label_of(item), item.span) for item in items]


def _check_engine(name: str, expr: Expr, values: Values) -> bool:
    """Check the type of an engine's setting; whether it has a value."""
    if name in ("target", "after", "faults"):
        return False  # labels, looked up when all items are known
    before = values.errors
    parts = [expr]
    if name == "at" and isinstance(expr, Range):
        parts = [part for part in (expr.first, expr.last) if part is not None]
        if expr.last is None or expr.step is not None:
            values.report(Diagnostic("CAMP121", "at takes an instant or a range a..b", expr.span))
    for part in parts:
        values.need(part)
        values.typer().expect(part, _TYPES.get(name, DURATION), name)
    return before == values.errors and values.sound(expr)


def _repeat(sweep: Sweep, facts: Facts, values: Values) -> StepAxis:
    definition = Definition(sweep.names[0].text, -1, sweep.span, None, sweep)
    for word in sweep.names:
        key = definition_key(word.text)
        if key not in facts.parameters and facts.complete:
            hint = meant(word.text, [parameter.name for parameter in facts.parameters.values()])
            summary = f"{shown(facts.name)} has no parameter {shown(word.text)}"
            values.report(Diagnostic("CAMP143", summary, word.span, hint))
    for expr in (sweep.values,):
        if expr is not None:
            values.need(expr)
    types = values.sweep_types(sweep, definition, of_run=True)
    points = values.points(sweep)
    for word, type_ in zip(sweep.names, types, strict=True):
        parameter = facts.parameters.get(canonical(word.text))
        if parameter is None or points is None or not _check_type(parameter, type_, word.span, values):
            points = None
    return StepAxis(sweep, tuple(canonical(word.text) for word in sweep.names), () if points is None else points)


def depends_on_late(varies: frozenset[str]) -> bool:
    """Whether a value is known only when an attempt is rendered: it holds ``{workdir}``, ``{slot.gpu}`` …"""
    return any(name.startswith(BUILTIN) and name not in ("@seed", "@tier") for name in varies)


def parts_by_kind(parts: Sequence[Part]) -> Mapping[str, list[Part]]:
    """Items by their keyword, in order."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.kind, []).append(part)
    return found
