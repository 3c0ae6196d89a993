"""``campaign new``: a spec, a rule set or a plugin to start from; each works as it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from campaign.cli.files import unwritable
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.plugins.names import is_name

_TEMPLATES = Path(__file__).parent / "templates"
#: What stands in the templates, which are real files that work under this name.
_NAME, _MODULE = "newname", "campaign_newname"
_BUILT = frozenset(("__pycache__",))


@click.group(subcommand_metavar="spec|rules|plugin NAME")
def command() -> None:
    """Create a spec, a rule set or a plugin to start from, in this folder."""


@command.command()
@click.argument("name")
def spec(name: str) -> None:
    """Create NAME.camp, a campaign that runs."""
    _create(_TEMPLATES / "spec.camp", Path(f"{_checked(name)}.camp"), name)
    click.echo(f"campaign exec {name}.camp")


@command.command()
@click.argument("name")
def rules(name: str) -> None:
    """Create NAME.yaml, a rule set."""
    _create(_TEMPLATES / "rules.yaml", Path(f"{_checked(name)}.yaml"), name)
    click.echo(f'write into a spec: rules "{name}.yaml"')


@command.command()
@click.argument("name")
def plugin(name: str) -> None:
    """Create campaign-NAME, a package with a tool, an oracle, tests and a spec."""
    folder = Path(f"campaign-{_free(_checked(name))}")
    if folder.exists():
        raise _exists(folder)
    for source in _files(_TEMPLATES / "plugin"):
        relative = str(source.relative_to(_TEMPLATES / "plugin"))
        _create(source, folder / _filled(relative, name), name)
    click.echo(f"cd {folder} && pip install -e . && pytest")


def _checked(name: str) -> str:
    if not is_name(name):
        raise click.UsageError(f"{name!r} is not a name; names are letters, digits, _ and single dashes inside")
    return name


def _free(name: str) -> str:
    """``name``, unless an installed plugin has it or one whose package would be called the same: none would load."""
    from campaign.plugins.discovery import Installed  # late: slow to import, and a spec or rule set needs none of it

    module = name.replace("-", "_")
    for taken, origins in Installed().origins.items():
        if taken.replace("-", "_") == module:
            summary = f"a plugin called {taken} is installed, from {' and '.join(map(str, origins))}"
            hint = "choose another name; campaign plugins lists those that are taken"
            raise CampaignError([Diagnostic("CAMP410", summary, hint=hint)])
    return name


def _files(folder: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(folder):
        names[:] = sorted(set(names) - _BUILT)
        yield from (Path(directory, file) for file in sorted(files))


def _create(source: Path, target: Path, name: str) -> None:
    """Write a template under its new name; never over a file that is there."""
    text = _filled(source.read_text(encoding="utf-8"), name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise _exists(target) from error
    except OSError as error:
        raise CampaignError([unwritable(str(target), error)]) from error
    click.echo(f"created {target}", err=True)


def _filled(text: str, name: str) -> str:
    """A template's text or path for ``name``; modules have no dashes."""
    return text.replace(_MODULE, f"campaign_{name.replace('-', '_')}").replace(_NAME, name)


def _exists(path: Path) -> CampaignError:
    hint = "choose another name, or move it away first"
    return CampaignError([Diagnostic("CAMP409", f"{path} is there already; nothing was written over", hint=hint)])
