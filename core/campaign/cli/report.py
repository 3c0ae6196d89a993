"""``campaign report [CAMPAIGN] --as md|csv|junit|json``: a report again, from what was recorded."""

from __future__ import annotations

import os
import sys

import click

from campaign.analysis.recorded import runs_of, summary_of, write_report
from campaign.analysis.reporting import find_reporter
from campaign.cli import complete
from campaign.cli.files import unwritable
from campaign.cli.options import workspace_option
from campaign.cli.recorded import choose_campaign, open_ledger
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError
from campaign.plugins.printing import printing_aside


@click.command("report")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.option("--as", "reporter", required=True, metavar="NAME", help="md, csv, junit, json, or a plugin's reporter.")
@click.option("--output", "-o", metavar="FILE", help="Where to write it; - is stdout.  Else into the run root.")
@workspace_option
def command(campaign: str | None, reporter: str, output: str | None, workspace: str) -> int:
    """Write a report again, from what was recorded; prints where it stands.

    CAMPAIGN is an id, a name or the beginning of an id; the newest campaign unless given.
    """
    chosen = find_reporter(reporter)
    with open_ledger(workspace) as ledger:
        row = choose_campaign(ledger, campaign)
        summary, runs = summary_of(ledger, row), runs_of(ledger, row)
        if output == "-":
            out = sys.stdout
            with printing_aside():
                chosen.report(summary, runs, lambda text: click.echo(text, out, nl=False))
            return 0
        path = output or os.path.join(row.run_root, chosen.filename)
        try:
            write_report(chosen, summary, runs, path)
        except OSError as error:
            raise CampaignError([unwritable(path, error)]) from error
    click.echo(visible(path))
    return 0
