"""Steps and served tools as argument vectors and environments, for one run."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.language.values import BUILTIN
from campaign.plan.manifest import TRACE_FOLDER, Choose
from campaign.plan.program import Environment, PathOf, Program, Recipe
from campaign.plugins.api import Command, Step, Tool
from campaign.plugins.names import canonical
from campaign.plugins.printing import printing_aside
from campaign.records import TraceOrder
from campaign.units import Value

_Command: TypeAlias = "tuple[tuple[str, ...], dict[str, str]]"


class Rendered(Struct, frozen=True):
    """One process of a run: ``argv`` and ``env`` may hold late values; ``values`` are its parameters.

    ``trace`` is where it writes its trace, if it does; ``chosen`` is what it is started to do.
    """

    recipe: Recipe
    index: int | None
    argv: tuple[str, ...]
    env: dict[str, str]
    values: dict[str, Value]
    trace: TraceOrder | None = None
    chosen: Choose = "run"


class Place(Struct, frozen=True):
    """What a tool is told of the run it is part of; ``draw`` gives a number for a purpose, from the run's key.

    ``served`` is where served tools work that outlive the run, None where they do not and work beside its steps.
    ``public`` is the attempt's folder, None where there is none yet; ``trace_bytes`` is what its traces may hold.
    ``replays`` are the traces to carry out again, absolute paths by the name of the step: ``load[2]``.
    """

    workdir: str
    seed: int
    instance: str
    cell: str
    attempt: int
    tier: str | None
    draw: Callable[[str], int]
    served: str | None = None
    public: str | None = None
    trace_bytes: int = 0
    replays: Mapping[str, str] = {}


def render_processes(
    program: Program, axes: Mapping[str, Value], environment: Environment, place: Place, path_of: PathOf
) -> list[Rendered]:
    """The served tools and steps of one run, in the order of the spec.

    Raises CampaignError where a value is refused or a tool of a plugin fails to answer.
    """
    wanted = program.word("trace", "off") == "on"
    outlives = place.served is not None
    serving = {**environment, f"{BUILTIN}workdir": place.served or place.workdir}
    processes = [
        _Process(recipe, number if recipe.part.repeats else None, {**given, **repeat}, seen, place, path_of)
        for recipe in program.recipes
        if recipe.part.kind in {"run", "serve"} and recipe.applies(axes)
        for seen in (serving if outlives and recipe.part.kind == "serve" else environment,)
        for given in (recipe.values(seen, path_of),)
        for number, repeat in enumerate(recipe.repeats, 1)
    ]
    traced = [each for each in processes if each.traces(wanted)]
    files = dict(zip(traced, distinct(each.trace_path() for each in traced), strict=True))
    share = place.trace_bytes // max(1, len(traced))
    return [each.traced(files[each], share, wanted) if each in files else each.plain() for each in processes]


def distinct(paths: Iterable[str]) -> list[str]:
    """Paths of files, each its own: ``ops.bin``, ``ops-2.bin``."""
    found: dict[str, None] = {}
    for path in paths:
        stem, ending = os.path.splitext(path)
        own = (path, *(f"{stem}-{number}{ending}" for number in range(2, len(found) + 2)))
        found[next(each for each in own if each not in found)] = None
    return list(found)


class _Process:
    """One process of a run, to be rendered."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it is, and where it is to run
        self,
        recipe: Recipe,
        index: int | None,
        values: dict[str, Value],
        environment: Environment,
        place: Place,
        path_of: PathOf,
    ) -> None:
        self._recipe, self._index, self._values = recipe, index, values
        self._environment, self._place, self._path_of = environment, place, path_of
        label = recipe.part.label
        self._name = label if index is None else f"{label}[{index}]"
        self._replayed = place.replays.get(self._name)

    @property
    def _outlives(self) -> bool:
        """Whether it is a served tool of a chain, which goes on from one run to the next."""
        return self._place.served is not None and self._recipe.part.kind == "serve"

    def traces(self, wanted: bool) -> bool:
        """Whether it writes a trace where one is ``wanted``; some always do, what replays one never does."""
        made = self._recipe.manifest
        always = made is not None and made.always
        if self._outlives:
            return False  # it belongs to no single run
        return (always or (wanted and self._recipe.part.facts.traces)) and self._replayed is None

    def trace_path(self) -> str:
        """Where its trace goes, relative to the attempt's folder."""
        made = self._recipe.manifest
        return f"{TRACE_FOLDER}/ops.bin" if made is None else made.trace_path(self._local(None))

    def plain(self) -> Rendered:
        """The process without a trace, or carrying one out again."""
        chosen: Choose = "run" if self._replayed is None else "replay"
        return self._rendered(chosen, self._command(chosen, self._replayed, 0), None)

    def traced(self, path: str, most_bytes: int, wanted: bool) -> Rendered:
        """The process as it writes its trace to ``path``; one that always does is not told to unless it is wanted."""
        file = "{trace}" if self._place.public is None else f"{self._place.public}/{path}"
        chosen: Choose = "trace" if wanted else "run"
        replay, _ = self._command("replay", file, 0) if self._replays else ((), {})
        order = TraceOrder(path=path, most_bytes=most_bytes, replay=replay)
        return self._rendered(chosen, self._command(chosen, file, most_bytes), order)

    @property
    def _replays(self) -> bool:
        made = self._recipe.manifest
        return made is None or bool(made.replay)

    def _rendered(self, chosen: Choose, command: _Command, trace: TraceOrder | None) -> Rendered:
        argv, env = command
        return Rendered(self._recipe, self._index, argv, env, self._values, trace, chosen)

    def _local(self, file: str | None) -> Environment:
        """What the texts of a declared tool look up."""
        local = {**self._environment, **{canonical(name): each for name, each in self._values.items()}}
        return local if file is None else {**local, f"{BUILTIN}trace": file}

    def _command(self, chosen: Choose, file: str | None, most_bytes: int) -> _Command:
        made = self._recipe.manifest
        if made is None:
            command = self._ask(chosen, file, most_bytes)
            return command.argv, dict(command.env)
        argv, env = made.command(self._local(file), chosen)
        if argv and "/" in argv[0]:
            argv = (self._path_of(argv[0], made.file), *argv[1:])
        return argv, env

    def _ask(self, chosen: Choose, file: str | None, most_bytes: int) -> Command:
        """Ask a plugin's tool for its command; whatever it does wrong names it."""
        part, place = self._recipe.part, self._place
        step = Step(
            label=self._name,
            settings=self._values,
            workdir=place.served if self._outlives and place.served else place.workdir,
            seed=place.seed,
            random=place.draw(f"step.{self._name}"),
            instance=place.instance,
            cell=place.cell,
            attempt=place.attempt,
            tier=place.tier,
            trace=file if chosen == "trace" else None,
            trace_bytes=most_bytes,
        )
        tool: Tool = part.facts.provider
        what = "replay" if chosen == "replay" else "command"
        try:
            with printing_aside():
                command = tool.command(step) if file is None or chosen != "replay" else tool.replay(step, file)
        except (Exception, SystemExit) as error:  # a stranger's code: it must not take the plan down
            raise _broken(self._recipe, f"raises in {what}(): {type(error).__name__}: {error}") from error
        texts = (value for value in self._values.values() if isinstance(value, str))
        late = frozenset(name for text in texts for name in text.split("\0")[1::2])
        if (
            not isinstance(command, Command)
            or not command.argv
            or not all(_is_text(word, late) for word in command.argv)
        ):
            raise _broken(self._recipe, f"answers {what}() with no argument vector")
        if not all(isinstance(name, str) and _is_text(value, late) for name, value in command.env.items()):
            raise _broken(self._recipe, f"answers {what}() with an environment that is not of strings")
        return command


def _is_text(word: object, late: frozenset[str]) -> bool:
    """Whether this can be an argument: a text whose only NULs mark late values that the settings held."""
    return isinstance(word, str) and word.count("\0") % 2 == 0 and late.issuperset(word.split("\0")[1::2])


def _broken(recipe: Recipe, what: str) -> CampaignError:
    part = recipe.part
    summary = f"the tool {part.facts.name} {what}"
    return CampaignError([Diagnostic("CAMP181", summary, part.placed.provider.span, status=ExitStatus.SETUP)])
