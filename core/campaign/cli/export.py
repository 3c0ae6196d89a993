"""``campaign export CAMPAIGN``: a campaign as one file."""

from __future__ import annotations

import os
import sys

import click

from campaign.cli import complete
from campaign.cli.files import unwritable
from campaign.cli.options import format_option, workspace_option
from campaign.cli.queueing import tell
from campaign.cli.recorded import choose_campaign, evidence_gone, open_ledger
from campaign.cli.tables import print_json
from campaign.diagnostics import CampaignError
from campaign.engine.asking import now
from campaign.engine.exporting import export


@click.command("export")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), metavar="FILE", help="The archive; CAMPAIGN.tar unless given."
)
@format_option()
@workspace_option
def command(campaign: str | None, output: str | None, output_format: str, workspace: str) -> int:
    """Write CAMPAIGN (the newest unless given) to one archive: its records, its evidence, and a manifest of digests.

    Values of environments are masked in it; what the tools wrote is in it as it is.
    """
    with open_ledger(workspace) as ledger:
        row = choose_campaign(ledger, campaign)
        path = os.path.abspath(output or f"{row.id}.tar")
        try:
            manifest = export(ledger, row, path, now())
        except OSError as error:
            raise CampaignError([unwritable(path, error)]) from error
        gone = sum(map(evidence_gone, ledger.attempts(row.id, origin=None)))
    if gone:
        attempts = "1 attempt" if gone == 1 else f"{gone:,} attempts"
        tell(f"{attempts} of {row.id} without evidence, which is gone: the archive holds the records alone")
    for each in manifest.left_out:
        tell(f"left out: {each.path}: {each.why}")
    if output_format == "json":
        print_json({"archive": path, "campaign": row.id, "files": len(manifest.members), "left_out": manifest.left_out})
    else:
        click.echo(path)
    sys.stdout.flush()
    return 0
