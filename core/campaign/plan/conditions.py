"""What is done to a run and asked about it, as its order says it: held conditions, faults, watches, oracles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.language.items import label_of, labels_of
from campaign.language.names import shown
from campaign.language.syntax import Expr
from campaign.plan.evaluation import Evaluation, as_json, refused
from campaign.plan.identity import drawn_instant, instant_purpose
from campaign.plan.program import Recipe
from campaign.plan.resources import overlap_of, resources_of, shared, shares_of
from campaign.plan.schedule import lay_out, waits
from campaign.plugins.printing import printing_aside
from campaign.records import FaultOrder, HoldOrder, OracleOrder, PatternOrder, WatchOrder, pattern_order
from campaign.records.order import repeated
from campaign.units import Quantity

#: How often a watch asks unless said; how often at most; how long a sample may take unless said, or a period if longer.
EVERY_S, LEAST_S, SILENCE_S = 0.1, 0.001, 1.0


def render_holds(recipes: Iterable[Recipe], run: Evaluation) -> tuple[HoldOrder, ...]:
    """The held conditions; raises CampaignError where two would change one thing."""
    holds = [(recipe, _hold(recipe, run)) for recipe in recipes]
    wrong = shared((recipe, hold.resources) for recipe, hold in holds)
    if wrong is not None:
        raise CampaignError([wrong])
    return tuple(hold for _, hold in holds)


def _hold(recipe: Recipe, run: Evaluation) -> HoldOrder:
    part, values = recipe.part, run.parameters(recipe)
    return HoldOrder(
        label=part.label,
        fault=part.facts.name,
        settings=as_json(values),
        target=_label(part.engine.get("target")),
        random=run.draw(f"hold.{part.label}"),
        resources=resources_of(recipe, values),
    )


def render_faults(
    recipes: Sequence[Recipe], schedule: Recipe | None, run: Evaluation, processes: Collection[str], seed: int
) -> tuple[FaultOrder, ...]:
    """The faults of a run, as they stand; where a schedule lays some out, all of them by their instants.

    ``processes`` are the labels of the run's: where there is one, it is the target unless said.
    """
    if schedule is None:
        return tuple(_fault(each, _instant(each, run), run, processes) for each in recipes)
    placed = [_fault(each, _instant(each, run), run, processes) for each in recipes if not waits(each)]
    for each in lay_out(schedule, [recipe for recipe in recipes if waits(recipe)], run, seed):
        fault = _fault(each.recipe, float(each.at.value), run, processes, each.index)
        placed.append(replace(fault, sequence=each.sequence))
    return tuple(sorted(placed, key=lambda fault: fault.at_s))


def _fault(
    recipe: Recipe, at_s: float, run: Evaluation, processes: Collection[str], index: int | None = None
) -> FaultOrder:
    part, values = recipe.part, run.parameters(recipe)
    return FaultOrder(
        label=part.label,
        fault=part.facts.name,
        at_s=at_s,
        settings=as_json(values),
        for_s=run.time(recipe, "for"),
        sla_s=run.time(recipe, "sla"),
        target=_label(part.engine.get("target")) or (next(iter(processes)) if len(processes) == 1 else None),
        after=_label(part.engine.get("after")),
        random=run.draw(f"fault.{repeated(part.label, index)}"),
        resources=resources_of(recipe, values),
        index=index,
        restarts=bool(getattr(part.facts.provider, "restarts", False)),
        overlaps=overlap_of(recipe),
        shares=shares_of(recipe, values),
    )


def _instant(recipe: Recipe, run: Evaluation) -> float:
    """Seconds after the start; out of a range one of its whole milliseconds is drawn."""
    closures = recipe.engine.get("at", ())
    ends = [value.value for closure in closures if isinstance(value := run.computed(closure), Quantity)]
    if not ends:
        return 0.0
    if ends[0] < 0 or ends[-1] < ends[0]:
        summary = f"the fault {shown(recipe.part.label)} has no instant between {ends[0]}s and {ends[-1]}s"
        raise refused("CAMP112", summary, recipe.part.engine["at"].span)
    if len(ends) == 1:
        return float(ends[0])
    return float(drawn_instant(ends[0], ends[1], run.draw(instant_purpose(recipe.part.label))))


def render_watch(recipe: Recipe, run: Evaluation) -> WatchOrder:
    """One oracle that is asked again and again while the steps run."""
    part = recipe.part
    every_s, timeout_s, named = run.time(recipe, "every"), run.time(recipe, "timeout"), part.engine.get("faults")
    every_s = EVERY_S if every_s is None else every_s
    for name, seconds in (("every", every_s), ("timeout", timeout_s)):
        if seconds is not None and seconds < LEAST_S:
            summary = f"{name} of the watch {shown(part.label)} is {seconds:g} s; it takes 1ms or more"
            raise refused("CAMP112", summary, part.engine[name].span)
    return WatchOrder(
        label=part.label,
        oracle=part.facts.name,
        every_s=every_s,
        timeout_s=max(every_s, SILENCE_S) if timeout_s is None else timeout_s,
        settings=as_json(run.parameters(recipe)),
        faults=None if named is None else tuple(text for text, _ in labels_of(named) if text is not None),
        required=run.flag(recipe, "required", True),
        advisory=run.flag(recipe, "advisory", False),
        searches=tuple(each.id for each in looked_for(recipe, run)),
    )


def render_oracle(recipe: Recipe, run: Evaluation) -> OracleOrder:
    """One oracle that is asked when the steps have ended."""
    return OracleOrder(
        label=recipe.part.label,
        oracle=recipe.part.facts.name,
        settings=as_json(run.parameters(recipe)),
        required=run.flag(recipe, "required", True),
        advisory=run.flag(recipe, "advisory", False),
        timeout_s=run.time(recipe, "timeout"),
    )


def looked_for(recipe: Recipe, run: Evaluation) -> tuple[PatternOrder, ...]:
    """What an oracle looks for in the output, as far as it is known before the run; its plugin's mistakes name it."""
    try:
        with printing_aside():
            found = recipe.part.facts.provider.looks_for(run.parameters(recipe))
        unfit = [each for each in found if each != pattern_order(each.kind, each.text, each.among)]
    except (Exception, SystemExit) as error:  # a stranger's code: it must not take the plan down
        raise _broken(recipe, f"raises in looks_for(): {type(error).__name__}: {error}") from error
    if unfit:
        raise _broken(recipe, "answers looks_for() with something else than patterns")
    return tuple(each for each in found if "\0" not in each.text + each.among)


def _broken(recipe: Recipe, what: str) -> CampaignError:
    summary, place = f"the oracle {recipe.part.facts.name} {what}", recipe.part.placed.provider.span
    return CampaignError([Diagnostic("CAMP181", summary, place, status=ExitStatus.SETUP)])


def _label(expr: Expr | None) -> str | None:
    return None if expr is None else label_of(expr)
