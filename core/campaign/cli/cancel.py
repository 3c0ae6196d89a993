"""``campaign cancel [CAMPAIGN]``: end it, a group of its instances, or everything."""

from __future__ import annotations

import click

from campaign.cli import complete
from campaign.cli.options import workspace_option
from campaign.cli.queueing import NO_DAEMON, control, needs_one, tell


@click.command("cancel")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.option("--group", "prefix", metavar="PREFIX", help="Only instances that start with these whole segments.")
@click.option("--all", "everything", is_flag=True, help="Every campaign.")
@workspace_option
def command(campaign: str | None, prefix: str | None, everything: bool, workspace: str) -> int:
    """End CAMPAIGN: nothing more of it is started, and what runs is stopped."""
    needs_one(campaign, everything, prefix)
    done, served = control(workspace, "cancel", campaign, prefix)
    for name in done.campaigns:
        click.echo(f"canceled: {name}{f', {prefix}' if prefix else ''}")
    if not served:
        tell(NO_DAEMON)
    return 0
