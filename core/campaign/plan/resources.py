"""What holds and faults say that they change, and whether two holds of one run change the same thing."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import get_args

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.language.expressions import EvaluationError
from campaign.language.names import shown
from campaign.plan.matrix import Run, runs
from campaign.plan.program import Recipe
from campaign.plan.selection import Selected
from campaign.plugins.names import canonical
from campaign.plugins.printing import printing_aside
from campaign.records.order import Overlap
from campaign.units import Value

#: Runs of an instance that are asked, where what its holds change depends on axes.
_MOST_ASKED = 100


def resources_of(recipe: Recipe, values: Mapping[str, Value]) -> tuple[str, ...]:
    """What a fault or hold changes: absolute paths, or names; whatever its plugin does wrong names it."""
    return _named(recipe, values, "resources")


def shares_of(recipe: Recipe, values: Mapping[str, Value]) -> tuple[str, ...]:
    """What a fault changes within the run, by name, for others of its model to overlap on."""
    return _named(recipe, values, "shares")


def overlap_of(recipe: Recipe) -> Overlap:
    """How a fault overlaps with others, as its model says."""
    overlap: Overlap = recipe.part.facts.provider.overlaps
    if overlap not in get_args(Overlap):
        raise _broken(recipe, f"overlaps in a way that is none of {', '.join(get_args(Overlap))}")
    return overlap


def _named(recipe: Recipe, values: Mapping[str, Value], method: str) -> tuple[str, ...]:
    try:
        with printing_aside():
            named = getattr(recipe.part.facts.provider, method)(values)
    except (Exception, SystemExit) as error:  # a stranger's code: it must not take the plan down
        raise _broken(recipe, f"raises in {method}(): {type(error).__name__}: {error}") from error
    if not isinstance(named, tuple) or not all(isinstance(name, str) and name for name in named):
        raise _broken(recipe, f"answers {method}() with something else than names")
    return named


def _broken(recipe: Recipe, what: str) -> CampaignError:
    part = recipe.part
    summary = f"the fault {part.facts.name} {what}"
    return CampaignError([Diagnostic("CAMP181", summary, part.placed.provider.span, status=ExitStatus.SETUP)])


def shared(held: Iterable[tuple[Recipe, Iterable[str]]]) -> Diagnostic | None:
    """What is wrong where two holds of a run change one thing, given what each of them changes."""
    owners = dict[str, Recipe]()
    for recipe, names in held:
        for name in names:
            other = owners.setdefault(name if name.startswith("/") else canonical(name), recipe)
            if other is not recipe:
                labels = f"{shown(other.part.label)} and {shown(recipe.part.label)}"
                summary = f"the holds {labels} both change {shown(name)}"
                return Diagnostic("CAMP165", summary, recipe.part.placed.span)
    return None


def check_holds(
    selected: Iterable[Selected], name: str, seed: int, place: Callable[[str], str] | None
) -> Iterator[Diagnostic]:
    """Instances in which two holds change one thing, as far as their first runs tell it before anything runs.

    ``place`` says where a path really is, links resolved; without it the disk is not asked.
    """
    real = place or (lambda path: os.path.normpath(os.path.join("/", path)))
    for each in selected:
        holds = [recipe for recipe in each.scenario.program.recipes if recipe.part.kind == "hold"]
        if len(holds) > 1:
            few = islice(runs(each.scenario, name, seed, each.leaves_out), _MOST_ASKED if _vary(holds) else 1)
            wrong = next(filter(None, (shared(_held(holds, run, real)) for run in few)), None)
            if wrong is not None:
                yield wrong


def _vary(holds: Iterable[Recipe]) -> bool:
    """Whether what they change may be another thing in another run."""
    return any(
        recipe.part.placed.condition is not None or any(each.binding.varies for each in recipe.given)
        for recipe in holds
    )


def _held(holds: Iterable[Recipe], run: Run, real: Callable[[str], str]) -> Iterator[tuple[Recipe, Iterable[str]]]:
    program = run.scenario.program

    def placed(text: str, file: str | None) -> str:
        return real(os.path.join(os.path.dirname(file or ""), text))

    for recipe in holds:
        if recipe.applies(run.values):
            try:
                values = recipe.values(program.environment(run.values, run.seed, program.builtins), placed)
                names = resources_of(recipe, values)
            except (CampaignError, EvaluationError):
                continue  # told where it is rendered
            yield recipe, [real(name) if name.startswith("/") else name for name in names]
