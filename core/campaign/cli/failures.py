"""``campaign failures [CAMPAIGN]``: failures by fingerprint, of one campaign or of all."""

from __future__ import annotations

import click
import msgspec

from campaign.analysis.failures import classify
from campaign.cli import complete
from campaign.cli.options import format_option, workspace_option
from campaign.cli.recorded import choose_campaign, open_ledger
from campaign.cli.tables import cut, print_json, table, utc_now, when
from campaign.ledger.rows import FailureRow

_WIDTH = 60


@click.command("failures")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@format_option()
@workspace_option
def command(campaign: str | None, output_format: str, workspace: str) -> int:
    """List failures by fingerprint, the most frequent first; without CAMPAIGN those of every campaign."""
    with open_ledger(workspace) as ledger:
        found = list(ledger.failures(choose_campaign(ledger, campaign).id if campaign is not None else None))
    if output_format == "json":
        print_json([{"class": classify(row), **msgspec.structs.asdict(row)} for row in found])
    elif found:
        click.echo(_table(found))
    else:
        click.echo("no failures")
    return 0


def _table(found: list[FailureRow]) -> str:
    now = utc_now()
    rows = [
        [
            row.fingerprint,
            classify(row),
            row.verdict,
            row.kind,
            row.count,
            cut(row.message, _WIDTH),
            f"{row.campaign}/{row.key}@{row.attempt}",
            when(row.last_seen, now),
        ]
        for row in found
    ]
    headers = ["fingerprint", "class", "verdict", "kind", "count", "what", "first", "last seen"]
    return table(headers, rows, numbers=("count",))
