"""What the tools of a plan are on this machine: a plugin's distribution, a declared tool's program.

Nothing is executed for it: no program is asked for its version, its file is looked at.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

from campaign.language.providers import Declared, Facts
from campaign.plan.plan import Plan
from campaign.plan.program import Program
from campaign.plan.render import RenderContext, render
from campaign.plan.selection import Selected
from campaign.plugins.names import split_name
from campaign.readable import read_bounded
from campaign.records import PlanPlugin, PlanTool, ServiceOrder, StepOrder
from campaign.supervise.processes import StartError, find_program

#: Programs up to this size are told by their bytes too; to read more would keep the first run waiting.
_MOST_READ_BYTES = 4 << 20


def plan_tools(plan: Plan, plugins: Sequence[PlanPlugin], context: RenderContext) -> tuple[PlanTool, ...]:
    """The tools that the plan starts, in its order.

    A tool whose program a parameter names is there with the program of the first run of each scenario.
    """
    known = {each.plugin: each for each in plugins}
    found: dict[tuple[str, str | None], PlanTool] = {}
    for selected in plan.selected:
        open_names = set()
        for facts in _tools(selected.scenario.program):
            if facts.declared is None:
                plugin = known[split_name(facts.name)[0]]
                tool = PlanTool(tool=facts.name, distribution=plugin.distribution, version=plugin.version)
                found[facts.name, None] = tool
            elif (argv := _fixed(facts.declared, context)) is None:
                open_names.add(facts.name)
            elif (facts.name, argv[0]) not in found:
                found[facts.name, argv[0]] = _located(facts.name, argv, context.env)
        if open_names:
            found.update(((each.tool, each.path), each) for each in _of_first_run(plan, selected, open_names, context))
    return tuple(found.values())


def _tools(program: Program) -> Iterator[Facts]:
    return (recipe.part.facts for recipe in program.recipes if recipe.part.kind in ("run", "serve"))


def _fixed(declared: Declared, context: RenderContext) -> tuple[str, ...] | None:
    """The program's name or path where it is the same in every run."""
    word = declared.command.arguments[0].plain
    if not word or any(each.name.text == "PATH" for each in declared.env):
        return None
    folder = os.path.join(context.root, os.path.dirname(declared.command.span.file))
    return (os.path.normpath(os.path.join(folder, word)) if "/" in word else word,)


def _of_first_run(plan: Plan, selected: Selected, names: set[str], context: RenderContext) -> Iterator[PlanTool]:
    run = next(plan.runs_of(selected), None)
    if run is not None:
        order = render(run, 1, context)
        processes: tuple[ServiceOrder | StepOrder, ...] = (*order.services, *order.steps)
        for process in processes:
            if process.tool in names:
                yield _located(process.tool, process.argv, process.env)


def _located(tool: str, argv: Sequence[str], env: Mapping[str, str]) -> PlanTool:
    try:
        return program_of(tool, find_program(argv, env))
    except StartError:
        return PlanTool(tool=tool)


def program_of(tool: str, path: str) -> PlanTool:
    """A declared tool by the program at ``path``; by that alone where it is no file that can be looked at."""
    real = os.path.realpath(path)
    try:
        status = os.stat(real)
        data = _small(real) if stat.S_ISREG(status.st_mode) else None
    except (OSError, ValueError):
        return PlanTool(tool=tool, path=real)
    return PlanTool(
        tool=tool,
        path=real,
        size_bytes=status.st_size,
        modified_at=datetime.fromtimestamp(status.st_mtime, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        digest=None if data is None else blake2b(data, digest_size=16).hexdigest(),
    )


def _small(path: str) -> bytes | None:
    """The bytes of a file that is small and may be read."""
    try:
        data = read_bounded(path, _MOST_READ_BYTES + 1)
    except OSError:
        return None
    return data if len(data) <= _MOST_READ_BYTES else None
