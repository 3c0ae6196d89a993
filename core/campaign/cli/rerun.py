"""``campaign rerun [CAMPAIGN]``: a new campaign from the snapshot of a recorded one."""

from __future__ import annotations

import os

import click

from campaign.cli import complete
from campaign.cli.exec import daemon_of, execute
from campaign.cli.files import read_file
from campaign.cli.here import this_host
from campaign.cli.options import format_option, no_progress_option, selection_options, workspace_option
from campaign.cli.queueing import chosen, environment
from campaign.cli.streams import keep_standard_streams_apart
from campaign.cli.tokens import Silent
from campaign.engine.prepare import Wishes, prepare_rerun
from campaign.plan.plan import Options


@click.command("rerun")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@selection_options
@click.option("--parallel", type=click.IntRange(min=1), metavar="N", help="Runs at a time, instead of the spec's.")
@click.option("--run-root", type=click.Path(file_okay=False), metavar="DIR", help="Where evidence and reports go.")
@click.option("--report", "reports", multiple=True, metavar="NAME", help="A report beside the spec's own; repeat it.")
@format_option()
@no_progress_option
@workspace_option
def command(
    campaign: str | None,
    options: Options,
    parallel: int | None,
    run_root: str | None,
    reports: tuple[str, ...],
    output_format: str,
    progress: bool,
    workspace: str,
) -> int:
    """Begin CAMPAIGN (the newest unless given) anew, from its spec, rule sets and options as they were then.

    A selection beside it goes before the recorded one; --set adds to the recorded settings.
    """
    keep_standard_streams_apart()
    row = chosen(workspace, campaign)
    live = daemon_of(workspace)
    wishes = Wishes(workspace=workspace, run_root=run_root, parallel=parallel, host=this_host())
    prepared = prepare_rerun(row, options, wishes, read_file, environment(live, os.environ))
    return execute(prepared, workspace, Silent(), progress, output_format, reports, daemon=live)
