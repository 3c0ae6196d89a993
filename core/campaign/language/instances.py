"""One instance in one tier, understood: every name resolved, every type checked, ready to be planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Related, Span
from campaign.language.axes import MAXIMUM_POINTS, AxisError, Point, Tied, pinned, steps
from campaign.language.expressions import EvaluationError, references
from campaign.language.items import ENGINE_SETTINGS, Part, resolve_item
from campaign.language.names import meant, shown
from campaign.language.observed import Observations
from campaign.language.providers import KINDS, Facts, Providers
from campaign.language.scopes import AxisDraft, Condition, Merged, Placed
from campaign.language.syntax import (
    Clause,
    Combine,
    Exclude,
    Expect,
    Expr,
    Hole,
    ListOf,
    Name,
    Options,
    Plain,
    Range,
)
from campaign.language.together import check_together
from campaign.language.typecheck import ANY, BOOL, DURATION, INT, STRING, Type, Typer
from campaign.language.values import BUILTIN, SEED, Values
from campaign.plugins.names import canonical

Report = Callable[[Diagnostic], None]
#: Seeds are 64-bit integers without a sign everywhere.
MAXIMUM_SEED = (1 << 64) - 1

#: The largest whole number that is no seed.
LARGEST = (1 << 63) - 1


class Expectation(Struct, frozen=True):
    """An ``expect``, and the axis values without which it does not apply: of each group one has to be there."""

    expect: Expect
    conditions: tuple[tuple[Condition, ...], ...]


class Drop(Struct, frozen=True):
    """An ``exclude`` that applies here, and what it depends on."""

    exclude: Exclude
    varies: frozenset[str]


class Case(Struct, kw_only=True):
    """What is known of one instance in one tier; ``durations`` are those of its own clauses that have a value."""

    merged: Merged
    values: Values
    parts: tuple[Part, ...]
    schedule: Part | None
    expectations: tuple[Expectation, ...]
    drops: tuple[Drop, ...]
    seeds: Sequence[int]
    numbers: dict[str, int]
    counts: dict[str, dict[str, int]]
    about: str | None
    durations: Mapping[str, Expr]
    sound: bool

    def axis_of(self, name: str) -> AxisDraft | None:
        """The axis that bears this name."""
        key = canonical(name)
        return next((draft for draft in self.merged.axes if key in draft.keys), None)


def understand(merged: Merged, providers: Providers, report: Report) -> Case:
    """Resolve and check everything in ``merged``; what is wrong is reported, the rest is understood all the same."""
    return _Understanding(merged, providers, report).case()


class _Understanding:
    def __init__(self, merged: Merged, providers: Providers, report: Report) -> None:
        self.merged = merged
        self.providers = providers
        found = [(item, self._facts(item, report)) for item in merged.items]
        self.items = [(item, facts) for item, facts in found if facts is not None]
        self.lost = len(found) != len(self.items) or not merged.whole
        named = {facts.name: facts for _, facts in reversed(self.items)}
        served = {item.label: facts for item, facts in self.items if item.kind == "serve"}
        self.values = Values(
            merged, named, served, report, self.lost or any(not each.complete for each in named.values())
        )
        self.report = self.values.report

    def _facts(self, item: Placed, report: Report) -> Facts | None:
        return self.providers.facts(KINDS[item.kind], item.provider.text, item.provider.span, report)

    def case(self) -> Case:
        before = self.values.errors
        parts = tuple(resolve_item(item, facts, self.values) for item, facts in self.items)
        self._axes()
        self._label()
        drops = tuple(drop for drop in map(self._drop, self.merged.excludes) if drop is not None)
        schedule = self._schedule()
        case = Case(
            merged=self.merged,
            values=self.values,
            parts=parts,
            schedule=schedule,
            expectations=self._expectations(parts),
            drops=drops,
            seeds=self._seeds(),
            numbers=self._numbers(),
            counts=self._counts(),
            about=self._about(),
            durations=self._durations(),
            sound=True,
        )
        check_together(self.merged, parts, schedule, case.counts, self.lost, self.report)
        case.sound = before == self.values.errors and not self.lost
        return case

    # --- axes, labels, exclusions

    def _axes(self) -> None:
        for draft in self.merged.axes:
            sound = all(self.values.need_sweep(part) for part in draft.parts)
            for name in draft.names:
                key = self.values.refer(name, in_text=False)
                if key is not None:
                    self.values.need_key(key)
                    sound = sound and self.values.nodes[key].sound
                    self._pinned_label(name, draft, key)
            if sound:
                self._axis_lengths(draft)

    def _pinned_label(self, name: str, draft: AxisDraft, key: str) -> None:
        """A provider axis that ``--set`` or a tier pins takes one of its labels."""
        sweep = next(part for part in draft.parts if any(word.text == name for word in part.names))
        setting = self.values.nodes[key].definition
        if sweep.kind is None or canonical(name) not in self.values.pinned or key not in self.values.constants:
            return
        labels = [choice.label.text for choice in sweep.choices]
        value = self.values.constants[key]
        if value not in labels and setting is not None and setting.setting is not None:
            hint = f"its values are {', '.join(labels)}"
            self.report(Diagnostic("CAMP112", f"{shown(name)} has no such value", setting.setting.value.span, hint))

    def _axis_lengths(self, draft: AxisDraft) -> None:
        if len(draft.parts) < 2:
            return
        lengths = [(part, points) for part in draft.parts if (points := self.values.points(part)) is not None]
        for part, points in lengths[1:]:
            if len(points) != len(lengths[0][1]):
                first = lengths[0][0]
                related = (Related(first.span, f"{len(lengths[0][1])} values here"),)
                summary = f"combine zip ties axes of equal length; {shown(part.names[0].text)} has {len(points)} values"
                self.report(Diagnostic("CAMP151", summary, part.span, None, related))

    def _label(self) -> None:
        for part in self.merged.scope.label:
            if not isinstance(part, Hole):
                continue
            key = canonical(part.name)
            axis = next((draft for draft in self.merged.axes if key in draft.keys), None)
            names = [name for draft in self.merged.axes for name in draft.names]
            if axis is None and self.values.lost:
                continue
            if axis is None:
                summary = f"{shown(part.name)} is no axis of this instance, so it cannot stand in its label"
                hint = meant(part.name, names) or f"sweep {shown(part.name)} = [ … ]"
                self.report(Diagnostic("CAMP145", summary, part.span or self.merged.scope.instance.label.span, hint))
            elif part.unit is not None:
                summary = "a label has no units: a value is written in the unit of its axis's first literal"
                self.report(Diagnostic("CAMP145", summary, part.span))

    def _drop(self, placed: tuple[Exclude, bool]) -> Drop | None:
        exclude, inherited = placed
        condition = exclude.condition
        names = [name for name in references(condition) if isinstance(name, Name)]
        if inherited and any(self._of_no_axis_here(name) for name in names):
            return None
        self.values.need(condition, in_text=False)
        before = self.values.errors
        self.values.typer(in_text=False).expect(condition, BOOL, "exclude")
        if before != self.values.errors or not self.values.sound(condition):
            return None
        try:
            self.values.compile(condition)
        except EvaluationError as error:
            self.report(Diagnostic("CAMP113", error.message, error.span or condition.span))
            return None
        varies = self.values.varies(condition, in_text=False)
        late = sorted(name.removeprefix(BUILTIN) for name in varies if name.startswith(BUILTIN) and name != SEED)
        if late:
            summary = f"what is excluded is known before there is any run, so it cannot depend on {', '.join(late)}"
            self.report(Diagnostic("CAMP152", summary, condition.span))
            return None
        return Drop(exclude, varies)

    def _of_no_axis_here(self, name: Name) -> bool:
        """An inherited exclude that names an axis of other instances does not apply in this one."""
        return self.values.refer(name.text, in_text=False) is None and self.providers.is_axis(name.text)

    # --- expectations

    def _expectations(self, parts: tuple[Part, ...]) -> tuple[Expectation, ...]:
        observations = Observations(parts, self.values.lost, "schedule" in self.merged.once)
        return tuple(
            found for placed in self.merged.expects if (found := self._expectation(*placed, observations)) is not None
        )

    def _expectation(self, expect: Expect, inherited: bool, observations: Observations) -> Expectation | None:
        """An expectation understood; None where it was reported, or speaks of what no cell here has."""
        if inherited and self._of_no_provider_here(expect, observations):
            return None
        for reference in references(expect.condition):
            text = reference.name if isinstance(reference, Hole) else reference.text
            if not observations.is_observed(text):
                self._need_name(text, isinstance(reference, Hole))
        before = self.values.errors
        conditions: list[tuple[Condition, ...]] = []
        typer = Typer(lambda name: self._asked(name, observations, conditions), self.report)
        typer.expect(expect.condition, BOOL, "expect")
        if expect.why is not None:
            self._text(expect.why)
        return Expectation(expect, tuple(conditions)) if before == self.values.errors else None

    def _of_no_provider_here(self, expect: Expect, observations: Observations) -> bool:
        """An inherited expectation about a value of a provider axis that this instance's own axis lacks."""
        names = [each.text for each in references(expect.condition) if isinstance(each, Name)]
        lacking = [observations.missing_label(name) for name in names if observations.is_observed(name)]
        return any(label is not None and self.providers.is_choice(label) for label in lacking)

    def _need_name(self, text: str, in_text: bool) -> None:
        key = self.values.refer(text, in_text=in_text)
        if key is not None:
            self.values.need_key(key)

    def _asked(self, name: Name | Hole, observations: Observations, conditions: list[tuple[Condition, ...]]) -> Type:
        text = name.name if isinstance(name, Hole) else name.text
        if not observations.is_observed(text) or (isinstance(name, Hole) and text == "attempt"):
            return self.values.type_of(name, extra=("exit", "output", "elapsed", "metrics", "oracle"))
        if isinstance(name, Hole):
            self.report(Diagnostic("CAMP142", f"{shown(text)} is known only when the run has ended", name.span))
            return ANY
        answer = observations.ask(text)
        if answer.conditions:
            conditions.append(answer.conditions)
        if answer.wrong is not None:
            self.report(Diagnostic("CAMP100", answer.wrong, name.span, answer.hint))
        return answer.type

    def _text(self, expr: Expr) -> None:
        self.values.need(expr)
        self.values.typer().expect(expr, STRING, "this")

    # --- clauses of one value

    def _about(self) -> str | None:
        clause = self.merged.once.get("about")
        value = self.values.fixed(clause.value, STRING, "about") if isinstance(clause, Plain) else None
        return value if isinstance(value, str) else None

    def _seeds(self) -> Sequence[int]:
        clause = self.merged.once.get("seeds")
        if not isinstance(clause, Plain):
            return (0,)
        seeds = self._seed_range(clause.value) if isinstance(clause.value, Range) else self._seed_list(clause.value)
        return seeds or (0,)

    def _seed_range(self, expr: Range) -> Sequence[int] | None:
        if expr.last is None:
            self.report(Diagnostic("CAMP150", "the range of seeds has an end", expr.span, "write: seeds 1..3"))
            return None
        parts = [
            self.values.fixed(part, INT, "seeds") for part in (expr.first, expr.last, expr.step) if part is not None
        ]
        numbers = [part for part in parts if isinstance(part, int)]
        if len(numbers) != len(parts):
            return None
        first, last, step = numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else 1
        try:
            count = steps(first, last, step)
        except AxisError as error:
            self.report(Diagnostic("CAMP150", str(error), expr.span))
            return None
        seeds = range(first, first + count * step, step) if count < MAXIMUM_POINTS else range(0)
        return seeds if self._are_seeds((first, last), expr.span) else None

    def _seed_list(self, expr: Expr) -> Sequence[int] | None:
        value = self.values.fixed(expr, Type("list", INT), "seeds")
        if not isinstance(value, tuple):
            return None
        if not value:
            self.report(Diagnostic("CAMP150", "there is at least one seed", expr.span))
            return None
        seeds: dict[int, None] = {}
        for index, seed in enumerate(value):
            span = expr.items[index].span if isinstance(expr, ListOf) else expr.span
            if not isinstance(seed, int):
                self.report(Diagnostic("CAMP111", "an int takes only whole values", span))
            elif seed in seeds:
                self.report(Diagnostic("CAMP150", f"the seed {seed} stands twice", span))
            else:
                seeds[seed] = None
        return tuple(seeds) if self._are_seeds(tuple(seeds), expr.span) else None

    def _are_seeds(self, seeds: Sequence[int], span: Span | None) -> bool:
        fine = all(0 <= seed <= MAXIMUM_SEED for seed in seeds)
        if not fine:
            self.report(Diagnostic("CAMP112", f"a seed is a whole number from 0 to {MAXIMUM_SEED}", span))
        return fine

    def _numbers(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for keyword, least in (("priority", None),):
            clause = self.merged.once.get(keyword)
            if isinstance(clause, Plain) and (number := self._whole(clause.value, keyword, least)) is not None:
                found[keyword] = number
        combine = self.merged.once.get("combine")
        if isinstance(combine, Combine) and combine.how in ("cover", "sample"):
            if combine.count is None:
                hint = "write: combine cover 2, combine sample 200"
                self.report(Diagnostic("CAMP121", f"combine {combine.how} takes a number", combine.span, hint))
            elif (number := self._whole(combine.count, f"combine {combine.how}", 1)) is not None:
                found["combine"] = number
        elif isinstance(combine, Combine) and combine.count is not None:
            self.report(Diagnostic("CAMP121", f"combine {combine.how} takes no number", combine.count.span))
        return found

    def _whole(self, expr: Expr, what: str, least: int | None) -> int | None:
        value = self.values.fixed(expr, INT, what)
        if value is None:
            return None
        if not isinstance(value, int) or (least is not None and value < least) or abs(value) > LARGEST:
            wanted = "a whole number" if least is None else f"a whole number of {least} or more"
            self.report(Diagnostic("CAMP112", f"{what} takes {wanted}", expr.span))
            return None
        return value

    def _counts(self) -> dict[str, dict[str, int]]:
        counted: dict[str, dict[str, int]] = {}
        for keyword, named in self.merged.counts.items():
            numbers = {
                name: self._whole(setting.value, f"{keyword} {shown(name)}", 0) for name, setting in named.items()
            }
            counted[keyword] = {name: number for name, number in numbers.items() if number is not None}
        return counted

    def _durations(self) -> dict[str, Expr]:
        sound: dict[str, Expr] = {}
        for keyword in ("timeout", "cooldown"):
            clause, before = self.merged.once.get(keyword), self.values.errors
            if isinstance(clause, Plain):
                self.values.need(clause.value)
                self.values.typer().expect(clause.value, DURATION, keyword)
                if before == self.values.errors and self.values.sound(clause.value):
                    sound[keyword] = clause.value
        return sound

    def _schedule(self) -> Part | None:
        clause = self.merged.once.get("schedule")
        if not isinstance(clause, Options) or clause.strategy is None:
            return None
        facts = self.providers.facts("schedule", clause.strategy.text, clause.strategy.span, self.report)
        if facts is None:
            return None
        body: tuple[Clause, ...] = clause.body
        placed = Placed("fault", clause.strategy.text, clause.strategy, body, clause.span, 0)
        part = resolve_item(placed, facts, self.values, ENGINE_SETTINGS["schedule"])
        if "over" not in part.engine and getattr(facts.provider, "over", None) is None and facts.complete:
            summary = f"schedule {shown(clause.strategy.text)} needs over, which has no default"
            self.report(Diagnostic("CAMP144", summary, clause.strategy.span, "set it: over = 8h"))
        return part


def axis_points(case: Case, draft: AxisDraft) -> Sequence[Point]:
    """The points of an axis: ties applied, and names that a later setting fixed at their one value."""
    values = case.values
    pins = {
        place: values.constants[values.refer(name, in_text=False) or name]
        for place, name in enumerate(draft.names)
        if canonical(name) in values.pinned
    }
    columns = [(part, values.points(part) or ()) for part in draft.parts]
    points: Sequence[Point] = columns[0][1] if len(columns) == 1 else Tied([column for _, column in columns])
    return pinned(points, pins) if pins else points


def literal_units(case: Case, draft: AxisDraft) -> tuple[str | None, ...]:
    """The units of an axis's first literals, for names of cells: what a later setting fixed keeps the form."""
    first = [value for part in draft.parts for value in (case.values.points(part) or ((),))[0]]
    return tuple(None if isinstance(value, tuple) else getattr(value, "unit", "") for value in first)
