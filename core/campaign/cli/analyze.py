"""``campaign analyze [CAMPAIGN]``: why runs failed, how sure that is, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from campaign.cli import complete
from campaign.cli.options import format_option, workspace_option
from campaign.cli.recorded import as_it_stands, choose_campaign, open_ledger

if TYPE_CHECKING:
    from campaign.records.analysis import Analysis

# Rule sets (YAML) and tables are imported where they are needed: help must not wait for them.


@click.command("analyze")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.option(
    "--rules",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="Ask the triage rules of this rule set too, before all others; repeat it.",
)
@format_option()
@workspace_option
def command(campaign: str | None, rules: tuple[str, ...], output_format: str, workspace: str) -> int:
    """Say where CAMPAIGN (the newest unless given) wins and loses, what is known of its failures, and what to do next.

    Win rates are passes over valid trials: errors are shown apart.  Unexplained failures stand first.
    """
    from campaign.cli.tables import print_json

    analysis = _analyzed(campaign, rules, workspace)
    if output_format == "json":
        print_json(analysis)
    else:
        from campaign.cli.analysis_shown import shown

        click.echo(shown(analysis))
    return 0


def _analyzed(word: str | None, rules: tuple[str, ...], workspace: str) -> Analysis:
    from campaign.analysis.recorded import analysis_of
    from campaign.engine.asking import now

    with open_ledger(workspace) as ledger:
        return analysis_of(ledger, as_it_stands(workspace, choose_campaign(ledger, word)), now(), rules)
