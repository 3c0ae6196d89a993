"""``campaign cancel [CAMPAIGN]``: end it, a group of its instances, or everything."""

from __future__ import annotations

import click

from campaign.cli.options import scope_options, workspace_option
from campaign.cli.queueing import NO_DAEMON, control, tell


@click.command("cancel")
@scope_options
@workspace_option
def command(campaign: str | None, prefix: str | None, workspace: str) -> int:
    """End CAMPAIGN: nothing more of it is started, and what runs is stopped."""
    done, served = control(workspace, "cancel", campaign, prefix)
    for name in done.campaigns:
        click.echo(f"canceled: {name}{f', {prefix}' if prefix else ''}")
    if not done.campaigns:
        tell("nothing is canceled: no campaign is unfinished")
    if not served:
        tell(NO_DAEMON)
    return 0
