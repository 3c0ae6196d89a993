"""Settings that nothing uses, axes that change nothing, traces that no tool writes, schedules without a fault.

Almost always a name is misspelt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from campaign.diagnostics import Diagnostic, Span
from campaign.language.expressions import references
from campaign.language.instances import Case
from campaign.language.items import labels_of
from campaign.language.names import meant, shown
from campaign.language.scopes import Definition
from campaign.language.syntax import (
    Clause,
    Combine,
    Exclude,
    Expect,
    Expr,
    Hole,
    Item,
    Options,
    Plain,
    Quantities,
    Setting,
    Sweep,
    Words,
)
from campaign.language.values import definition_key
from campaign.plugins.names import canonical, is_reserved

Report = Callable[[Diagnostic], None]
_HOW_TO_TRACE = 'leave it out, or say how a declared tool does it: trace "trace/ops.bin" enable "--trace={trace}"'

_HOW_TO_LAY = "leave it out, or leave out the at of the faults whose instants it is to choose"


class Uses:
    """Counts, over all instances and tiers, which definitions are used; reports the rest."""

    def __init__(self) -> None:
        self._used: set[Span] = set()
        self._unused: dict[Span, tuple[str, frozenset[str]]] = {}
        self._idle: dict[Span, tuple[str, str, frozenset[str]]] = {}
        self._ordered: dict[Span, tuple[str, frozenset[str]]] = {}
        self._traced: set[Span] = set()
        self._untraced: dict[Span, dict[str, None]] = {}
        self._laying: set[Span] = set()
        self._idling: dict[Span, Case] = {}

    def count(self, case: Case) -> None:
        """Look at one instance in one tier."""
        names = used_names(case)
        known = frozenset(parameter.name for part in case.parts for parameter in part.facts.parameters.values())
        lost = any(not part.facts.complete for part in case.parts) or len(case.parts) != len(case.merged.items)
        self._order(case, known.union(case.values.names()), lost)
        self._trace(case, lost)
        self._schedule(case, lost)
        for key, definitions in case.merged.definitions.items():
            self._bare(definitions, lost or key in names, known, case.merged.scope.text)
        for key, definitions in case.merged.qualified.items():
            provider, _, parameter = key.rpartition(".")
            reached = any(p.facts.name == provider and parameter in p.facts.parameters for p in case.parts)
            qualified = frozenset(
                f"{p.facts.name}.{each.name}" for p in case.parts for each in p.facts.parameters.values()
            )
            self._settings(definitions, lost or reached, qualified)

    def _trace(self, case: Case, lost: bool) -> None:
        """A ``trace on`` is for nothing where none of all the runs that it governs has a tool that can write one."""
        clause = case.merged.once.get("trace")
        if not isinstance(clause, Words) or clause.words[0].text != "on":
            return
        tools = [part.facts for part in case.parts if part.kind in {"run", "serve"}]
        if lost or any(each.traces for each in tools):
            self._traced.add(clause.span)
        self._untraced.setdefault(clause.span, {}).update(dict.fromkeys(each.name for each in tools))

    def _schedule(self, case: Case, lost: bool) -> None:
        """A ``schedule`` is for nothing where in none of all the runs that it governs a fault waits for its instant."""
        clause = case.merged.once.get("schedule")
        if isinstance(clause, Options):
            if lost or any(part.kind == "fault" and "at" not in part.engine for part in case.parts):
                self._laying.add(clause.span)
            self._idling.setdefault(clause.span, case)

    def _order(self, case: Case, known: frozenset[str], lost: bool) -> None:
        """The names in ``minimize { order = … }``: what only other instances have is none the less known."""
        order = case.merged.options.get("minimize", {}).get("order")
        keys = {canonical(name) for name in known}
        for text, span in labels_of(order.value) if order is not None else ():
            if text is not None and span is not None:
                if lost or canonical(text.rpartition(".")[2]) in keys:
                    self._used.add(span)
                else:
                    self._ordered.setdefault(span, (text, known))

    def _bare(self, definitions: list[Definition], used: bool, known: frozenset[str], instance: str) -> None:
        self._settings([each for each in definitions if each.sweep is None], used, known)
        last = definitions[-1]
        for definition in definitions:
            if definition.sweep is not None and definition.sweep.kind is None and not used:
                self._idle.setdefault(last.span, (definition.name, instance, known))

    def _settings(self, definitions: list[Definition], used: bool, known: frozenset[str]) -> None:
        for definition in definitions:
            if used:
                self._used.add(definition.span)
            else:
                self._unused.setdefault(definition.span, (definition.name, known))

    def report(self, report: Report, complete: bool) -> None:
        """Report what no instance uses or knows, reserved names aside: those are refused as such.

        Not where a part of the spec could not be read, it might be used there.
        """
        if not complete:
            return
        for span, (name, known) in self._unused.items():
            if span not in self._used and not is_reserved(name):
                report(Diagnostic("CAMP104", f"nothing uses the setting {shown(name)}", span, _meant(name, known)))
        for span, (name, known) in self._ordered.items():
            if span not in self._used:
                summary = f"nothing is called {shown(name)} here"
                report(Diagnostic("CAMP100", summary, span, meant(name, sorted(known))))
        for diagnostic in self._for_nothing():
            report(diagnostic)
        for span, (name, instance, known) in self._idle.items():
            if is_reserved(name):
                continue
            summary = f"the axis {shown(name)} changes nothing in {shown(instance)}"
            report(Diagnostic("CAMP105", summary, span, _meant(name, known)))

    def _for_nothing(self) -> Iterator[Diagnostic]:
        """Clauses that ask for what no run can do."""
        for span, tools in self._untraced.items():
            if span not in self._traced:
                names = ", ".join(map(shown, tools))
                yield Diagnostic("CAMP107", f"no tool here can write a trace: {names}", span, _HOW_TO_TRACE)
        for span, case in self._idling.items():
            if span not in self._laying:
                yield Diagnostic("CAMP167", f"this schedule lays out nothing: {_why_idle(case)}", span, _HOW_TO_LAY)


def _why_idle(case: Case) -> str:
    faults = any(part.kind == "fault" for part in case.parts)
    where = shown(case.merged.scope.text)
    return f"every fault of {where} has an at" if faults else f"{where} has no fault"


def _meant(name: str, known: frozenset[str]) -> str:
    if not known:
        return "no provider of the runs it reaches has parameters"
    return meant(name, sorted(known)) or f"the parameters it could set are {', '.join(sorted(known)[:12])}"


def used_names(case: Case) -> frozenset[str]:
    """The canonical names that something in this instance uses: parameters, expressions, strings, the label."""
    used = {key for part in case.parts for key in part.facts.parameters}
    used |= {key for part in (case.schedule,) if part is not None for key in part.facts.parameters}
    used |= {canonical(part.name) for part in case.merged.scope.label if isinstance(part, Hole)}
    for layer in case.merged.layers:
        for clause in layer.clauses:
            for expr, own in _expressions(clause):
                used |= {name for each in references(expr) if (name := _name(each)) not in own}
    return frozenset(used)


def _name(reference: object) -> str:
    text = reference.name if isinstance(reference, Hole) else getattr(reference, "text", "")
    return canonical(text) if "." not in text else definition_key(text)


def _expressions(clause: Clause) -> Iterator[tuple[Expr, frozenset[str]]]:
    """The expressions of a clause, each with the names that it defines itself: ``x = x + 1`` is no use of x."""
    nothing: frozenset[str] = frozenset()
    if isinstance(clause, Setting):
        yield clause.value, frozenset((definition_key(clause.name.text),))
    elif isinstance(clause, Sweep):
        own = frozenset(canonical(word.text) for word in clause.names)
        yield from ((expr, own) for expr in (clause.values, clause.jitter) if expr is not None)
        yield from _inside(each for choice in clause.choices for each in choice.body)
    elif isinstance(clause, Item):
        yield from _inside(clause.body)
    elif isinstance(clause, Expect | Exclude):
        yield clause.condition, nothing
        if isinstance(clause, Expect) and clause.why is not None:
            yield clause.why, nothing
    elif isinstance(clause, Plain):
        yield clause.value, nothing
    elif isinstance(clause, Quantities):
        yield from ((count.value, nothing) for count in clause.counts)
    elif isinstance(clause, Options) and clause.keyword == "schedule":
        yield from _inside(clause.body)
    elif isinstance(clause, Combine) and clause.count is not None:
        yield clause.count, nothing


def _inside(clauses: Iterable[Clause]) -> Iterator[tuple[Expr, frozenset[str]]]:
    """Expressions in a provider's block, where names are the run's: ``threads = threads * 2`` uses threads."""
    for clause in clauses:
        for expr, _ in _expressions(clause):
            yield expr, frozenset()
