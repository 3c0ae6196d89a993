"""``campaign wait [CAMPAIGN]``: until it is over, with what it came to and its exit status."""

from __future__ import annotations

import click

from campaign.cli import complete
from campaign.cli.options import format_option, no_progress_option, workspace_option
from campaign.cli.queueing import chosen, conclude, follow


@click.command("wait")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@format_option()
@no_progress_option
@workspace_option
def command(campaign: str | None, output_format: str, progress: bool, workspace: str) -> int:
    """Wait for the end of CAMPAIGN and print what it came to, with its exit status; the newest one unless given."""
    name = chosen(workspace, campaign).id
    ended = follow(workspace, name, live=progress)
    conclude(workspace, name, output_format)
    return ended.status
