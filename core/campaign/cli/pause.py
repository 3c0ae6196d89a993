"""``campaign pause [CAMPAIGN]``: nothing more is started, of it, of a group, or of everything."""

from __future__ import annotations

import click

from campaign.cli.options import scope_options, workspace_option
from campaign.cli.queueing import NO_DAEMON, control, tell


@click.command("pause")
@scope_options
@workspace_option
def command(campaign: str | None, prefix: str | None, workspace: str) -> int:
    """Have nothing more of CAMPAIGN started; what runs goes on to its end."""
    done, served = control(workspace, "pause", campaign, prefix)
    for name in done.campaigns:
        click.echo(f"paused: {name or 'everything'}{f', {prefix}' if prefix else ''}")
    if not served:
        tell(NO_DAEMON)
    return 0
