"""``campaign pause [CAMPAIGN]``: nothing more is started, of it, of a group, or of everything."""

from __future__ import annotations

import click

from campaign.cli import complete
from campaign.cli.options import workspace_option
from campaign.cli.queueing import NO_DAEMON, control, needs_one, tell


@click.command("pause")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.option("--group", "prefix", metavar="PREFIX", help="Only instances that start with these whole segments.")
@click.option("--all", "everything", is_flag=True, help="Every campaign.")
@workspace_option
def command(campaign: str | None, prefix: str | None, everything: bool, workspace: str) -> int:
    """Have nothing more of CAMPAIGN started; what runs goes on to its end."""
    needs_one(campaign, everything, prefix)
    done, served = control(workspace, "pause", campaign, prefix)
    for name in done.campaigns:
        click.echo(f"paused: {name or 'everything'}{f', {prefix}' if prefix else ''}")
    if not served:
        tell(NO_DAEMON)
    return 0
