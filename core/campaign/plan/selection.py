"""Run selection, the same for every verb: which runs of a plan are meant.

What depends on an instance alone leaves whole instances out; what depends on its axes becomes a constraint like an
exclude, so that counting and walking stay as quick.  Selection comes after ``combine``: it never changes what
``cover`` or ``sample`` choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Span
from campaign.language.syntax import Hole
from campaign.plan.assignment import Assignment
from campaign.plan.names import axis_units, point_texts, template
from campaign.plan.scenario import Axis, Exclusion, Scenario
from campaign.plugins.wildcards import matches

#: The keys of ``--filter`` besides the names of axes.
KEYS = ("tag", "tool", "oracle", "fault", "group", "instance", "cell")

#: The providers of a scenario by kind: ``{"tool": {"sqlite.writer"}, "oracle": …, "fault": …}``.
Providers: TypeAlias = Callable[[Scenario], Mapping[str, frozenset[str]]]


class Clause(Struct, frozen=True):
    """One clause of a filter: ``tool!=x|y``."""

    key: str
    wanted: tuple[str, ...]
    negated: bool
    text: str

    def accepts(self, found: Iterable[str]) -> bool:
        """Whether a run with these values of the key is meant; ``*`` stands for any characters."""
        return any(matches(pattern, text) for text in found for pattern in self.wanted) is not self.negated


def parse_filter(text: str, axes: Iterable[str]) -> tuple[tuple[Clause, ...], list[Diagnostic]]:
    """The clauses of ``tag=db,tool!=x|y``; unknown keys are errors that list the known ones."""
    known = dict.fromkeys((*KEYS, *sorted(axes)))
    clauses: list[Clause] = []
    found: list[Diagnostic] = []
    for part in text.split(","):
        key, equals, values = part.strip().partition("=")
        negated, key = key.endswith("!"), key.removesuffix("!").strip()
        wanted = tuple(value.strip() for value in values.split("|"))
        if not equals or not key or not all(wanted):
            found.append(Diagnostic("CAMP210", f"--filter: {part.strip()!r} is not key=value or key!=value"))
        elif key not in known:
            hint = f"known keys are {', '.join(known)}"
            found.append(Diagnostic("CAMP210", f"--filter: {key} is not a key", hint=hint))
        else:
            clauses.append(Clause(key, wanted, negated, part.strip()))
    return tuple(clauses), found


class Selected(Struct, frozen=True):
    """A scenario of which something is meant, and the constraints that leave some of its cells out."""

    scenario: Scenario
    leaves_out: tuple[Exclusion, ...] = ()


class LeftOut(Struct, frozen=True):
    """A scenario of which nothing is meant, and the option, or the rule set (``ruled``), that says so.

    ``leaves_out`` is what the options had left out of it before a rule set skipped it.
    """

    scenario: Scenario
    by: str
    ruled: bool = False
    leaves_out: tuple[Exclusion, ...] = ()


def select(
    scenarios: Sequence[Scenario], group: str | None, clauses: Sequence[Clause], providers: Providers
) -> tuple[list[Selected], list[LeftOut]]:
    """The scenarios of which something is meant, in order, and the others."""
    selected: list[Selected] = []
    left_out: list[LeftOut] = []
    for scenario in scenarios:
        verdicts = [_clause(scenario, clause, providers) for clause in clauses]
        if group is not None:
            verdicts.append(_group(scenario, group))
        refusal = next((verdict for verdict in verdicts if isinstance(verdict, str)), None)
        if refusal is not None:
            left_out.append(LeftOut(scenario, refusal))
        else:
            selected.append(Selected(scenario, tuple(v for v in verdicts if isinstance(v, Exclusion))))
    return selected, left_out


#: None: all of it is meant.  A text: nothing is, because of this option.  An exclusion: what it drops is not.
_Verdict: TypeAlias = "str | Exclusion | None"


def _clause(scenario: Scenario, clause: Clause, providers: Providers) -> _Verdict:
    option = f"--filter {clause.text}"
    axis = next((axis for axis in scenario.axes if clause.key in axis.names), None)
    if clause.key == "cell":
        return _cells(scenario, option, clause.accepts)
    if clause.key not in KEYS:
        return _axis(axis, clause, option) if axis else (None if clause.negated else option)
    return None if clause.accepts(facts(scenario, clause.key, providers)) else option


def facts(scenario: Scenario, key: str, providers: Providers) -> Iterable[str]:
    """What a filter's ``key`` is compared with in a scenario, where that is no axis and not ``cell``."""
    if key == "tag":
        return scenario.tags
    if key == "group":
        return (scenario.group,)
    if key == "instance":
        return (scenario.label_text,)
    return providers(scenario).get(key, frozenset())


def _axis(axis: Axis, clause: Clause, option: str) -> Exclusion:
    units, place = axis_units(axis), axis.names.index(clause.key)

    def drops(values: Assignment, _: int) -> bool:
        point = tuple(values[name] for name in axis.names)
        plain = point[place]
        return not clause.accepts((plain if isinstance(plain, str) else point_texts(point, units)[place],))

    return _option(frozenset(axis.names), drops, option)


def _cells(scenario: Scenario, option: str, accepts: Callable[[Sequence[str]], bool]) -> Exclusion:
    """What drops the cells whose whole name is not accepted."""
    named = template(scenario)
    axes = [(axis.names, axis_units(axis)) for axis in scenario.axes]

    def drops(values: Assignment, _: int) -> bool:
        texts = [point_texts(tuple(values[name] for name in names), units) for names, units in axes]
        return not accepts((named.fill(texts),))

    return _option(frozenset(name for names, _ in axes for name in names), drops, option)


def _group(scenario: Scenario, prefix: str) -> _Verdict:
    """Whether the filled label starts with the whole segments of ``prefix``: all, none, or some of its cells."""
    option, label = f"--group {prefix}", scenario.label_text
    fixed, placeholders, _ = label.partition("{")
    if fixed.startswith(f"{prefix}.") or label == prefix:
        return None
    if not placeholders or not f"{prefix}.".startswith(fixed):
        return option
    holes = {part.name for part in scenario.label if isinstance(part, Hole)}
    axes = [(axis.names, axis_units(axis)) for axis in scenario.axes if not holes.isdisjoint(axis.names)]

    def drops(values: Assignment, _: int) -> bool:
        texts: dict[str, str] = {}
        for names, units in axes:
            texts.update(zip(names, point_texts(tuple(values[name] for name in names), units), strict=True))
        filled = "".join(part if isinstance(part, str) else texts.get(part.name, "") for part in scenario.label)
        return filled != prefix and not filled.startswith(f"{prefix}.")

    return _option(frozenset(name for names, _ in axes for name in names), drops, option)


def _option(names: frozenset[str], drops: Callable[[Assignment, int], bool], option: str) -> Exclusion:
    return Exclusion(names=names, uses_seed=False, test=drops, span=Span(option, 1, 1, 1, 1))
