"""``campaign cancel [CAMPAIGN]``: end it, a group of its instances, or everything."""

from __future__ import annotations

import click

from campaign.cli.options import scope_options, workspace_option
from campaign.cli.queueing import chosen, control, tell
from campaign.ledger.rows import left_alone


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
    for name in () if served else done.campaigns:
        _tell_of_the_end(workspace, name)
    return 0


def _tell_of_the_end(workspace: str, name: str) -> None:
    """Where nobody carries it out, it is over at once, unless some of it was under way or is to go on."""
    row = chosen(workspace, name)
    if not row.finished:
        state = left_alone(row).state
        tell(f"{name} is {state}: campaign daemon, or campaign exec --resume {name}, sees it to its end")
