"""``campaign report [CAMPAIGN] --as NAME``: a report again, from what was recorded, also of a campaign that runs."""

from __future__ import annotations

import os
import shutil
import sys

import click

from campaign.analysis.recorded import rendered, results_of, write_report
from campaign.analysis.reporting import Wanted, find_reporter, objection, wanted
from campaign.cli import complete
from campaign.cli.files import unwritable
from campaign.cli.options import workspace_option
from campaign.cli.recorded import as_it_stands, choose_campaign, open_ledger
from campaign.cli.terminal import colour_wanted, visible
from campaign.diagnostics import CampaignError
from campaign.engine.asking import now
from campaign.plugins.results import Results, Target

STDOUT = "-"


@click.command("report")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.option(
    "--as",
    "reporter",
    required=True,
    metavar="NAME",
    help="html, md, github, csv, junit, ctrf, json, shmoo, or a plugin's reporter.",
)
@click.option("--output", "-o", metavar="FILE", help="Where to write it; - is stdout.  Else into the run root.")
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="A setting of the reporter; repeat it.")
@click.option(
    "--template", type=click.Path(file_okay=False), metavar="DIR", help="Templates of your own: --set template=DIR."
)
@workspace_option
def command(
    campaign: str | None,
    reporter: str,
    output: str | None,
    sets: tuple[str, ...],
    template: str | None,
    workspace: str,
) -> int:
    """Write a report again, from what was recorded; prints where it stands.

    CAMPAIGN is an id, a name or the beginning of an id; the newest campaign unless given.  It may still be running.
    A shmoo is printed, unless a file is named.
    """
    chosen = _chosen(reporter, sets, template, None if output == STDOUT else output)
    printed = output == STDOUT or (output is None and chosen.reporter.printed and not _picture(chosen))
    with open_ledger(workspace) as ledger:
        row = as_it_stands(workspace, choose_campaign(ledger, campaign))
        results = results_of(ledger, row, now(), _screen())
        if printed:
            _print(chosen, results)
        else:
            path = output or os.path.join(row.run_root, chosen.file)
            _write(chosen, results, path)
            click.echo(visible(path))
    return 0


def _chosen(name: str, sets: tuple[str, ...], template: str | None, file: str | None) -> Wanted:
    """The report that is asked for; raises CampaignError, and UsageError where the reporter cannot do that."""
    if template is not None and "template" not in find_reporter(name).parameters:
        raise click.UsageError(f"--template is for reporters that have templates, as html has; {name} has none")
    chosen = wanted(name, sets if template is None else (*sets, f"template={template}"), file)
    why = objection(chosen, file) if file is not None else None
    if why is not None:
        raise click.UsageError(f"{file} cannot be written: {why}")
    return chosen


def _picture(chosen: Wanted) -> bool:
    """Whether the settings ask for a file of another kind than the one that is printed."""
    return chosen.file != chosen.reporter.filename


def _screen() -> Target:
    """Standard output as a target: how wide, and whether it shows colours."""
    if not sys.stdout.isatty():
        return Target()
    return Target(columns=shutil.get_terminal_size().columns, colour=colour_wanted(sys.stdout, os.environ))


def _print(chosen: Wanted, results: Results) -> None:
    out = sys.stdout.buffer

    def write(piece: bytes) -> None:
        out.write(piece)

    rendered(chosen, results, write)
    out.flush()


def _write(chosen: Wanted, results: Results, path: str) -> None:
    try:
        write_report(chosen, results, path)
    except OSError as error:
        raise CampaignError([unwritable(path, error)]) from error
