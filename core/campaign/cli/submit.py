"""``campaign submit SPEC``: plan, check, admit, and put it into the queue."""

from __future__ import annotations

import os
import sys

import click

from campaign.cli.confirm import confirm_rules
from campaign.cli.files import read_file
from campaign.cli.here import this_host
from campaign.cli.options import no_progress_option, repeat_options, selection_options, workspace_option
from campaign.cli.queueing import NO_DAEMON, environment, follow, hello, submission, submit, tell, tell_of_many
from campaign.cli.render import print_diagnostics
from campaign.engine import wire
from campaign.engine.asking import ask, call
from campaign.engine.desk import new_submission
from campaign.engine.prepare import Wishes, prepare, repeated
from campaign.plan.plan import Options


@click.command("submit")
@click.argument("spec", type=click.Path())
@selection_options
@repeat_options
@click.option("--parallel", type=click.IntRange(min=1), metavar="N", help="Runs at a time, instead of the spec's.")
@click.option("--run-root", type=click.Path(file_okay=False), metavar="DIR", help="Where evidence and reports go.")
@click.option("--yes", is_flag=True, help="Take the limits that `rules auto` chose without asking.")
@click.option("--wait", is_flag=True, help="Wait for its end, with its exit status.")
@no_progress_option
@workspace_option
def command(
    spec: str,
    options: Options,
    parallel: int | None,
    run_root: str | None,
    until_fail: bool,
    max_runs: int | None,
    yes: bool,
    wait: bool,
    progress: bool,
    workspace: str,
) -> int:
    """Put the campaign of SPEC into the queue and print its id; a daemon carries it out."""
    line = call(workspace)
    live = hello(line)
    if line is not None:
        line.close()
    wishes = Wishes(workspace=workspace, run_root=run_root, parallel=parallel, host=this_host())
    prepared = prepare(spec, options, wishes, read_file, environment(live, os.environ))
    if until_fail:
        prepared = repeated(prepared, max_runs, new_submission())
    if prepared.warnings:
        print_diagnostics(prepared.warnings, sys.stderr)
    tell_of_many(prepared)
    confirm_rules(prepared.plan, prepared.campaign, workspace, yes=yes)
    served = False

    def send(asked: wire.Submit) -> wire.Done:
        nonlocal served
        done, served = ask(workspace, "submit", asked, lambda desk: desk.submit(asked))
        return done

    campaign = submit(submission(prepared), send)
    click.echo(campaign)
    if not served:
        tell(f"queued; {NO_DAEMON}")
    return follow(workspace, campaign, live=progress).status if wait else 0
