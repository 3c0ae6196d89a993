"""The values of a plan against a rule book, before anything runs: axis by axis, never cell by cell.

What depends on some axes is asked for those axes' points alone.  Only where one offends are the cells that remain
searched for a run that has it: what is excluded, skipped or not selected breaks no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import prod

from msgspec import Struct

from campaign.diagnostics import Diagnostic, ExitStatus, Related, Severity, Span
from campaign.language.axes import Stretch
from campaign.language.expressions import EvaluationError
from campaign.language.names import shown
from campaign.plan.assignment import Assignment
from campaign.plan.matrix import Run, reach, runs
from campaign.plan.scenario import Axis, Exclusion, Scenario
from campaign.plan.selection import Selected
from campaign.plan.sources import Source, sources
from campaign.plugins.names import canonical
from campaign.rules.limits import Given, Violation, binding_limits, is_physical, leaves, limit_text, violations
from campaign.rules.structs import PHYSICAL, TYPE, Limit, RuleBook
from campaign.units import Quantity, Value, format_exact

#: Combinations of axis values that one source is asked about; what has more cannot be shown to keep its limits.
MOST_ASKED = 1_000_000
#: Values of one source that are reported one by one.
_MOST_REPORTED = 20
_EXHAUSTIVE = 64


class Unbound(Struct, frozen=True):
    """A physical value that no limit binds: its name, an example, and where that comes from."""

    name: str
    value: str
    place: str | None = None


def check_limits(
    selected: Iterable[Selected], name: str, seed: int, book: RuleBook, to_run: Callable[[str], bool] | None = None
) -> list[Diagnostic]:
    """Every value of these scenarios that breaks a limit, all at once, each with the first run that would have it.

    All are safety errors (status 4); a limit that is in force only because of an ``override`` is noted.  With
    ``to_run`` only runs count whose key it takes.
    """
    if not book.limits and book.unbounded is None:
        return []
    found: dict[Diagnostic, None] = {}
    bound: set[str] = set()
    for each in selected:
        found.update(dict.fromkeys(_Asking(each, name, seed, book, bound, to_run).diagnostics()))
    found.update(dict.fromkeys(_overrides(book, bound)))
    return list(found)


def unbound_values(selected: Iterable[Selected], book: RuleBook) -> list[Unbound]:
    """The physical values of these scenarios that no limit binds, each name once."""
    found: dict[str, Unbound] = {}
    for each in selected:
        scenario = each.scenario
        for source in sources(scenario):
            if source.shown in found or source.late or not _may_be_physical(source):
                continue
            value = _unbound(source, scenario, book)
            if value is not None:
                place = source.place(value)
                found[source.shown] = Unbound(source.shown, format_exact(value), str(place) if place else None)
    return list(found.values())


def _may_be_physical(source: Source) -> bool:
    return source.physical or source.kind is None or source.kind in PHYSICAL


def _unbound(source: Source, scenario: Scenario, book: RuleBook) -> Value | None:
    """The first value of a source where it is physical and nothing binds it."""
    first = {name: value for axis in scenario.axes for name, value in zip(axis.names, axis.points[0], strict=True)}
    try:
        values = source.values(first, scenario.seeds[0])
    except EvaluationError:
        return None
    for value in values:
        given = source.given(value)
        for leaf in leaves(value):
            if is_physical(given, leaf) and not any(binding_limits(given, leaf, book.limits)):
                return leaf
    return None


def keys_of_source(source: Source) -> set[str]:
    """The keys under which limits bind a source, as far as its name and its type tell."""
    keys = {canonical(source.name), canonical(source.shown), f"{TYPE}{source.kind}"}
    return keys | {f"{canonical(provider)}.{canonical(source.name)}" for provider in source.reaches}


def _overrides(book: RuleBook, bound: set[str]) -> Iterator[Diagnostic]:
    """What a plan owes to an ``override``: said every time."""
    for override in book.overrides:
        if override.key in bound:
            replaced = ", ".join(dict.fromkeys(origin.rule_set for origin in override.replaced))
            summary = f"the limit of {override.key} overrides that of {replaced}: {override.origin.why}"
            related = tuple(Related(origin.span, "overridden") for origin in override.replaced)
            yield Diagnostic("CAMP314", summary, override.origin.span, None, related, Severity.NOTE)


class _Asking:
    """One scenario and the limits of one rule book."""

    def __init__(  # noqa: PLR0913, PLR0917 - a scenario, a rule book, and which runs are meant
        self,
        selected: Selected,
        name: str,
        seed: int,
        book: RuleBook,
        bound: set[str],
        to_run: Callable[[str], bool] | None,
    ) -> None:
        self.selected, self.scenario = selected, selected.scenario
        self.name, self.seed = name, seed
        self.book, self.bound = book, bound
        self.to_run = to_run or (lambda _: True)
        self._axes = {name: axis for axis in self.scenario.axes for name in axis.names}
        self._told: set[tuple[Span | None, str, str]] = set()
        self._jittered = any(axis.jitter is not None for axis in self.scenario.axes)

    def diagnostics(self) -> Iterator[Diagnostic]:
        for source in sources(self.scenario):
            if not source.late and not source.covered and self._may_bind(source):
                yield from self._of_source(source)

    def _may_bind(self, source: Source) -> bool:
        """Whether a limit can bind a source, told from its name and its type alone."""
        known = keys_of_source(source) & set(self.book.limits)
        self.bound |= known
        if known or source.kind is None:
            return True
        if source.kind in ("int", "decimal", "ratio") and any(key.startswith(TYPE) for key in self.book.limits):
            return True  # a decimal can hold an int, a ratio either
        return self.book.unbounded is not None and _may_be_physical(source)

    def _of_source(self, source: Source) -> Iterator[Diagnostic]:
        axes = [axis for axis in self.scenario.axes if not source.axes.isdisjoint(axis.names)]
        seeds = self.scenario.seeds if source.seeded else self.scenario.seeds[:1]
        if self._keeps_ends(source, axes):
            return
        if prod(len(axis.points) for axis in axes) * len(seeds) > MOST_ASKED:
            yield self._too_many(source, axes)
            return
        if any(self._offences(source, values, seed) for values in _combinations(axes) for seed in seeds):
            yield from self._offending(source, axes)

    def _keeps_ends(self, source: Source, axes: Sequence[Axis]) -> bool:
        """Whether a source is nothing but a long range whose ends keep every limit: then so does what is between."""
        if len(axes) != 1 or not isinstance(axes[0].points, Stretch) or source.axes != frozenset(axes[0].names):
            return False
        points = axes[0].points
        if len(points) <= _EXHAUSTIVE or not self._is_axis(source, axes[0]):
            return False
        ends = ({axes[0].names[0]: points[index][0]} for index in (0, -1))
        return not any(self._offences(source, values, 0) for values in ends)

    def _is_axis(self, source: Source, axis: Axis) -> bool:
        """Whether a source hands an axis's values on as they are, to limits that are ranges."""
        first, last = axis.points[0][0], axis.points[-1][0]
        try:
            same = all(source.values({axis.names[0]: value}, 0) == (value,) for value in (first, last))
        except EvaluationError:
            return False
        given = source.given(first)
        return (
            same
            and source.label is None
            and not any(limit.allowed is not None for limit in binding_limits(given, first, self.book.limits))
        )

    def _offences(self, source: Source, values: Assignment, seed: int) -> list[Violation]:
        """What is wrong with the values of a source for these values of its axes, jitter and all."""
        found: list[Violation] = []
        for reached in self._reached(values) if self._jittered else (values,):
            try:
                given = [source.given(value) for value in source.values(reached, seed)]
            except EvaluationError:
                continue  # what cannot be computed is refused where it is rendered
            found += violations(given, self.book.limits, self.book.unbounded)
        return found

    def _reached(self, values: Assignment) -> Iterator[Assignment]:
        """These values, and with each jittered one at either end of where it can come to lie."""
        ends: dict[str, tuple[Value, ...]] = {}
        for name, value in values.items():
            axis = self._axes[name]
            if axis.jitter is not None and isinstance(value, Quantity | int | Fraction):
                ends[name] = tuple(dict.fromkeys((value, *reach(value, axis.jitter, axis.bounds))))
        for combination in product(*ends.values()):
            yield {**values, **dict(zip(ends, combination, strict=True))}

    # --- what is wrong

    def _offending(self, source: Source, axes: Sequence[Axis]) -> Iterator[Diagnostic]:
        """A diagnostic for each offending value that some run of the plan really has."""
        told: set[Value] = set()
        for _ in range(_MOST_REPORTED):
            found = self._search(source, axes, told)
            if found is None:
                return
            run, offences = found
            yield from self._fresh(source, offences, run)
            told |= {each.given.value for each in offences}
        if self._search(source, axes, told) is not None:
            summary = f"{shown(source.shown)} has more values that break a limit"
            yield Diagnostic("CAMP320", summary, self.scenario.span, status=ExitStatus.SAFETY)

    def _fresh(self, source: Source, offences: Sequence[Violation], run: Run) -> Iterator[Diagnostic]:
        """What was not said of the same place yet: a setting and the parameter that it reaches are one mistake."""
        for each in offences:
            place = source.place(each.given.value)
            said = (place, format_exact(each.value), each.reason)
            if said not in self._told:
                self._told.add(said)
                yield refused(each, place, f"first in {run.key}")

    def _search(self, source: Source, axes: Sequence[Axis], told: set[Value]) -> tuple[Run, list[Violation]] | None:
        """The first run of the plan in which a source has an offending value that was not told of yet."""
        names = frozenset(name for axis in axes for name in axis.names)

        def fresh(values: Assignment, seed: int) -> list[Violation]:
            own = {name: values[name] for name in names}
            return [each for each in self._offences(source, own, seed) if each.given.value not in told]

        leaves_out: tuple[Exclusion, ...] = self.selected.leaves_out
        if not source.seeded:
            harmless = Exclusion(
                names=names, uses_seed=False, test=lambda values, seed: not fresh(values, seed), span=self.scenario.span
            )
            leaves_out = (*leaves_out, harmless)
        for run in runs(self.scenario, self.name, self.seed, leaves_out):
            offences = fresh(run.cell.values, run.seed) if self.to_run(run.key) else []
            if offences:
                return run, offences
        return None

    def _too_many(self, source: Source, axes: Sequence[Axis]) -> Diagnostic:
        names = ", ".join(shown(name) for axis in axes for name in axis.names)
        summary = f"{shown(source.shown)} depends on {names} together: too many combinations to hold against its limits"
        hint = f"at most {MOST_ASKED:,} can be asked; sweep fewer values, or limit what it is computed from"
        return Diagnostic("CAMP324", summary, self.scenario.span, hint, status=ExitStatus.SAFETY)


def _combinations(axes: Sequence[Axis]) -> Iterator[dict[str, Value]]:
    """The values of these axes in every combination."""
    for points in product(*(axis.points for axis in axes)):
        yield {
            name: value
            for axis, point in zip(axes, points, strict=True)
            for name, value in zip(axis.names, point, strict=True)
        }


def refused(violation: Violation, span: Span | None, hint: str | None = None) -> Diagnostic:
    """A safety error: the value and its place, what refuses it, the place of that, and why."""
    given = violation.given
    name = given.name if given.provider is None else f"{given.provider}.{given.name}"
    inside = "" if violation.value == given.value else f", in which {format_exact(violation.value)}"
    code = "CAMP320" if violation.limit is not None else "CAMP321"
    related = tuple(Related(origin.span, f"limited by {origin.rule_set} here") for origin in violation.origins)
    why = "; ".join(dict.fromkeys(f"{o.rule_set}: {o.why}" if o.why else o.rule_set for o in violation.origins))
    summary = f"{shown(name)} = {shown(format_exact(given.value))}{inside} {violation.reason} ({why})"
    return Diagnostic(code, summary, span, hint, related, status=ExitStatus.SAFETY)


class Binding(Struct, frozen=True):
    """A limit that binds a value of a run, for people."""

    name: str
    value: str
    limit: str
    allows: str
    origins: tuple[str, ...]


def binding_of(run: Run, book: RuleBook) -> Iterator[Binding]:
    """Every limit that binds a value of one run, in the order of the values."""
    for source in sources(run.scenario):
        try:
            values: Sequence[Value] = () if source.late else source.values(run.values, run.seed)
        except EvaluationError:
            continue
        for value in values:
            given = source.given(value)
            for limit in _of_value(given, value, book.limits):
                yield Binding(
                    source.shown, format_exact(value), limit.name, limit_text(limit), tuple(map(str, limit.origins))
                )


def _of_value(given: Given, value: Value, limits: Mapping[str, Limit]) -> Iterable[Limit]:
    found: dict[str, Limit] = {}
    for leaf in leaves(value):
        found.update((limit.key, limit) for limit in binding_limits(given, leaf, limits))
    return found.values()
