"""``campaign plugins``: what is installed, from which package and version, what it provides, and what is broken."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click
from msgspec import Struct

from campaign.cli.options import format_option
from campaign.cli.tables import print_json, table
from campaign.diagnostics import ExitStatus
from campaign.plugins.discovery import OWN_DISTRIBUTION, Origin
from campaign.plugins.registry import Plugin, Registry


class Provided(Struct, frozen=True):
    """One provider: how a spec calls it, and what it says of itself; ``traces``: a tool that can, with ``trace on``."""

    kind: str
    name: str
    about: str
    traces: bool = False


class Problem(Struct, frozen=True):
    """Why a plugin cannot be used."""

    code: str
    message: str
    hint: str | None


class Listed(Struct, frozen=True, kw_only=True):
    """One plugin as ``--format json`` tells it; ``use`` says whether a spec must name it."""

    plugin: str
    use: bool
    origins: tuple[Origin, ...]
    provides: tuple[Provided, ...]
    problems: tuple[Problem, ...]


@click.command()
@format_option()
def command(output_format: str) -> int:
    """List the installed plugins: where each comes from and what it provides.

    Every plugin is imported and checked. Status 3: one of them cannot be used.
    """
    plugins = Registry().installed()
    problems = [problem for plugin in plugins for problem in plugin.problems]
    if output_format == "json":
        print_json([_listed(plugin) for plugin in plugins])
    else:
        click.echo(table(["plugin", "package", "kind", "provides", "about"], _rows(map(_listed, plugins))))
    if problems:
        from campaign.cli.render import print_diagnostics  # late: only where something is broken

        print_diagnostics(problems, sys.stderr)
    return int(ExitStatus.SETUP if problems else ExitStatus.PASSED)


def _listed(plugin: Plugin) -> Listed:
    provided = (
        Provided(kind, name, getattr(provider, "about", ""), bool(getattr(provider, "traces", False)))
        for kind, providers in plugin.providers.items()
        for name, provider in providers.items()
    )
    return Listed(
        plugin=plugin.name,
        use=not any(origin.distribution == OWN_DISTRIBUTION for origin in plugin.origins),
        origins=plugin.origins,
        provides=tuple(provided),
        problems=tuple(Problem(each.code, each.summary, each.hint) for each in plugin.problems),
    )


def _rows(plugins: Iterable[Listed]) -> Iterable[tuple[str, str, str, str, str]]:
    """One row a provider, with the plugin and its package in the first one."""
    for plugin in plugins:
        first = (plugin.plugin, ", ".join(str(origin) for origin in plugin.origins))
        cells = [(each.kind, each.name, f"{each.about}{' (traces)' * each.traces}") for each in plugin.provides]
        cells += [("broken", "", each.code) for each in plugin.problems]
        for index, cell in enumerate(cells or [("", "", "events only")]):
            yield (*(("", "") if index else first), *cell)
