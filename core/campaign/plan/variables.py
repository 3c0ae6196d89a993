"""The environment variables that texts of a spec ask for, held against those that were captured; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from campaign.diagnostics import Diagnostic, ExitStatus, Span
from campaign.language.expressions import references
from campaign.language.names import shown
from campaign.language.syntax import Hole
from campaign.language.tools import holes
from campaign.plan.program import Program


def undefined_variable(name: str, span: Span | None) -> Diagnostic:
    """A variable that a spec asks for is not set where the campaign was submitted."""
    summary = f"the environment variable {shown(name)} is not set"
    return Diagnostic("CAMP180", summary, span, f"export {shown(name)}=… and try again", status=ExitStatus.SETUP)


def environment_problems(programs: Iterable[Program], env: Mapping[str, str]) -> list[Diagnostic]:
    """Every variable that a scenario asks for as ``{env.NAME}`` and that is not set; asked before anything runs."""
    found: dict[str, Diagnostic] = {}
    for program in programs:
        for name in program.builtins:
            variable = name.removeprefix("@env.")
            if variable != name and variable not in env and variable not in found:
                found[variable] = undefined_variable(variable, _place(program, f"env.{variable}"))
    return [found[name] for name in sorted(found)]


def unset_variables(programs: Iterable[Program], env: Mapping[str, str]) -> set[str]:
    """The variables that ``environment_problems`` tells of."""
    asked = (name for program in programs for name in program.builtins if name.startswith("@env."))
    return {name.removeprefix("@env.") for name in asked} - set(env)


def _place(program: Program, name: str) -> Span | None:
    """Where a text of a program names ``name``."""
    case = program.case
    written = [each for part in case.parts if part.facts.declared is not None for each in holes(part.facts.declared)]
    exprs = [binding.expr for part in case.parts for binding in part.bindings.values() if binding.expr is not None]
    settings = (node.definition.setting for node in case.values.nodes.values() if node.definition is not None)
    exprs += [setting.value for setting in settings if setting is not None]
    named = (*written, *(each for expr in exprs for each in references(expr) if isinstance(each, Hole)))
    return next((each.span for each in named if each.name == name), None)
