"""``campaign resume [CAMPAIGN]``: take pauses back, of it, of a group, or of everything."""

from __future__ import annotations

import click

from campaign.cli.options import scope_options, workspace_option
from campaign.cli.queueing import NO_DAEMON, control, tell


@click.command("resume")
@scope_options
@workspace_option
def command(campaign: str | None, prefix: str | None, workspace: str) -> int:
    """Take the pauses of CAMPAIGN back, and what was paused below."""
    done, served = control(workspace, "resume", campaign, prefix)
    pauses = "1 pause" if done.count == 1 else f"{done.count} pauses"
    click.echo(f"resumed: {pauses} taken back" if done.count else "nothing was paused")
    if not served:
        tell(NO_DAEMON)
    return 0
