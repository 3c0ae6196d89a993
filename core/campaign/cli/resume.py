"""``campaign resume [CAMPAIGN]``: take pauses back, of it, of a group, or of everything."""

from __future__ import annotations

import click

from campaign.cli import complete
from campaign.cli.options import workspace_option
from campaign.cli.queueing import NO_DAEMON, control, needs_one, tell


@click.command("resume")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.option("--group", "prefix", metavar="PREFIX", help="Only instances that start with these whole segments.")
@click.option("--all", "everything", is_flag=True, help="Every campaign.")
@workspace_option
def command(campaign: str | None, prefix: str | None, everything: bool, workspace: str) -> int:
    """Take the pauses of CAMPAIGN back, and what was paused below."""
    needs_one(campaign, everything, prefix)
    done, served = control(workspace, "resume", campaign, prefix)
    pauses = "1 pause" if done.count == 1 else f"{done.count} pauses"
    click.echo(f"resumed: {pauses} taken back" if done.count else "nothing was paused")
    if not served:
        tell(NO_DAEMON)
    return 0
