"""``campaign recheck CAMPAIGN``: judge saved evidence again, by the spec and the rule sets as they are today."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from shlex import quote

import click
import msgspec

from campaign.analysis.rechecked import Outcome, Rechecked, Totals
from campaign.cli import complete
from campaign.cli.files import read_file
from campaign.cli.here import this_host
from campaign.cli.options import format_option, workspace_option
from campaign.cli.queueing import chosen
from campaign.cli.recorded import is_served, open_ledger
from campaign.cli.render import print_diagnostics
from campaign.cli.tables import cut, table, utc_now
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.engine.asking import now
from campaign.engine.host import processors
from campaign.engine.recheck import Recheck, yardstick
from campaign.ledger.rows import INTERRUPTED, left_alone

_WIDTH = 70
#: Runs that a table shows; ``--format json`` has them all.
_MOST_SHOWN = 200


@click.command("recheck")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.option("--spec", type=click.Path(), metavar="FILE", help="Judge by this spec, not by the campaign's own.")
@click.option("--parallel", type=click.IntRange(1, 256), metavar="N", help="Oracles asked at a time.")
@format_option()
@workspace_option
def command(campaign: str | None, spec: str | None, parallel: int | None, output_format: str, workspace: str) -> int:
    """Judge the saved evidence of CAMPAIGN again, by its spec, rule sets and oracles as they are now.

    Nothing is run.  No recorded verdict changes; each judgement is kept beside it, with its date.  Status 1 where
    something fails now, or could not be verified.
    """
    row = chosen(workspace, campaign)
    with open_ledger(workspace) as ledger:
        unfinished = not row.finished and any(True for _ in ledger.unfinished(row.id))
    if unfinished:
        over = left_alone(row).state == INTERRUPTED and not is_served(workspace)
        hint = (
            f"campaign exec {quote(row.spec)} --resume goes on with it" if over else "campaign wait waits for its end"
        )
        raise CampaignError([Diagnostic("CAMP523", f"{row.id} is not finished: it is {row.state}", hint=hint)])
    by = yardstick(row, workspace, spec, read_file, this_host(strict=False), os.environ, utc_now().date().isoformat())
    print_diagnostics(by.warnings, sys.stderr)
    work = Recheck(row, workspace, by, parallel or min(row.parallel, processors()), now)
    totals = Totals()
    if output_format == "json":
        _stream(row.id, work.results(), totals, utc_now())
    else:
        _show(row.id, work.results(), totals)
    return int(totals.status)


def _stream(campaign: str, results: Iterable[Rechecked], totals: Totals, at: datetime) -> None:
    """One JSON object, written as it comes."""
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = json.dumps({"campaign": campaign, "at": stamp})
    click.echo(f'{head[:-1]}, "runs": [', nl=False)
    for each in results:
        click.echo(("," if totals.runs else "") + "\n" + msgspec.json.encode(each).decode(), nl=False)
        totals.add(each)
    click.echo(f'\n], "totals": {json.dumps(totals.record())}}}')


def _show(campaign: str, results: Iterable[Rechecked], totals: Totals) -> None:
    """A table of what is not as it was, and the totals."""
    rows: list[list[str]] = []
    left = 0
    for each in results:
        totals.add(each)
        if each.outcome is Outcome.SAME and not each.remarks:
            continue
        if len(rows) < _MOST_SHOWN:
            rows.append([each.run, _word(each), each.recorded, each.verdict, cut(_told(each), _WIDTH)])
        else:
            left += 1
    if rows:
        click.echo(table(["run", "outcome", "then", "now", "why"], rows))
        click.echo(f"… and {left:,} more: --format json has them all\n" if left else "")
    counts = ", ".join(f"{count:,} {each.value}" for each in Outcome if (count := totals.outcomes[each.value]))
    held = f"; {totals.quarantined:,} quarantined" if totals.quarantined else ""
    runs = "1 run" if totals.runs == 1 else f"{totals.runs:,} runs"
    click.echo(f"{campaign}: {runs} judged again: {counts or 'none'}{held}")
    click.echo(
        f"{totals.passed:,} passed, {totals.verified:,} of them verified by an oracle; no recorded verdict changed"
    )


def _word(each: Rechecked) -> str:
    return "NOT VERIFIED" if each.outcome is Outcome.UNVERIFIED else each.outcome.value


def _told(each: Rechecked) -> str:
    held = "quarantined; " if each.quarantined else ""
    return held + "; ".join(filter(None, (each.why or each.reason, *each.remarks)))
