"""A plan: what a spec and the options of a command line come to, expanded only as far as someone walks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from campaign.diagnostics import Diagnostic, Span, failed
from campaign.language.parser import parse_expression
from campaign.language.providers import ProviderLookup
from campaign.language.resolve import Checked, Reader, check
from campaign.language.syntax import Expr
from campaign.plan.compile import Whole, campaign_facts, compile_scenarios
from campaign.plan.counts import count
from campaign.plan.distinct import check_names
from campaign.plan.duties import missing_oracles, skip
from campaign.plan.identity import run_key, split_key
from campaign.plan.idle import idle_in
from campaign.plan.limits import check_limits
from campaign.plan.lookup import may_hold, named_choice
from campaign.plan.matrix import Cell, Run, cell_of, cells, chosen, run_of, runs
from campaign.plan.resources import check_holds
from campaign.plan.ruled import Host, bind_rules
from campaign.plan.scenario import Exclusion, Scenario
from campaign.plan.schedule import check_layouts
from campaign.plan.selection import LeftOut, Providers, Selected, parse_filter, select
from campaign.plan.slas import unwatched
from campaign.plan.snapshot import Blobs, Snapshot, chosen_rules, reader
from campaign.plan.space import Space
from campaign.records.plan import PlanCounts, PlanOptions
from campaign.rules.files import Bound
from campaign.rules.structs import RuleBook

#: What the command line said: ``--tier --group --filter --seeds --campaign-seed --set --limit``.
Options: TypeAlias = PlanOptions


#: What is said of a word behind ``--set name=`` that is no value of the language, or a name that nothing bears.
_NO_VALUE = frozenset(("CAMP004", "CAMP014", "CAMP019", "CAMP100"))


class Reason(Struct, frozen=True):
    """Why a run is not in a plan: a sentence, and the place that keeps it out where a spec has one.

    ``known`` is false where not even a cell of that name exists.
    """

    summary: str
    span: Span | None = None
    known: bool = True


class Plan(Struct, frozen=True, kw_only=True):
    """The runs of a campaign, lazily, in order: instances as they stand, cells in matrix order, seeds innermost.

    ``whole`` is what holds for the campaign as a whole; ``checked`` is the spec that it was made from, with its files,
    ``rules`` the rule sets that bind it.
    """

    name: str
    seed: int
    selected: tuple[Selected, ...]
    left_out: tuple[LeftOut, ...] = ()
    options: Options = Options()
    whole: Whole | None = None
    checked: Checked | None = None
    rules: Bound | None = None

    @property
    def files(self) -> dict[str, bytes]:
        """Every file that the plan was made from, rule sets too, by path."""
        of_spec = self.checked.files if self.checked is not None else {}
        return {**of_spec, **(self.rules.files if self.rules is not None else {})}

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """The scenarios of which something is meant."""
        return tuple(each.scenario for each in self.selected)

    def runs_of(self, selected: Selected) -> Iterator[Run]:
        """The runs of one of ``selected``, whatever the limit."""
        return runs(selected.scenario, self.name, self.seed, selected.leaves_out)

    def runs(self) -> Iterator[Run]:
        """Every run, in order; constant memory."""
        every = (self.runs_of(each) for each in self.selected)
        return islice(chain.from_iterable(every), self.options.limit)

    def cells(self) -> Iterator[Cell]:
        """Every cell, in order, ``--limit`` aside."""
        every = (cells(each.scenario, self.seed, each.leaves_out) for each in self.selected)
        return chain.from_iterable(every)

    def count(self) -> PlanCounts:
        """How much there is, exactly; raises CampaignError where that cannot be counted."""
        return count(self.selected, self.seed, self.options.limit)

    def find(self, key: str) -> Run | None:
        """The run of this key; None where the plan does not hold it (``why_not`` tells why)."""
        run, reason = self._looked_up(key)
        return run if reason is None else None

    def chain_of(self, run: Run) -> tuple[Run, ...]:
        """The runs that are carried out as one: those of its cell where they are chained, else it alone."""
        if not run.scenario.program.chained:
            return (run,)
        found = (self.find(run_key(run.cell.name, seed)) for seed in run.scenario.seeds)
        return tuple(each for each in found if each is not None)

    def why_not(self, key: str) -> Reason | None:
        """Why the plan does not hold this run; None where it does."""
        return self._looked_up(key)[1]

    def _looked_up(self, key: str) -> tuple[Run | None, Reason | None]:
        try:
            cell, seed = split_key(key)
        except ValueError as error:
            return None, Reason(str(error), known=False)
        for each in self.selected:
            if not may_hold(each.scenario, cell):
                continue
            space = Space(each.scenario, each.leaves_out)
            choice = named_choice(space, cell)
            if choice is not None:
                run = run_of(cell_of(space, choice), seed, self.name, self.seed)
                return run, self._kept_out(space, choice, run)
        for left_out in self.left_out:
            scenario = left_out.scenario
            if may_hold(scenario, cell) and named_choice(Space(scenario), cell) is not None:
                return None, Reason(f"{left_out.scenario.label_text} is left out by {left_out.by}")
        return None, Reason(f"no instance has a cell called {cell}", known=False)

    def _kept_out(self, space: Space, choice: tuple[int, ...], run: Run) -> Reason | None:
        """Why the plan does not hold this choice with this seed, in the order in which a plan is made."""
        for constraint in space.constraints:
            if constraint.forbids(choice):
                return Reason("this cell is excluded", constraint.exclusion.span)
        how, size = space.scenario.combination.how, space.scenario.combination.count
        choices = chosen(space, self.seed)
        if choices is not None and choice not in choices:
            return Reason(f"combine {how} {size} did not choose this cell", space.scenario.span)
        for constraint in space.narrowing:
            if constraint.forbids(choice):
                return _left_out(constraint.exclusion)
        if run.seed not in space.scenario.seeds:
            return Reason(f"{run.seed} is none of the seeds of {space.scenario.label_text}", space.scenario.span)
        place = (*choice, space.scenario.seeds.index(run.seed))
        for constraint in space.seeded:
            if constraint.forbids(place):
                return Reason("this run is excluded", constraint.exclusion.span)
        if self.options.limit is not None and all(each.key != run.key for each in self.runs()):
            return Reason(f"this run is left out by --limit {self.options.limit}")
        return None


def _left_out(exclusion: Exclusion) -> Reason:
    """By a rule set, which has a place, or by an option."""
    if exclusion.why is not None:
        return Reason(f"this cell is left out by {exclusion.why}", exclusion.span)
    return Reason(f"this cell is left out by {exclusion.span.file}")


def make_plan(
    path: str, read: Reader, options: Options, registry: Callable[[], ProviderLookup], host: Host | None = None
) -> tuple[Plan | None, list[Diagnostic]]:
    """Read, check and compile a spec, and select; everything that is wrong at once, None where nothing can be planned.

    ``read`` is the disk or a snapshot, ``registry`` makes a registry to find providers with; ``host`` is what rule
    sets are matched with, without it they are not.
    """
    providers = registry()
    checked, found = check(path, read, providers)
    if checked is None or failed(found):
        return None, found
    if checked.campaign is None:
        return None, [*found, _no_campaign(checked.path)]
    rules, wrong = bind_rules(checked, read, providers, host or Host())
    if failed(wrong):
        return None, [*found, *wrong]
    plan, more = plan_checked(checked, options, providers, rules)
    if plan is not None and not failed(more):
        place = host.place if host is not None else None
        more = [*more, *check_holds(plan.selected, plan.name, plan.seed, place)]
        more = [*more, *check_layouts(plan.selected, plan.name, plan.seed)]
        if rules is not None:
            every = (*plan.scenarios, *(each.scenario for each in plan.left_out))
            more = [*more, *idle_in(checked, every, rules.book, providers)]
    return (None if failed(more) else plan), [*found, *wrong, *more]


def plan_checked(
    checked: Checked, options: Options, providers: ProviderLookup, rules: Bound | None = None
) -> tuple[Plan | None, list[Diagnostic]]:
    """The plan of a spec that was checked and found sound, every value held against the limits of ``rules``."""
    overrides, found = parse_sets(options.sets)
    book = rules.book if rules is not None else RuleBook()
    scenarios, wrong = compile_scenarios(checked, options.tier, overrides, providers, book.limits)
    found += hinted(wrong, options.sets)
    if failed(found):
        return None, found
    whole = campaign_facts(checked, options.tier)
    plan, wrong = plan_of(checked.name, whole.seed, scenarios, options, providers_of)
    selected, skipped = skip(plan.selected, book)
    plan = replace(
        plan,
        whole=whole,
        checked=checked,
        rules=rules,
        selected=tuple(selected),
        left_out=(*plan.left_out, *skipped),
    )
    found += [*check_names(scenarios), *wrong, *missing_oracles(plan.scenarios, book), *unwatched(plan.scenarios, book)]
    return plan, [*found, *check_limits(selected, plan.name, plan.seed, book)]


def from_snapshot(
    snapshot: Snapshot, blobs: Blobs, registry: Callable[[], ProviderLookup]
) -> tuple[Plan | None, list[Diagnostic]]:
    """The plan that a snapshot was taken of, from its stored files and options alone.

    Whether the plugins are still the same is for the caller to ask (``snapshot.changed_plugins``).
    """
    host = Host(chosen=chosen_rules(snapshot))
    return make_plan(snapshot.spec, reader(snapshot, blobs), snapshot.options, registry, host)


def elsewhere(plan: Plan, key: str, providers: ProviderLookup) -> str | None:
    """The tier in whose plan a run is that this plan lacks, as an option to give; None where there is none."""
    if plan.checked is None:
        return None
    for tier in (None, *plan.checked.tiers):
        if tier == plan.options.tier:
            continue
        other, _ = plan_checked(plan.checked, Options(tier=tier, sets=plan.options.sets), providers, plan.rules)
        if other is not None and other.find(key) is not None:
            return f"--tier {tier}" if tier else "no --tier"
    return None


def parse_sets(sets: Iterable[str]) -> tuple[dict[str, Expr], list[Diagnostic]]:
    """``--set name=value``: an expression by name, the last one wins."""
    overrides: dict[str, Expr] = {}
    found: list[Diagnostic] = []
    for text in sets:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            found.append(Diagnostic("CAMP213", f"--set {text}: this is not name=value"))
            continue
        parsed, wrong = parse_expression(value, f"--set {text}", 1, len(name) + 2)
        found += hinted(wrong, [text])
        if parsed is not None:
            overrides[name.strip()] = parsed
    return overrides, found


def hinted(found: Sequence[Diagnostic], sets: Iterable[str]) -> list[Diagnostic]:
    """The same, with how a text is written where what was meant by ``--set`` may be one: a path, a file's name."""
    written = {f"--set {text}": text for text in sets if '"' not in text and "'" not in text}
    places = (written.get(each.span.file) if each.span is not None else None for each in found)
    return [
        replace(each, hint=_as_text(text)) if text is not None and _may_be_text(text, each.code) else each
        for each, text in zip(found, places, strict=True)
    ]


def _may_be_text(text: str, code: str) -> bool:
    """Whether what is wrong with ``name=/tmp/x`` is that it has no quotes; ``/tmp/`` reads as a pattern."""
    return code in _NO_VALUE or (code == "CAMP111" and text.partition("=")[2].startswith("/"))


def _as_text(text: str) -> str:
    name, _, value = text.partition("=")
    return f"a text stands in quotes, and these in quotes of the shell: --set '{name.strip()}=\"{value.strip()}\"'"


def providers_of(scenario: Scenario) -> Mapping[str, frozenset[str]]:
    """The tools, oracles and faults that a scenario names, by kind."""
    return scenario.program.providers


def _no_campaign(path: str) -> Diagnostic:
    hint = 'write `campaign "name" { }` into the spec that runs; what others include has none'
    return Diagnostic("CAMP212", f"{path} has no campaign, so there is nothing to plan", hint=hint)


def plan_of(
    name: str, seed: int, scenarios: Sequence[Scenario], options: Options, providers: Providers
) -> tuple[Plan, list[Diagnostic]]:
    """What the options leave of these scenarios; what is wrong with the options as diagnostics.

    The tier and ``--set`` are in the scenarios already.
    """
    axes = {axis_name for scenario in scenarios for axis in scenario.axes for axis_name in axis.names}
    clauses, found = parse_filter(options.filter, axes) if options.filter is not None else ((), [])
    if options.seeds is not None:
        scenarios = [replace(scenario, seeds=options.seeds) for scenario in scenarios]
    selected, left_out = select(scenarios, options.group, clauses, providers)
    if options.group is not None and not any(_in(options.group, each) for each in scenarios):
        found.append(_no_group(options.group, scenarios))
    plan = Plan(
        name=name,
        seed=seed if options.campaign_seed is None else options.campaign_seed,
        selected=tuple(selected),
        left_out=tuple(left_out),
        options=options,
    )
    return plan, found


def _in(group: str, scenario: Scenario) -> bool:
    """Whether the group option alone leaves something of a scenario."""
    return bool(select([scenario], group, (), providers_of)[0])


def _no_group(prefix: str, scenarios: Sequence[Scenario]) -> Diagnostic:
    labels = ", ".join(dict.fromkeys(scenario.label_text.split(".")[0] for scenario in scenarios))
    hint = f"the labels start with {labels}; whole segments count" if labels else None
    return Diagnostic("CAMP211", f"--group {prefix}: no instance is in such a group", hint=hint)
