"""Steps and served tools as argument vectors and environments, for one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.plan.program import Environment, PathOf, Program, Recipe
from campaign.plugins.api import Command, Step
from campaign.plugins.names import canonical
from campaign.plugins.printing import printing_aside
from campaign.units import Value


class Rendered(Struct, frozen=True):
    """One process of a run: ``argv`` and ``env`` may hold late values; ``values`` are its parameters."""

    recipe: Recipe
    index: int | None
    argv: tuple[str, ...]
    env: dict[str, str]
    values: dict[str, Value]


class Place(Struct, frozen=True):
    """What a tool is told of the run it is part of; ``draw`` gives a number for a purpose, from the run's key."""

    workdir: str
    seed: int
    instance: str
    cell: str
    attempt: int
    tier: str | None
    draw: Callable[[str], int]


def render_processes(
    program: Program, axes: Mapping[str, Value], environment: Environment, place: Place, path_of: PathOf
) -> Iterator[Rendered]:
    """The served tools and steps of one run, in the order of the spec.

    Raises CampaignError where a value is refused or a tool of a plugin fails to answer.
    """
    for recipe in program.recipes:
        if recipe.part.kind in ("run", "serve") and recipe.applies(axes):
            given = recipe.values(environment, path_of)
            for number, repeat in enumerate(recipe.repeats, 1):
                index = number if recipe.part.repeats else None
                values = {**given, **repeat}
                argv, env = _command(recipe, index, values, environment, place)
                if recipe.manifest is not None and argv and "/" in argv[0]:
                    argv = (path_of(argv[0], recipe.manifest.file), *argv[1:])
                yield Rendered(recipe, index, argv, env, values)


def _command(
    recipe: Recipe, index: int | None, values: dict[str, Value], environment: Environment, place: Place
) -> tuple[tuple[str, ...], dict[str, str]]:
    if recipe.manifest is None:
        command = _ask(recipe, index, values, place)
        return command.argv, dict(command.env)
    return recipe.manifest.command({**environment, **{canonical(name): each for name, each in values.items()}})


def _ask(recipe: Recipe, index: int | None, values: dict[str, Value], place: Place) -> Command:
    """Ask a plugin's tool for its command; whatever it does wrong names it."""
    part = recipe.part
    label = part.label if index is None else f"{part.label}[{index}]"
    step = Step(
        label=label,
        settings=values,
        workdir=place.workdir,
        seed=place.seed,
        random=place.draw(f"step.{label}"),
        instance=place.instance,
        cell=place.cell,
        attempt=place.attempt,
        tier=place.tier,
    )
    try:
        with printing_aside():
            command = part.facts.provider.command(step)
    except (Exception, SystemExit) as error:  # a stranger's code: it must not take the plan down
        raise _broken(recipe, f"raises in command(): {type(error).__name__}: {error}") from error
    late = frozenset(name for value in values.values() if isinstance(value, str) for name in value.split("\0")[1::2])
    if not isinstance(command, Command) or not command.argv or not all(_is_text(word, late) for word in command.argv):
        raise _broken(recipe, "answers command() with no argument vector")
    if not all(isinstance(name, str) and _is_text(value, late) for name, value in command.env.items()):
        raise _broken(recipe, "answers command() with an environment that is not of strings")
    return command


def _is_text(word: object, late: frozenset[str]) -> bool:
    """Whether this can be an argument: a text whose only NULs mark late values that the settings held."""
    return isinstance(word, str) and word.count("\0") % 2 == 0 and late.issuperset(word.split("\0")[1::2])


def _broken(recipe: Recipe, what: str) -> CampaignError:
    part = recipe.part
    summary = f"the tool {part.facts.name} {what}"
    return CampaignError([Diagnostic("CAMP181", summary, part.placed.provider.span, status=ExitStatus.SETUP)])
