"""``campaign wait [CAMPAIGN]``: until it is over, with its exit status."""

from __future__ import annotations

import click

from campaign.cli import complete
from campaign.cli.options import no_progress_option, workspace_option
from campaign.cli.queueing import chosen, follow


@click.command("wait")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@no_progress_option
@workspace_option
def command(campaign: str | None, progress: bool, workspace: str) -> int:
    """Wait for the end of CAMPAIGN, with its exit status; the newest one unless given."""
    return follow(workspace, chosen(workspace, campaign).id, live=progress).status
