"""The names of one merged instance: what each stands for, of what type, and how it is computed for a run.

Every definition that something needs becomes a *node*: an axis, a setting, a default, or an outer definition that
``x = x + 1`` refers to.  Nodes are found without recursion, in the order of their dependencies, so that a chain of
thousands of settings costs no stack and each run evaluates each node once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Severity, Span
from campaign.language.axes import Point
from campaign.language.expressions import Closure, EvaluationError, InText, compile_expression, references
from campaign.language.names import meant, shown
from campaign.language.providers import Facts, Parameter
from campaign.language.scopes import Definition, Merged
from campaign.language.sweeps import is_negative, jitter_width, sweep_points, sweep_types
from campaign.language.syntax import Expr, Hole, Name, Sweep
from campaign.language.tools import BUILTINS
from campaign.language.typecheck import ANY, STRING, Type, Typer
from campaign.plugins.names import canonical
from campaign.units import Value

Report = Callable[[Diagnostic], None]

#: What an environment calls the values that are no settings: ``@workdir``, ``@env.HOME``, ``@srv.port``.
BUILTIN = "@"
SEED, TIER = "@seed", "@tier"
_DEFAULT = "^default"


class Site(Struct, frozen=True):
    """Where an expression stands: in the definition of these names, in this layer."""

    keys: frozenset[str]
    layer: int


class Node(Struct):
    """One value of a run.

    ``key`` is its name in the environment; ``varies`` are the axes, and builtins, that it depends on.  A node that is
    not ``sound`` was reported and has no value.  ``closure`` is None for an axis: its value comes with the cell.
    """

    key: str
    name: str
    definition: Definition | None = None
    type: Type = ANY
    closure: Closure | None = None
    varies: frozenset[str] = frozenset()
    sound: bool = True


class Values:
    """The nodes of one merged instance, and the environment of those that never vary."""

    def __init__(
        self,
        merged: Merged,
        providers: Mapping[str, Facts],
        served: Mapping[str, Facts],
        report: Report,
        lost: bool = False,
    ) -> None:
        """Where something is ``lost`` to an error that was reported, an unknown name may be one that was there."""
        self.merged = merged
        self.lost = lost
        self.nodes: dict[str, Node] = {}
        self.constants: dict[str, Value] = {TIER: merged.tier or ""}
        self.pinned = {key for draft in merged.axes for key in draft.keys if merged.definitions[key][-1].setting}
        self._providers = providers
        self._served = served
        self._serve_labels = sorted(served, key=len, reverse=True)
        self._collect = report
        self._errors = 0
        self._defaults = _defaults(providers.values())
        self._definitions: dict[str, Definition] = {}
        self._points: dict[int, Sequence[Point]] = {}
        self._types: dict[int, list[Type]] = {}

    @property
    def errors(self) -> int:
        """How many errors were found so far: what was computed since then may be without a value."""
        return self._errors

    def report(self, diagnostic: Diagnostic) -> None:
        """Collect a diagnostic and remember that there was an error."""
        self._errors += diagnostic.severity is Severity.ERROR
        self._collect(diagnostic)

    # --- what a name refers to

    def refer(self, text: str, site: Site | None = None, in_text: bool = True) -> str | None:
        """The key of what ``text`` means at ``site``, None where nothing is called so."""
        if "." in text:
            return (self._namespaced(text) if in_text else None) or self._qualified(text, site)
        key = canonical(text)
        found = self._defined(self.merged.definitions, key, site)
        if found is None and key in self._defaults:
            found = f"{key}{_DEFAULT}"
        if found is None and (text in BUILTINS if in_text else text in ("seed", "tier")):
            found = f"{BUILTIN}{text}"
        return found

    def _defined(self, table: dict[str, list[Definition]], key: str, site: Site | None) -> str | None:
        definitions = table.get(key)
        if not definitions:
            return None
        if site is None or key not in site.keys:
            self._definitions[definitions[-1].name] = definitions[-1]
            return definitions[-1].name
        outer = next((each for each in reversed(definitions) if each.layer < site.layer), None)
        if outer is None:
            return None
        outer_key = f"{outer.name}^{outer.layer}"
        self._definitions[outer_key] = outer
        return outer_key

    def _namespaced(self, text: str) -> str | None:
        if text.partition(".")[0] in ("env", "slot"):
            return f"{BUILTIN}{text}"
        label = next((each for each in self._serve_labels if text.startswith(f"{each}.")), None)
        if label is None:
            return None
        facts = self._served[label]
        known = facts.exports or canonical(text[len(label) + 1 :]) in facts.parameters
        return f"{BUILTIN}{text}" if known else None

    def _qualified(self, text: str, site: Site | None) -> str | None:
        provider, _, name = text.rpartition(".")
        facts = self._providers.get(provider)
        parameter = facts.parameters.get(canonical(name)) if facts else None
        if parameter is None:
            return None
        key = f"{provider}.{canonical(name)}"
        if site is not None and key in site.keys:
            return self._defined(self.merged.qualified, key, site) or self.refer(name)
        return self.reaching(provider, parameter) or (None if parameter.default is None else f"{key}{_DEFAULT}")

    def reaching(self, provider: str, parameter: Parameter) -> str | None:
        """What the layers give a provider's parameter: of one layer, the qualified name wins over the bare one."""
        bare_key, qualified_key = canonical(parameter.name), f"{provider}.{canonical(parameter.name)}"
        bare, qualified = self.merged.definitions.get(bare_key), self.merged.qualified.get(qualified_key)
        if qualified and (not bare or qualified[-1].layer >= bare[-1].layer):
            return self._defined(self.merged.qualified, qualified_key, None)
        return self._defined(self.merged.definitions, bare_key, None)

    def overrides(self, key: str) -> bool:
        """Whether this is a value of ``--set``, which wins even over a provider's own block."""
        definition = self._definitions.get(key)
        return definition is not None and definition.override

    # --- collecting nodes

    def need(self, expr: Expr, in_text: bool = True) -> None:
        """Make nodes of everything that ``expr`` refers to."""
        for key in self._keys(expr, None, in_text):
            self.need_key(key)

    def need_key(self, key: str) -> None:
        """Make the node of ``key``, and before it of all it depends on; a cycle is reported."""
        path: dict[str, tuple[Node, Iterator[str]]] = {}
        waiting: Iterator[str] = iter((key,))
        while True:
            following = next(waiting, None)
            if following is None:
                if not path:
                    return
                _, (node, _) = path.popitem()
                self._finish(node)
                waiting = next(reversed(path.values()))[1] if path else iter(())
            elif following in path:
                self._cycle([*path][list(path).index(following) :], path)
            elif following not in self.nodes and not following.startswith(BUILTIN):
                node = Node(following, following.partition("^")[0], self._definitions.get(following))
                waiting = iter(self._dependencies(node))
                path[following] = (node, waiting)

    def _cycle(self, keys: list[str], path: Mapping[str, tuple[Node, Iterator[str]]]) -> None:
        loop = " -> ".join(shown(path[key][0].name) for key in [*keys[:10], keys[0]])
        definition = path[keys[0]][0].definition
        if all(path[key][0].sound for key in keys):
            span = definition.span if definition else None
            self.report(Diagnostic("CAMP106", f"these values depend on each other: {loop}", span))
        for key in keys:
            path[key][0].sound = False

    def _dependencies(self, node: Node) -> list[str]:
        return [
            key for expr in _expressions(node.definition) for key in self._keys(expr, site_of(node.definition), True)
        ]

    def _keys(self, expr: Expr, site: Site | None, in_text: bool) -> list[str]:
        found = []
        for reference in references(expr):
            hole = isinstance(reference, Hole)
            key = self.refer(reference.name if isinstance(reference, Hole) else reference.text, site, in_text and hole)
            if key is not None:
                found.append(key)
        return found

    # --- types and values

    def typer(self, site: Site | None = None, in_text: bool = True) -> Typer:
        """Infers types of expressions that stand at ``site``; what they refer to is there already."""
        return Typer(lambda name: self.type_of(name, site, in_text), self.report)

    def type_of(
        self, name: Name | Hole, site: Site | None = None, in_text: bool = True, extra: Iterable[str] = ()
    ) -> Type:
        """The type of a name; an unknown one is reported, ``extra`` are names that may also have been meant."""
        text = name.name if isinstance(name, Hole) else name.text
        key = self.refer(text, site, in_text and isinstance(name, Hole))
        if key is None:
            self.unknown(text, name.span, in_text and isinstance(name, Hole), extra)
            return ANY
        if key.startswith(BUILTIN):
            return BUILTINS.get(key[1:], STRING)
        return self.nodes[key].type if key in self.nodes else ANY  # not there yet: a cycle, reported as one

    def unknown(self, text: str, span: Span | None, in_text: bool = False, extra: Iterable[str] = ()) -> None:
        """Report a name that nothing bears, with the one that was probably meant; where something is lost, only count.

        What cannot be computed is then without a value all the same.
        """
        if self.lost:
            self._errors += 1
            return
        hint = meant(text, [*self.names(), *(BUILTINS if in_text else ("seed", "tier")), *extra])
        self.report(Diagnostic("CAMP100", f"nothing is called {shown(text)} here", span, hint))

    def names(self) -> list[str]:
        """Every name that can be referred to."""
        defined = [each[-1].name for each in self.merged.definitions.values()]
        return [*defined, *(parameter.name for parameter in self._defaults.values())]

    def compile(self, expr: Expr, site: Site | None = None) -> Closure:
        """``expr`` as a function of an environment; raises EvaluationError for what can never be computed."""
        return compile_expression(
            expr, lambda name: itemgetter(self.refer(name, site, isinstance(name, InText)) or name)
        )

    def varies(self, expr: Expr, site: Site | None = None, in_text: bool = True) -> frozenset[str]:
        """The axes and builtins on which ``expr`` depends, through settings too."""
        found: set[str] = set()
        for key in self._keys(expr, site, in_text):
            found |= self.varies_key(key)
        return frozenset(found)

    def varies_key(self, key: str) -> frozenset[str]:
        """The axes and builtins on which a node or builtin depends."""
        if key.startswith(BUILTIN):
            return frozenset() if key == TIER else frozenset((key,))
        return self.nodes[key].varies if key in self.nodes else frozenset()

    def sound(self, expr: Expr, site: Site | None = None) -> bool:
        """Whether everything that ``expr`` refers to has a value."""
        keys = self._keys(expr, site, True)
        return all(key.startswith(BUILTIN) or (key in self.nodes and self.nodes[key].sound) for key in keys)

    def _finish(self, node: Node) -> None:
        self.nodes[node.key] = node
        definition = node.definition
        if definition is None:
            self._finish_default(node)
        elif definition.sweep is not None:
            self._finish_axis(node, definition, definition.sweep)
        elif definition.setting is not None:
            self._finish_setting(node, definition, definition.setting.value)

    def _finish_default(self, node: Node) -> None:
        provider, dot, name = node.name.rpartition(".")
        parameter = self._providers[provider].parameters[name] if dot else self._defaults[name]
        default = parameter.default
        assert default is not None
        node.type, node.closure = parameter.type, lambda _: default
        self.constants[node.key] = default

    def _finish_setting(self, node: Node, definition: Definition, expr: Expr) -> None:
        site, before = site_of(definition), self._errors
        node.type = self.typer(site).infer(expr)
        node.varies = self.varies(expr, site)
        node.sound = node.sound and before == self._errors and self.sound(expr, site)
        if not node.sound:
            return
        try:
            node.closure = self.compile(expr, site)
            if not node.varies:
                self.constants[node.key] = node.closure(self.constants)
        except EvaluationError as error:
            self._impossible(node, error, expr.span)
        if self.is_pinned(node):
            self._pin(node, expr)

    def is_pinned(self, node: Node) -> bool:
        """Whether this is an axis that a later setting holds at one value."""
        return node.key == node.name and "." not in node.key and canonical(node.name) in self.pinned

    def behind(self, expr: Expr) -> frozenset[str]:
        """The keys of all nodes that ``expr`` depends on."""
        return self.behind_keys(self._keys(expr, None, True))

    def behind_keys(self, keys: Iterable[str]) -> frozenset[str]:
        """These keys and those of all nodes that they depend on."""
        found: dict[str, None] = {}
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key not in found and key in self.nodes:
                found[key] = None
                waiting += self._dependencies(self.nodes[key])
        return frozenset(found)

    def _pin(self, node: Node, expr: Expr) -> None:
        """A setting in the place of an axis: one value, the same in every cell."""
        if node.varies:
            on = ", ".join(sorted(shown(name.removeprefix(BUILTIN)) for name in node.varies))
            summary = f"{shown(node.name)} is an axis here and gets one value: it cannot depend on {on}"
            self.report(Diagnostic("CAMP152", summary, expr.span))
            node.sound = False
        node.varies = frozenset((node.name,))

    def _impossible(self, node: Node, error: EvaluationError, span: Span | None) -> None:
        self.report(Diagnostic("CAMP113", error.message, error.span or span))
        node.sound = False

    def _finish_axis(self, node: Node, definition: Definition, sweep: Sweep) -> None:
        node.varies = frozenset((definition.name,))
        if "^" in node.key:
            self._outer_axis(node, definition)
            return
        types = self.sweep_types(sweep, definition)
        place = [word.text for word in sweep.names].index(definition.name)
        node.type = types[place]
        node.sound = node.sound and id(sweep) in self._points

    def _outer_axis(self, node: Node, definition: Definition) -> None:
        summary = f"the {shown(definition.name)} further out is an axis: it has no one value to start from"
        self.report(Diagnostic("CAMP152", summary, definition.span))
        node.sound = False

    def sweep_types(self, sweep: Sweep, definition: Definition, of_run: bool = False) -> list[Type]:
        """The types of a sweep's names; its points are computed with them where all is well.

        In a provider's block (``of_run``) names are the run's, also the sweep's own.
        """
        if id(sweep) not in self._types:
            self._types[id(sweep)] = self._read_sweep(sweep, None if of_run else site_of(definition))
        return self._types[id(sweep)]

    def need_sweep(self, sweep: Sweep) -> bool:
        """Compute the points of a sweep that stands in a layer, also where a later setting hides it."""
        definitions = self.merged.definitions[canonical(sweep.names[0].text)]
        definition = next(each for each in definitions if each.sweep is sweep)
        for expr in _expressions(definition):
            for key in self._keys(expr, site_of(definition), True):
                self.need_key(key)
        self.sweep_types(sweep, definition)
        return id(sweep) in self._points

    def _read_sweep(self, sweep: Sweep, site: Site | None) -> list[Type]:
        before = self._errors
        types = sweep_types(sweep, self.typer(site), self.report)
        exprs = [expr for expr in (sweep.values, sweep.jitter) if expr is not None]
        for expr in exprs:
            self._fixed(expr, site, "the values of an axis")
        if before != self._errors or not all(self.sound(expr, site) for expr in exprs):
            return types
        try:
            self._points[id(sweep)] = sweep_points(sweep, lambda expr: self.compile(expr, site), self.constants)
            width = jitter_width(sweep, lambda expr: self.compile(expr, site), self.constants)
            if sweep.jitter is not None and is_negative(width):
                summary = "jitter is how far a value moves either way, so it is not negative"
                self.report(Diagnostic("CAMP112", summary, sweep.jitter.span))
        except EvaluationError as error:
            self.report(Diagnostic("CAMP150", error.message, error.span or sweep.span))
        return types

    def _fixed(self, expr: Expr, site: Site | None, what: str) -> bool:
        varies = self.varies(expr, site)
        if varies:
            on = ", ".join(sorted(shown(name.removeprefix(BUILTIN)) for name in varies))
            self.report(
                Diagnostic("CAMP152", f"{what} cannot depend on {on}, which differs from run to run", expr.span)
            )
        return not varies

    def points(self, sweep: Sweep) -> Sequence[Point] | None:
        """The points of a sweep, None where they could not be computed."""
        return self._points.get(id(sweep))

    def fixed(self, expr: Expr, wanted: Type, what: str) -> Value | None:
        """The value of an expression that must be the same in every run; None where that was reported."""
        self.need(expr)
        before = self._errors
        self.typer().expect(expr, wanted, what)
        if before != self._errors or not self._fixed(expr, None, what) or not self.sound(expr):
            return None
        try:
            return self.compile(expr)(self.constants)
        except EvaluationError as error:
            self.report(Diagnostic("CAMP113", error.message, error.span or expr.span))
            return None


def site_of(definition: Definition | None) -> Site | None:
    """Where the expressions of a definition stand."""
    if definition is None:
        return None
    words = definition.sweep.names if definition.sweep is not None else ()
    names = {definition.name, *(word.text for word in words)}
    return Site(frozenset(map(definition_key, names)), definition.layer)


def definition_key(name: str) -> str:
    """A setting's name as a key: its last part canonical, the provider before it as it is."""
    provider, dot, parameter = name.rpartition(".")
    return f"{provider}{dot}{canonical(parameter)}"


def _expressions(definition: Definition | None) -> list[Expr]:
    if definition is None:
        return []
    if definition.setting is not None:
        return [definition.setting.value]
    sweep = definition.sweep
    return [] if sweep is None else [expr for expr in (sweep.values, sweep.jitter) if expr is not None]


def _defaults(providers: Iterable[Facts]) -> dict[str, Parameter]:
    """Parameters' defaults by canonical name, those on which all providers of the run agree."""
    found: dict[str, Parameter] = {}
    torn: set[str] = set()
    for facts in providers:
        for key, parameter in facts.parameters.items():
            known = found.setdefault(key, parameter)
            if known.default != parameter.default or known.type != parameter.type:
                torn.add(key)
    return {key: each for key, each in found.items() if key not in torn and each.default is not None}
