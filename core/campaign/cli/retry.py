"""``campaign retry CAMPAIGN``: carry out again what failed, was lost, canceled or could not be told."""

from __future__ import annotations

import click

from campaign.cli import complete
from campaign.cli.files import read_file
from campaign.cli.options import no_progress_option, workspace_option
from campaign.cli.queueing import NO_DAEMON, chosen, follow, tell
from campaign.diagnostics import ExitStatus
from campaign.engine import wire
from campaign.engine.asking import ask
from campaign.engine.desk import new_submission
from campaign.engine.tightened import refuse_retry


@click.command("retry")
@click.argument("campaign", shell_complete=complete.campaigns)
@click.option("--wait", is_flag=True, help="Wait for its end, with its exit status.")
@no_progress_option
@workspace_option
def command(campaign: str, wait: bool, progress: bool, workspace: str) -> int:
    """Put a finished CAMPAIGN back into the queue: its runs that did not pass get a further attempt."""
    row = chosen(workspace, campaign)
    if row.finished:
        refuse_retry(row, workspace, read_file)
    asked = wire.Enqueue(row.id, new_submission())
    done, served = ask(workspace, "retry", asked, lambda desk: desk.retry(asked))
    runs = "1 run" if done.count == 1 else f"{done.count:,} runs"
    uncounted = row.total is None and row.exit_status == ExitStatus.CANCELED
    rest = ", and every run that never began" if uncounted else ""
    click.echo(f"{asked.campaign}: {runs} to be carried out again{rest}")
    if not served:
        tell(NO_DAEMON)
    return follow(workspace, asked.campaign, live=progress).status if wait else 0
