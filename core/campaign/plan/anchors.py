"""Relative paths of a run whose spec is written anew elsewhere: which parameters take one, and from where it counts.

A path that stands as plain text is written absolute.  One that is put together from names (``"data/{n}.txt"``), or
that is the value of an axis, keeps its form, because names of cells and keys come from it: the folder is put before it
where the parameter takes it.
"""

from __future__ import annotations

import os.path

from msgspec import Struct

from campaign.language.items import Binding
from campaign.language.syntax import Expr, Name, Text
from campaign.language.typecheck import PATH
from campaign.language.values import BUILTIN
from campaign.plan.matrix import Run
from campaign.plan.program import Given, Program, as_written


class Anchor(Struct, frozen=True):
    """The ``folder`` of the file that writes a relative path, ``key`` the name of the run whose value it is, if any."""

    parameter: str
    folder: str
    key: str | None


def anchors(program: Program, run: Run) -> dict[int, tuple[Anchor, ...]]:
    """By the item's identity (``id`` of what is placed) its parameters that take a relative path in this run."""
    recipes = [each for each in program.recipes if each.applies(run.cell.values)]
    if not any(_is_path(given) for recipe in recipes for given in recipe.given):
        return {}
    environment = program.environment(run.values, run.seed, program.builtins)
    attempts = tuple(str(text) for name, text in program.builtins.items() if name.startswith(BUILTIN))
    found: dict[int, tuple[Anchor, ...]] = {}
    for recipe in recipes:
        own = (
            Anchor(each.name, os.path.dirname(each.file or ""), each.binding.key)
            for each in recipe.given
            if _is_path(each) and _is_relative(each.value(environment, as_written), attempts)
        )
        found[id(recipe.part.placed)] = tuple(own)
    return found


def _is_path(given: Given) -> bool:
    binding: Binding = given.binding
    return binding.parameter.type == PATH and not given.as_is and (binding.key is not None or binding.expr is not None)


def _is_relative(value: object, attempts: tuple[str, ...]) -> bool:
    """What begins with a name that only an attempt has, such as ``{workdir}``, is absolute there."""
    return isinstance(value, str) and bool(value) and not value.startswith(("/", *attempts))


def rooted(value: Expr, written: str, folder: str) -> str:
    """A path that is not plain, ``written`` as it is in its file, as one below ``folder``."""
    if isinstance(value, Text):
        return f'"{folder}{written[1:]}'
    return f'"{folder}{{{value.text}}}"' if isinstance(value, Name) else written
