"""What a schedule makes of a run's faults that have no instant: which of them come when, and how often.

The strategy is a plugin's; what it answers is checked here, at the border, and numbered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.language.items import labels_of
from campaign.language.names import shown
from campaign.plan.evaluation import Evaluation, as_json, refused
from campaign.plan.identity import draw
from campaign.plan.matrix import runs
from campaign.plan.program import Recipe, as_written
from campaign.plan.selection import Selected
from campaign.plugins.layout import Placement, Spread, UnableError, Unplaced
from campaign.plugins.printing import printing_aside
from campaign.records.order import ScheduleOrder, repeated
from campaign.units import Dimension, Quantity, parse_quantity

#: Injections that one run may have.
MOST = 10_000


class LaidOut(Struct, frozen=True):
    """One injection: ``sequence`` by instants from 1, ``index`` from 1 where its label comes more than once."""

    recipe: Recipe
    at: Quantity
    sequence: int
    index: int | None

    @property
    def name(self) -> str:
        """As the language writes it: ``crash[2]``."""
        return repeated(self.recipe.part.label, self.index)


def waits(recipe: Recipe) -> bool:
    """Whether a fault has no instant of its own, so that a schedule lays it out."""
    return recipe.part.kind == "fault" and "at" not in recipe.part.engine


def span_of(schedule: Recipe, run: Evaluation) -> Quantity:
    """The span over which faults are laid out; raises CampaignError for one of less than nothing."""
    closures = schedule.engine.get("over")
    default = getattr(schedule.part.facts.provider, "over", None)
    value = run.computed(closures[0]) if closures else parse_quantity(default or "0s")
    if not isinstance(value, Quantity) or value.value <= 0:
        raise refused("CAMP112", f"over is {value}, which leaves no time for a fault", schedule.part.placed.span)
    return value


def schedule_order(schedule: Recipe, run: Evaluation) -> ScheduleOrder:
    """The strategy as an order names it."""
    return ScheduleOrder(
        strategy=schedule.part.facts.name,
        over_s=float(span_of(schedule, run).value),
        settings=as_json(run.parameters(schedule)),
    )


def lay_out(schedule: Recipe, recipes: Sequence[Recipe], run: Evaluation, seed: int) -> tuple[LaidOut, ...]:
    """The injections of a run in order of their instants, those of one instant as the strategy named them.

    Where the clause says ``faults = [crash, "hang[2]"]`` the others are left out, after everything has been numbered.
    Raises CampaignError where the strategy does not answer as it should.
    """
    if not recipes:
        return ()
    answer = _asked(schedule, recipes, run, seed)
    ordered = sorted(answer, key=lambda each: each.at.value)
    counts = Counter(each.fault for each in ordered)
    seen: Counter[int] = Counter()
    found: list[LaidOut] = []
    for sequence, each in enumerate(ordered, start=1):
        seen[each.fault] += 1
        index = seen[each.fault] if counts[each.fault] > 1 else None
        found.append(LaidOut(recipes[each.fault], each.at, sequence, index))
    return tuple(_kept(schedule, found))


def check_layouts(selected: Iterable[Selected], name: str, seed: int) -> Iterator[Diagnostic]:
    """What is wrong with the schedules, as far as the first run of each instance tells."""
    for each in selected:
        program = each.scenario.program
        run = next(runs(each.scenario, name, seed, each.leaves_out), None) if program.schedule is not None else None
        if run is None or program.schedule is None:
            continue
        waiting = [recipe for recipe in program.recipes if waits(recipe) and recipe.applies(run.values)]
        try:
            environment = program.environment(run.values, run.seed, program.builtins)
            evaluation = Evaluation(environment, as_written, partial(draw, seed, run.key))
            lay_out(program.schedule, waiting, evaluation, run.seed)
        except CampaignError as error:
            yield from error.diagnostics


def _kept(schedule: Recipe, found: Iterable[LaidOut]) -> Iterable[LaidOut]:
    expr = schedule.part.engine.get("faults")
    if expr is None:
        return found
    wanted = {text for text, _ in labels_of(expr)}
    return (each for each in found if each.name in wanted or each.recipe.part.label in wanted)


def _asked(schedule: Recipe, recipes: Sequence[Recipe], run: Evaluation, seed: int) -> Sequence[Placement]:
    strategy = schedule.part.facts.provider
    spread = Spread(
        faults=tuple(_unplaced(each, run) for each in recipes),
        over=span_of(schedule, run),
        random=run.draw("schedule"),
        seed=seed,
        settings=run.parameters(schedule),
    )
    try:
        with printing_aside():
            answer = list(strategy.lay_out(spread))
    except UnableError as error:
        summary = f"{shown(schedule.part.facts.name)} cannot lay these faults out: {error}"
        raise refused("CAMP112", summary, schedule.part.placed.span) from None
    except (Exception, SystemExit) as error:  # a stranger's code: it must not take the plan down
        raise _broken(schedule, f"raises in lay_out(): {type(error).__name__}: {error}") from error
    if not all(_is_placement(each, len(recipes)) for each in answer):
        raise _broken(schedule, "answers lay_out() with something else than faults and their instants")
    if len(answer) > MOST:
        raise refused("CAMP112", f"{len(answer):,} faults in one run, at most {MOST:,}", schedule.part.placed.span)
    return answer


def _unplaced(recipe: Recipe, run: Evaluation) -> Unplaced:
    closures = recipe.engine.get("for")
    duration = run.computed(closures[0]) if closures else None
    return Unplaced(
        label=recipe.part.label,
        fault=recipe.part.facts.name,
        duration=duration if isinstance(duration, Quantity) else None,
        settings=run.parameters(recipe),
    )


def _is_placement(answer: object, count: int) -> bool:
    if not isinstance(answer, Placement) or not isinstance(answer.fault, int) or not isinstance(answer.at, Quantity):
        return False
    return 0 <= answer.fault < count and answer.at.dimension is Dimension.DURATION and answer.at.value >= 0


def _broken(schedule: Recipe, what: str) -> CampaignError:
    part = schedule.part
    summary = f"the strategy {shown(part.facts.name)} {what}"
    return CampaignError([Diagnostic("CAMP181", summary, part.placed.provider.span, status=ExitStatus.SETUP)])
