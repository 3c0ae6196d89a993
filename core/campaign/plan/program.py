"""One instance as a program: what is the same in every run is computed once, the rest in order, run by run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from operator import itemgetter
from typing import Any, TypeAlias

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.language.expressions import Closure, EvaluationError, InText, compile_expression, references
from campaign.language.instances import Case, Drop, Expectation
from campaign.language.items import Binding, Part
from campaign.language.limits import object_to
from campaign.language.policies import Minimize, Retry, minimize_of, retry_of
from campaign.language.syntax import Expr, Hole, Plain, Range, Words
from campaign.language.typecheck import PATH, cast_value, type_text
from campaign.language.values import BUILTIN, SEED, TIER, Site, site_of
from campaign.plan.assignment import Assignment
from campaign.plan.expectations import prepare
from campaign.plan.manifest import Manifest, manifest, placeholders
from campaign.units import Value

#: A run's values by key: settings and axes by name, builtins with ``@`` before it.
Environment: TypeAlias = dict[str, Value]
#: A path as written and the file that it belongs to (None: the working directory); out comes what a tool is given.
PathOf: TypeAlias = Callable[[str, str | None], str]

#: Which of a scenario's providers a ``--filter`` asks for, by the keyword of their items.
_FILTERED = {"run": "tool", "serve": "tool", "fault": "fault", "hold": "fault", "oracle": "oracle", "watch": "oracle"}


def as_written(text: str, file: str | None) -> str:
    """A path as it stands in the spec: what a plan shows, which is the same wherever it runs."""
    del file
    return text


class Given(Struct, frozen=True):
    """How one parameter gets its value: a ``constant``, or from the environment of each run.

    A plugin's default is ``as_is``: a path there belongs to no file, so it counts from where the provider works.
    """

    name: str
    binding: Binding
    closure: Closure | None
    constant: Value | None
    file: str | None
    as_is: bool = False

    def value(self, environment: Environment, path_of: PathOf) -> Value:
        """The value in one run; raises CampaignError for one that the parameter does not take."""
        value = self.constant
        if value is None:
            assert self.closure is not None
            value = _taken(self.binding, self.closure(environment))
        if self.binding.parameter.type == PATH and isinstance(value, str) and not self.as_is:
            return path_of(value, self.file)
        return value


def _taken(binding: Binding, value: Value) -> Value:
    objection = object_to(binding.parameter, value)
    if objection is not None:
        raise CampaignError([Diagnostic(objection[0], objection[1], binding.span)])
    return cast_value(value, binding.parameter.type)


class Recipe(Struct, frozen=True):
    """An item of the run with everything that can be prepared before there is a run.

    ``engine`` are the engine's own settings; a range has two closures.  ``repeats`` are the values that a step's own
    ``sweep`` sets in each of its repeats; one empty mapping where there is none.
    """

    part: Part
    given: tuple[Given, ...]
    engine: Mapping[str, tuple[Closure, ...]]
    repeats: tuple[Mapping[str, Value], ...]
    manifest: Manifest | None = None

    def applies(self, axes: Assignment) -> bool:
        """Whether a cell has this item."""
        condition = self.part.placed.condition
        return condition is None or axes.get(condition.axis) == condition.value

    def values(self, environment: Environment, path_of: PathOf) -> dict[str, Value]:
        """The item's parameters by name, without those that its own ``sweep`` sets."""
        return {each.name: each.value(environment, path_of) for each in self.given}


class Program:
    """Evaluates the runs of one scenario.

    ``settings`` is what people read, ``environment`` what orders are rendered from.  Both raise CampaignError where a
    value cannot be computed for this very run (a division by an axis that is zero in one cell).
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.tier = case.merged.tier
        self._constants: Environment = dict(case.values.constants)
        self.shown = [key for key, node in case.values.nodes.items() if node.definition is not None and "^" not in key]
        self._dynamic = self._closures(self._varying())
        self.builtins: dict[str, Value] = {name: f"{{{name[1:]}}}" for name in sorted(self._builtin_names())}
        self.recipes = tuple(self._recipe(part) for part in case.parts)
        self.schedule = self._recipe(case.schedule) if case.schedule is not None else None
        self.expectations = tuple(prepare(each, case) for each in case.expectations)
        self.retry: Retry = retry_of(case)
        self.minimize: Minimize | None = minimize_of(case)
        self.timeout = self._once("timeout")
        self.cooldown = self._once("cooldown")

    # --- values of a run

    def settings(self, axes: Assignment, seed: int) -> dict[str, Value]:
        """Every setting and axis of a run by name; what only an attempt decides stands as ``{workdir}``."""
        environment = self.environment(axes, seed, self.builtins)
        return {key: environment[key] for key in self.shown}

    def environment(self, axes: Assignment, seed: int, builtins: Mapping[str, Value]) -> Environment:
        """Everything that the closures of this program look up; ``builtins`` by their names with ``@``."""
        environment: Environment = {**self._constants, **builtins, **axes, SEED: seed}
        try:
            for key, closure in self._dynamic:
                environment[key] = closure(environment)
        except EvaluationError as error:
            raise _impossible(error) from None
        return environment

    def evaluator(self, keys: Iterable[str]) -> Callable[[Assignment, int], Environment]:
        """What computes these keys, and only what they depend on, for a cell and a seed; raises EvaluationError."""
        needed = self.case.values.behind_keys(keys)
        closures = self._closures(key for key in self._varying() if key in needed)

        def evaluate(axes: Assignment, seed: int) -> Environment:
            environment: Environment = {**self._constants, **axes, SEED: seed}
            for key, closure in closures:
                environment[key] = closure(environment)
            return environment

        return evaluate

    @property
    def providers(self) -> Mapping[str, frozenset[str]]:
        """The names of its tools, faults and oracles, for ``--filter``."""
        found: dict[str, set[str]] = {}
        for part in self.case.parts:
            found.setdefault(_FILTERED[part.kind], set()).add(part.facts.name)
        return {kind: frozenset(names) for kind, names in found.items()}

    @cached_property
    def kinds(self) -> dict[str, dict[str, str]]:
        """The types of everything that an order holds values of: by provider and parameter, settings under ``""``."""
        nodes = self.case.values.nodes
        found = {"": {node.name: type_text(node.type) for node in nodes.values() if "^" not in node.key}}
        for part in self.case.parts:
            known = found.setdefault(part.facts.name, {})
            known.update((each.name, type_text(each.type)) for each in part.facts.parameters.values())
        return found

    @cached_property
    def physical(self) -> dict[str, tuple[str, ...]]:
        """The parameters that providers write to the world as they are, by provider."""
        found: dict[str, tuple[str, ...]] = {}
        for part in self.case.parts:
            names = tuple(each.name for each in part.facts.parameters.values() if each.physical)
            if names:
                found[part.facts.name] = names
        return found

    def word(self, keyword: str, otherwise: str) -> str:
        """The word of ``steps``, ``clock``, ``trace`` …"""
        clause = self.case.merged.once.get(keyword)
        return clause.words[0].text if isinstance(clause, Words) else otherwise

    @property
    def chained(self) -> bool:
        """Whether the seeds of a cell run one after another, on the same served tools."""
        return "chain" in self.case.merged.once

    # --- preparing

    def _varying(self) -> list[str]:
        return [key for key, node in self.case.values.nodes.items() if self._is_computed(key) and node.definition]

    def _is_computed(self, key: str) -> bool:
        node = self.case.values.nodes[key]
        return node.closure is not None and key not in self._constants and not self.case.values.is_pinned(node)

    def _closures(self, keys: Iterable[str]) -> list[tuple[str, Closure]]:
        found = []
        for key in keys:
            definition = self.case.values.nodes[key].definition
            if definition is not None and definition.setting is not None:
                found.append((key, self.compile(definition.setting.value, site_of(definition))))
        return found

    def _builtin_names(self) -> set[str]:
        found: set[str] = set()
        for node in self.case.values.nodes.values():
            found.update(name for name in node.varies if name.startswith(BUILTIN) and name != SEED)
        for part in self.case.parts:
            for binding in part.bindings.values():
                found.update(name for name in binding.varies if name.startswith(BUILTIN) and name != SEED)
            if part.facts.declared is not None:
                found.update(f"{BUILTIN}{name}" for name in placeholders(part.facts, part.facts.declared))
        for expectation in self.case.expectations:
            found.update(_builtins_of(expectation, self.case))
        return found - {SEED, TIER, f"{BUILTIN}trace"}

    def compile(self, expr: Expr, site: Site | None = None) -> Closure:
        """``expr`` as a function of an environment, with constants put in."""
        return compile_expression(expr, lambda name: self._bound(name, site))

    def _bound(self, name: str, site: Site | None) -> Closure:
        key = self.case.values.refer(name, site, isinstance(name, InText)) or name
        if key not in self._constants:
            return itemgetter(key)
        value = self._constants[key]
        return lambda _: value

    def test_of(self, drop: Drop) -> Callable[[Assignment, int], bool]:
        """An ``exclude`` as a test of a cell and a seed; needs only the axes that it depends on."""
        condition = self.compile(drop.exclude.condition)
        needed = self.case.values.behind(drop.exclude.condition)
        closures = self._closures(key for key in self._varying() if key in needed)
        uses_seed = SEED in drop.varies

        def test(axes: Assignment, seed: int) -> bool:
            environment: Any = axes
            if closures or uses_seed:
                environment = {**axes, SEED: seed}
            try:
                for key, closure in closures:
                    environment[key] = closure(environment)
                return bool(condition(environment))
            except EvaluationError as error:
                raise _impossible(error) from None

        return test

    def _once(self, keyword: str) -> Closure | None:
        clause = self.case.merged.once.get(keyword)
        return self.compile(clause.value) if isinstance(clause, Plain) else None

    # --- items

    def _recipe(self, part: Part) -> Recipe:
        given = [self._given(binding) for binding in part.bindings.values()]
        engine = {
            name: tuple(self.compile(end) for end in _ends(expr))
            for name, expr in part.engine.items()
            if name not in ("target", "after", "faults")
        }
        declared = part.facts.declared
        prepared = None if declared is None else manifest(part.facts, declared)
        return Recipe(part, tuple(each for each in given if each is not None), engine, _repeats(part), prepared)

    def _given(self, binding: Binding) -> Given | None:
        parameter = binding.parameter
        file = None if binding.overridden or binding.span is None else binding.span.file
        if binding.key is None and binding.expr is None:
            if parameter.default is None:
                return None
            file = parameter.span.file if parameter.span else None
            return Given(parameter.name, binding, None, parameter.default, file, as_is=parameter.span is None)
        closure = self.compile(binding.expr) if binding.expr is not None else self._bound_key(binding.key)
        constant = None
        if not binding.varies:
            constant = _taken(binding, closure(self._constants))
        return Given(parameter.name, binding, closure, constant, file)

    def _bound_key(self, key: str | None) -> Closure:
        assert key is not None
        return itemgetter(key)


def _builtins_of(expectation: Expectation, case: Case) -> Iterable[str]:
    """What the texts of an expectation hold of an attempt: ``expect output contains "{workdir}"``."""
    exprs = [expr for expr in (expectation.expect.condition, expectation.expect.why) if expr is not None]
    keys = (case.values.refer(each.name) for expr in exprs for each in references(expr) if isinstance(each, Hole))
    return (key for key in keys if key is not None and key.startswith(BUILTIN))


def _ends(expr: Expr) -> tuple[Expr, ...]:
    if isinstance(expr, Range):
        return (expr.first, expr.last) if expr.last is not None else (expr.first,)
    return (expr,)


def _repeats(part: Part) -> tuple[Mapping[str, Value], ...]:
    """Every combination of the axes in a step's own block, the last one fastest."""
    combined: list[dict[str, Value]] = [{}]
    for axis in part.repeats:
        names = [part.facts.parameters[key].name for key in axis.names]
        combined = [{**each, **dict(zip(names, point, strict=True))} for each in combined for point in axis.points]
    return tuple(combined)


def _impossible(error: EvaluationError) -> CampaignError:
    return CampaignError([Diagnostic("CAMP113", error.message, error.span)])
