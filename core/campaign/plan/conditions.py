"""What is done to a run and asked about it, as its order says it: held conditions, faults, oracles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.language.items import label_of
from campaign.language.names import shown
from campaign.language.syntax import Expr
from campaign.plan.evaluation import Evaluation, as_json, refused
from campaign.plan.identity import drawn_instant, instant_purpose
from campaign.plan.program import Recipe
from campaign.plugins.names import canonical
from campaign.plugins.printing import printing_aside
from campaign.records import FaultOrder, HoldOrder, OracleOrder
from campaign.units import Quantity, Value


def render_holds(recipes: Iterable[Recipe], run: Evaluation) -> tuple[HoldOrder, ...]:
    """The held conditions; raises CampaignError where two would change one thing."""
    holds, owners = [], dict[str, Recipe]()
    for recipe in recipes:
        holds.append(hold := _hold(recipe, run))
        for name in hold.resources:
            other = owners.setdefault(name if name.startswith("/") else canonical(name), recipe)
            if other is not recipe:
                summary = f"the holds {shown(other.part.label)} and {shown(hold.label)} both change {shown(name)}"
                raise refused("CAMP165", summary, recipe.part.placed.span)
    return tuple(holds)


def _hold(recipe: Recipe, run: Evaluation) -> HoldOrder:
    part, values = recipe.part, run.parameters(recipe)
    return HoldOrder(
        label=part.label,
        fault=part.facts.name,
        settings=as_json(values),
        target=_label(part.engine.get("target")),
        random=run.draw(f"hold.{part.label}"),
        resources=_resources(recipe, values),
    )


def render_fault(recipe: Recipe, run: Evaluation, processes: Collection[str]) -> FaultOrder:
    """One fault; ``processes`` are the labels of the run's: where there is one, it is the target unless said."""
    part, values = recipe.part, run.parameters(recipe)
    return FaultOrder(
        label=part.label,
        fault=part.facts.name,
        at_s=_instant(recipe, run),
        settings=as_json(values),
        for_s=run.time(recipe, "for"),
        sla_s=run.time(recipe, "sla"),
        target=_label(part.engine.get("target")) or (next(iter(processes)) if len(processes) == 1 else None),
        after=_label(part.engine.get("after")),
        random=run.draw(f"fault.{part.label}"),
        resources=_resources(recipe, values),
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


def _resources(recipe: Recipe, values: Mapping[str, Value]) -> tuple[str, ...]:
    """What a fault or hold changes; whatever its plugin does wrong names it."""
    try:
        with printing_aside():
            named = recipe.part.facts.provider.resources(values)
    except (Exception, SystemExit) as error:  # a stranger's code: it must not take the plan down
        raise _broken_fault(recipe, f"raises in resources(): {type(error).__name__}: {error}") from error
    if not isinstance(named, tuple) or not all(isinstance(name, str) and name for name in named):
        raise _broken_fault(recipe, "answers resources() with something else than names")
    return named


def _broken_fault(recipe: Recipe, what: str) -> CampaignError:
    part = recipe.part
    summary = f"the fault {part.facts.name} {what}"
    return CampaignError([Diagnostic("CAMP181", summary, part.placed.provider.span, status=ExitStatus.SETUP)])


def _label(expr: Expr | None) -> str | None:
    return None if expr is None else label_of(expr)
