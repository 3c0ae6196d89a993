"""What the checker knows of a provider, whether a spec declares it as a ``tool`` or a plugin brings it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, Span
from campaign.language.names import meant, shown
from campaign.language.syntax import EnvVar, Expr, MetricPattern, Text, TraceFile, Vector
from campaign.language.typecheck import Type, named
from campaign.plugins.names import canonical
from campaign.plugins.parameters import ParameterProblem, defaults, parameter_types, validate
from campaign.units import Value

#: Which kind of provider each keyword asks for.
KINDS = {
    "run": "tool",
    "serve": "tool",
    "fault": "fault",
    "hold": "fault",
    "oracle": "oracle",
    "watch": "oracle",
    "schedule": "schedule",
    "report": "reporter",
}

#: The kind of strategies, and the plugin whose name need not stand before theirs: ``schedule even``.
SCHEDULE = "schedule"


class ProviderLookup(Protocol):
    """Where providers of plugins are found: the registry, or a stand-in."""

    def use(self, names: Iterable[str]) -> Sequence[Diagnostic]:
        """Allow and load these plugins; what is wrong with them, without a place."""

    def find(self, kind: Any, name: str) -> Any:
        """The provider, or None; raises CampaignError for a broken plugin."""

    def names(self, kind: Any) -> Sequence[str]:
        """The names of all that could be found."""

    def is_missing(self, name: str) -> bool:
        """Whether a provider's plugin is one that a ``use`` asked for in vain, which was reported."""

    def hint(self, kind: Any, name: str) -> str | None:
        """What to write instead of a name that was not found."""


class Parameter(Struct, frozen=True, kw_only=True):
    """One parameter of a provider.

    ``within`` tells whether a value is inside what ``in`` allows, ``allowed`` is that as written.  A parameter
    without ``default`` has to be set where ``required``, else it is left out.  ``physical`` is what a provider writes
    to the world as it is: ``unbounded: deny`` is about it.
    """

    name: str
    type: Type
    default: Value | None = None
    required: bool = False
    within: Callable[[Value], bool] | None = None
    limits: Expr | None = None
    flag: Text | None = None
    span: Span | None = None
    physical: bool = False


class Declared(Struct, frozen=True, kw_only=True):
    """The manifest of a tool that the spec declares itself."""

    name: str
    span: Span
    command: Vector
    env: tuple[EnvVar, ...] = ()
    trace: TraceFile | None = None
    replay: Vector | None = None
    metrics: tuple[MetricPattern, ...] = ()


class Facts(Struct, frozen=True, kw_only=True):
    """A provider: its parameters by canonical name, what it needs, what it measures, whether it can write a trace.

    ``declared`` is a spec's own tool, ``provider`` a plugin's.  One that is not ``complete`` could not be loaded, which
    was reported.
    """

    kind: str
    name: str
    parameters: dict[str, Parameter]
    needs: dict[str, int] = {}
    metrics: dict[str, Type] = {}
    declared: Declared | None = None
    provider: Any = None
    exports: bool = False
    traces: bool = False
    complete: bool = True


class Providers:
    """Finds providers by name and remembers them; asks plugins only for what the spec does not declare."""

    def __init__(
        self,
        declared: Mapping[str, Facts],
        find: ProviderLookup,
        axes: Iterable[str] = (),
        choices: Iterable[str] = (),
        lost: bool = False,
    ) -> None:
        self._declared = declared
        self._lost = lost
        self._choices = frozenset(choices)
        self._axes = frozenset(map(canonical, axes))
        self._find = find
        self._known: dict[tuple[str, str], Facts | None] = {}

    def facts(self, kind: str, name: str, span: Span, report: Callable[[Diagnostic], None]) -> Facts | None:
        """The provider, or None; an unknown one is reported at every place that names it.

        Not where it may have been declared by what was lost to an error, nor where its whole plugin is missing.
        """
        if kind == "tool" and name in self._declared:
            return self._declared[name]
        if (kind, name) not in self._known:
            self._known[kind, name] = self._load(kind, name, span, report)
        facts = self._known[kind, name]
        if facts is None and not self._may_be_there(kind, name):
            report(self._unknown(kind, name, span))
        return facts

    def _may_be_there(self, kind: str, name: str) -> bool:
        declared = kind == "tool" and "." not in name
        return (declared and self._lost) or self._find.is_missing(name)

    def is_axis(self, name: str) -> bool:
        """Whether any instance of the spec has an axis of this name."""
        return canonical(name) in self._axes

    def is_choice(self, label: str) -> bool:
        """Whether any axis of the spec has a provider of this label among its values."""
        return label in self._choices

    def _load(self, kind: str, name: str, span: Span, report: Callable[[Diagnostic], None]) -> Facts | None:
        try:
            provider, name = self._found(kind, name)
        except CampaignError as error:
            for each in error.diagnostics:
                report(Diagnostic(each.code, each.summary, span, each.hint, each.related, each.severity, each.status))
            return Facts(kind=kind, name=name, parameters={}, complete=False)
        return None if provider is None else self._described(kind, name, provider)

    def _found(self, kind: str, name: str) -> tuple[Any, str]:
        """The provider with its full name: a strategy without a dot may be one of the plugin called ``schedule``."""
        provider = self._find.find(kind, name)
        if provider is None and kind == SCHEDULE and "." not in name:
            return self._find.find(kind, f"{SCHEDULE}.{name}"), f"{SCHEDULE}.{name}"
        return provider, name

    def _described(self, kind: str, name: str, provider: Any) -> Facts:
        given = defaults(provider)
        parameters = {
            canonical(parameter): Parameter(
                name=parameter,
                type=named(type_),
                default=given.get(parameter),
                required=bool(provider.parameters.get(parameter, {}).get("required", False)),
                physical=_is_physical(provider.parameters.get(parameter, {})),
            )
            for parameter, type_ in parameter_types(provider).items()
        }
        return Facts(
            kind=kind,
            name=name,
            parameters=parameters,
            needs=dict(getattr(provider, "needs", {})),
            metrics={metric.name: named(metric.type) for metric in getattr(provider, "metrics", ())},
            provider=provider,
            exports=bool(getattr(provider, "serves", False)),
            traces=bool(getattr(provider, "traces", False)),
        )

    def _unknown(self, kind: str, name: str, span: Span) -> Diagnostic:
        hint = meant(name, self._declared) if kind == "tool" else None
        if kind == SCHEDULE:
            hint = meant(name, [each.removeprefix(f"{SCHEDULE}.") for each in self._find.names(kind)])
        hint = hint or self._find.hint(kind, name)
        return Diagnostic("CAMP140", f"no {kind} is called {shown(name)}", span, hint)

    def problems(self, facts: Facts, settings: Mapping[str, Value]) -> Sequence[ParameterProblem]:
        """What the provider's own schema objects to in ``settings``."""
        return validate(facts.provider, settings)


def _is_physical(rules: Mapping[str, Any]) -> bool:
    """Whether a parameter's ``meta`` says that it is written to the world as it is."""
    meta = rules.get("meta")
    return isinstance(meta, Mapping) and meta.get("physical") is True
