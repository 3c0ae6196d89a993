"""From a checked spec to scenarios: for each instance that the tier holds, its axes, exclusions, seeds and program."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, cast

from campaign.diagnostics import CampaignError, Diagnostic, Severity, Span, failed
from campaign.language.axes import Point
from campaign.language.clauses import check_names
from campaign.language.instances import Case, axis_points, literal_units, understand
from campaign.language.limits import bounds_of, check_limits
from campaign.language.names import meant, shown
from campaign.language.policies import check_policies
from campaign.language.providers import KINDS, ProviderLookup, Providers
from campaign.language.resolve import Checked
from campaign.language.scopes import AxisDraft, Scope, merge
from campaign.language.selection import only_of
from campaign.language.sweeps import jitter_width
from campaign.language.syntax import Block, Combine, Expr, Hole, Name, Setting, Text, Word, Words
from campaign.language.uses import Uses
from campaign.language.whole import Whole, understand_whole
from campaign.plan.assignment import Assignment
from campaign.plan.names import axis_units, point_texts
from campaign.plan.program import Program
from campaign.plan.scenario import Axis, Combination, Exclusion, Scenario
from campaign.plugins.names import canonical
from campaign.rules.limits import Given, binding_limits, dimension
from campaign.rules.structs import Limit
from campaign.units import Quantity, Value

__all__ = ["Whole", "campaign_facts", "compile_scenarios"]

_NOWHERE = Span("--set", 1, 1, 1, 1)


def compile_scenarios(
    checked: Checked,
    tier: str | None,
    overrides: Mapping[str, Expr],
    registry: ProviderLookup,
    limits: Mapping[str, Limit] = MappingProxyType({}),
) -> tuple[tuple[Scenario, ...], list[Diagnostic]]:
    """The scenarios of a spec that ``check`` found sound, and what is wrong with tier and ``--set``.

    A spec that nothing is wrong with gives the same scenarios every time.  Jitter stays inside ``limits``.
    """
    if tier is not None and tier not in checked.tiers:
        known = list(checked.tiers)
        hint = meant(tier, known) or (f"tiers are {', '.join(known)}" if known else None)
        return (), [Diagnostic("CAMP170", f"no tier is called {shown(tier)}", None, hint)]
    compiler = _Compiler(checked, tier, overrides, registry, limits)
    scenarios = compiler.scenarios()
    found = list({(each.code, each.span, each.summary): each for each in compiler.found}.values())
    return (() if failed(found) else scenarios), found


class _Compiler:
    def __init__(
        self,
        checked: Checked,
        tier: str | None,
        overrides: Mapping[str, Expr],
        registry: ProviderLookup,
        limits: Mapping[str, Limit],
    ) -> None:
        self.limits = limits
        self.checked = checked
        self.tier = None if tier is None else checked.tiers[tier]
        self.name = tier
        self.overrides = tuple(_override(name, expr) for name, expr in overrides.items())
        self.providers: Providers = checked.providers(registry)
        self.found: list[Diagnostic] = []

    def report(self, diagnostic: Diagnostic) -> None:
        self.found.append(diagnostic)

    def scenarios(self) -> tuple[Scenario, ...]:
        check_names(self.overrides, self.report)
        if failed(self.found):
            return ()
        uses, found = Uses(), []
        for scope in self.checked.holding(self.name):
            case = self._case(scope, uses)
            if not case.sound:
                continue
            try:
                found.append(self._scenario(scope, case))
            except CampaignError as error:
                self.found += error.diagnostics
        if self.overrides:
            uses.report(self._of_overrides, True)
        if not self.checked.instances or failed(self.found):
            return ()
        return tuple(found)

    def _of_overrides(self, diagnostic: Diagnostic) -> None:
        if diagnostic.span in {override.name.span for override in self.overrides}:
            self.report(diagnostic)

    def _case(self, scope: Scope, uses: Uses) -> Case:
        overrides = self._overrides(scope) if self.overrides else ()
        merged = merge(scope, self.checked.campaign, self.tier, overrides, self.report)
        case = understand(merged, self.providers, self.report)
        if self.overrides:
            check_policies(case)
            uses.count(case)
            self._spelling(case)
            if case.sound:
                before = len(self.found)
                check_limits(case, self.providers)
                case.sound = not any(each.severity is Severity.ERROR for each in self.found[before:])
        return case

    def _overrides(self, scope: Scope) -> tuple[Setting, ...]:
        """``--set journal=off``: a bare name that nothing here bears is a text, for a shell eats its quotes."""
        merged = merge(scope, self.checked.campaign, self.tier, (), lambda _: None)
        known = {"seed", "tier", *merged.definitions}
        for item in merged.items:
            facts = self.providers.facts(KINDS[item.kind], item.provider.text, item.provider.span, lambda _: None)
            known.update(facts.parameters if facts is not None else ())
        return tuple(_as_text(override, known) for override in self.overrides)

    def _spelling(self, case: Case) -> None:
        """``--set`` spells a name as the spec does."""
        for override in self.overrides:
            name = override.name.text.rpartition(".")[2]
            known = [each.name for part in case.parts for each in part.facts.parameters.values()]
            known += [
                each.name for defined in case.merged.definitions.values() for each in defined if not each.override
            ]
            for other in known:
                if canonical(other) == canonical(name) and other != name:
                    summary = f"{shown(name)} is the name {shown(other)} in another spelling"
                    self.report(Diagnostic("CAMP102", summary, override.name.span, f"write {other}, as the spec does"))
                    break

    def _scenario(self, scope: Scope, case: Case) -> Scenario:
        program = Program(case)
        axes = tuple(_axis(case, draft, self.limits) for draft in case.merged.axes)
        exclusions = [
            Exclusion(
                names=frozenset(name for name in drop.varies if not name.startswith("@")),
                uses_seed="@seed" in drop.varies,
                test=program.test_of(drop),
                span=drop.exclude.span,
            )
            for drop in case.drops
        ]
        combine = case.merged.once.get("combine")
        how = combine.how if isinstance(combine, Combine) and combine.how != "zip" else "all"
        virtual = program.word("clock", "real") == "virtual"
        needs, prefers = ({}, {}) if virtual else _slots(case)  # nothing is started that would need them
        return Scenario(
            label=scope.label,
            group=_group(scope),
            axes=axes,
            exclusions=(*exclusions, *_only(scope, axes, self.tier)),
            combination=Combination(how, case.numbers.get("combine", 0)),
            seeds=case.seeds,
            priority=case.numbers.get("priority", 0),
            tags=tuple(dict.fromkeys(word.text for word in case.merged.tags)),
            needs=needs,
            prefers=prefers,
            span=scope.instance.span,
            about=case.about,
            program=program,
        )


def _override(name: str, expr: Expr) -> Setting:
    span = expr.span or _NOWHERE
    return Setting(Word(name, span), expr, span)


def _as_text(override: Setting, known: Container[str]) -> Setting:
    value = override.value
    if not isinstance(value, Name) or len(value.parts) > 1 or canonical(value.text) in known:
        return override
    return Setting(override.name, Text((value.text,), value.span), override.span)


def _group(scope: Scope) -> str:
    """The top-level group as written, or the first segment of a label that stands in no group."""
    if scope.groups:
        return scope.groups[0].label.text
    return scope.instance.label.text.partition(".")[0]


def _axis(case: Case, draft: AxisDraft, limits: Mapping[str, Limit]) -> Axis:
    width = None
    if len(draft.parts) == 1 and canonical(draft.names[0]) not in case.values.pinned:
        width = jitter_width(draft.parts[0], case.values.compile, case.values.constants)
    points = cast("tuple[Point, ...]", axis_points(case, draft))
    return Axis(
        names=draft.names,
        points=points,
        declared=tuple(part.span for part in draft.parts),
        bounds=_jitter_bounds(case, draft.names[0], points[0][0], limits) if width is not None else (None, None),
        jitter=width if isinstance(width, Quantity | Fraction | int) and not isinstance(width, bool) else None,
        units=literal_units(case, draft) if any(canonical(name) in case.values.pinned for name in draft.names) else (),
    )


def _jitter_bounds(case: Case, name: str, first: Value, limits: Mapping[str, Limit]) -> tuple[Any, Any]:
    """The least and the most that parameters and limits leave to an axis, under every name that it reaches."""
    low, high = bounds_of(case, name)
    reached = [Given(name, first)] + [
        Given(binding.parameter.name, first, part.facts.name, binding.parameter.type.name)
        for part in case.parts
        for binding in part.bindings.values()
        if binding.key is not None and canonical(binding.key) == canonical(name)
    ]
    found = [limit for each in reached for limit in binding_limits(each, first, limits)]
    lows = [] if low is None else [low]
    highs = [] if high is None else [high]
    lows += [limit.low.value for limit in found if limit.low is not None and _alike(limit.low.value, first)]
    highs += [limit.high.value for limit in found if limit.high is not None and _alike(limit.high.value, first)]
    return max(lows, default=None), min(highs, default=None)


def _alike(bound: Value, value: Value) -> bool:
    return dimension(bound) == dimension(value)


def _slots(case: Case) -> tuple[dict[str, int], dict[str, int]]:
    """What a run holds and what it would rather hold: its tools' needs, and name by name what the spec says instead."""
    needs, prefers = case.counts.get("needs", {}), case.counts.get("prefer", {})
    served = [part for part in case.parts if part.kind == "serve"]
    steps = [part for part in case.parts if part.kind == "run"]
    found: dict[str, int] = {}
    for name in dict.fromkeys(name for part in (*served, *steps) for name in part.facts.needs):
        largest = max((part.facts.needs.get(name, 0) for part in steps), default=0)
        found[name] = sum(part.facts.needs.get(name, 0) for part in served) + largest
    held = {**found, **needs}
    return (
        {name: count for name, count in held.items() if count and (name in needs or name not in prefers)},
        {name: count for name, count in prefers.items() if count},
    )


# --- only -------------------------------------------------------------------------------------------------------


def _only(scope: Scope, axes: Iterable[Axis], tier: Block | None) -> tuple[Exclusion, ...]:
    """A tier's ``only`` where it is decided cell by cell, because the label has placeholders."""
    wanted = only_of(tier)
    holes = {part.name for part in scope.label if isinstance(part, Hole)}
    fixed = scope.text.partition("{")[0]
    if not wanted or not holes or any(fixed.startswith(f"{label}.") for label in wanted):
        return ()
    named = [(axis.names, axis_units(axis)) for axis in axes if not holes.isdisjoint(axis.names)]

    def left_out(values: Assignment, _: int) -> bool:
        texts: dict[str, str] = {}
        for names, units in named:
            texts.update(zip(names, point_texts(tuple(values[name] for name in names), units), strict=True))
        filled = "".join(part if isinstance(part, str) else texts.get(part.name, "") for part in scope.label)
        return not any(filled == label or filled.startswith(f"{label}.") for label in wanted)

    assert tier is not None
    clause = next(each for each in tier.body if isinstance(each, Words) and each.keyword == "only")
    names = frozenset(name for axis_names, _ in named for name in axis_names)
    return (Exclusion(names=names, uses_seed=False, test=left_out, span=clause.span),)


# --- the campaign as a whole ------------------------------------------------------------------------------------


def campaign_facts(checked: Checked, tier: str | None) -> Whole:
    """What the campaign and the tier say of the campaign as a whole: seed, parallel, slots, orphans, stop-on."""
    return understand_whole(checked.campaign, None if tier is None else checked.tiers[tier], lambda _: None)
