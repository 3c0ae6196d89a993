"""``campaign doctor``: what is missing on this machine, and how to get it."""

from __future__ import annotations

import click

from campaign.cli.health import State, examine
from campaign.cli.options import format_option, workspace_option
from campaign.cli.tables import fitted, output_width, print_json
from campaign.diagnostics import ExitStatus
from campaign.plugins.registry import Registry


@click.command()
@format_option()
@workspace_option
def command(output_format: str, workspace: str) -> int:
    """Say what is missing on this machine, and how to get it.

    Asks every installed plugin too. Status 3: something is missing or broken; notes do not count.
    """
    findings = examine(workspace, Registry())
    if output_format == "json":
        print_json(findings)
    else:
        rows = [(each.what, each.state, each.found, each.advice) for each in findings]
        click.echo(fitted(["what", "state", "found", "what to do"], rows, width=output_width()))
    missing = any(each.state in (State.MISSING, State.BROKEN) for each in findings)
    return int(ExitStatus.SETUP if missing else ExitStatus.PASSED)
