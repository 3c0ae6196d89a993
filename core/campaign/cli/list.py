"""``campaign list``: the campaigns of a workspace, the newest first."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click
from msgspec import Struct

from campaign.cli.options import format_option, workspace_option
from campaign.cli.recorded import as_it_stands, open_ledger
from campaign.cli.tables import cut, print_json, table, utc_now, when
from campaign.ledger.lookback import Finding
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import Belonging, CampaignRow

_WIDTH = 80


class Listed(Struct, frozen=True, kw_only=True):
    """One campaign as ``--format json`` tells it."""

    campaign: str
    name: str
    about: str | None
    spec: str
    state: str
    tier: str | None
    seed: int
    total: int | None
    verdicts: dict[str, int]
    started_at: str
    finished_at: str | None
    exit_status: int | None
    run_root: str
    marked: bool
    iteration: str | None = None


@click.command("list")
@format_option()
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most this many, the newest ones.")
@click.option("--marked", "only_marked", is_flag=True, help="Only those that are marked, or have a run that is.")
@click.option("--search", metavar="WORDS", help="List notes, marks and failures that hold all of these words instead.")
@workspace_option
def command(output_format: str, limit: int | None, only_marked: bool, search: str | None, workspace: str) -> int:
    """List the campaigns of this workspace, the newest first."""
    with open_ledger(workspace) as ledger:
        if search is not None:
            _show_findings(ledger.search(search.split())[:limit], output_format == "json")
            return 0
        marked, belonging = ledger.marked(), ledger.belonging()
        rows = (row for row in ledger.campaigns() if row.id in marked or not only_marked)
        found = [
            _listed(ledger, as_it_stands(workspace, row), row.id in marked, belonging.get(row.id))
            for row in islice(rows, limit)
        ]
    if output_format == "json":
        print_json(found)
    else:
        click.echo(_table(found))
    return 0


def _show_findings(found: list[Finding], as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif not found:
        click.echo("nothing found")
    else:
        now = utc_now()
        rows = [
            [
                each.campaign,
                each.run,
                each.what,
                each.count if each.count > 1 else "",
                cut(each.text, _WIDTH),
                when(each.at, now),
            ]
            for each in found
        ]
        click.echo(table(["campaign", "run", "what", "times", "text", "when"], rows, numbers=("times",)))


def _listed(ledger: LedgerReader, row: CampaignRow, marked: bool, step: Belonging | None) -> Listed:
    verdicts: dict[str, int] = {}
    for (_, verdict), count in ledger.counts(row.id).items():
        if verdict is not None:
            verdicts[verdict] = verdicts.get(verdict, 0) + count
    return Listed(
        campaign=row.id,
        name=row.name,
        about=row.about,
        spec=row.spec,
        state=row.state,
        tier=row.tier,
        seed=row.seed,
        total=row.total,
        verdicts=verdicts,
        started_at=row.created_at,
        finished_at=row.finished_at,
        exit_status=row.exit_status,
        run_root=row.run_root,
        marked=marked,
        iteration=step.iteration if step is not None else None,
    )


def _table(found: list[Listed]) -> str:
    now = utc_now()
    verdicts = ("pass", "fail", "error")
    marks = ["mark"] if any(each.marked for each in found) else []
    iterations = ["iteration"] if any(each.iteration for each in found) else []
    rows: list[list[Any]] = [
        [
            each.campaign,
            *("*" if each.marked else "" for _ in marks),
            each.state,
            each.tier,
            _done(each),
            *(each.verdicts.get(verdict) for verdict in verdicts),
            when(each.started_at, now),
            *(each.iteration for _ in iterations),
        ]
        for each in found
    ]
    headers = ["campaign", *marks, "state", "tier", "done", *verdicts, "started", *iterations]
    return table(headers, rows, numbers=("done", *verdicts))


def _done(each: Listed) -> str:
    decided = sum(each.verdicts.values())
    return f"{decided:,}" if each.total is None else f"{decided:,}/{each.total:,}"
