"""``campaign failures [CAMPAIGN]``: failures by fingerprint, of one campaign or of all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

from campaign.analysis.failures import Told, tell
from campaign.cli import complete
from campaign.cli.options import format_option, workspace_option
from campaign.cli.recorded import choose_campaign, open_ledger
from campaign.cli.tables import cut, print_json, table, utc_now, when
from campaign.ledger.rows import Sighting

_WIDTH = 50


@click.command("failures")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@format_option()
@workspace_option
def command(campaign: str | None, output_format: str, workspace: str) -> int:
    """List failures by fingerprint, the most frequent first; without CAMPAIGN those of every campaign."""
    now = utc_now()
    with open_ledger(workspace) as ledger:
        row = choose_campaign(ledger, campaign) if campaign is not None else None
        found = list(tell(ledger, row, now.date().isoformat()))
    if output_format == "json":
        print_json(list(map(_as_json, found)))
    elif found:
        click.echo(_table(found, now))
    else:
        click.echo("no failures")
    return 0


def _as_json(told: Told) -> dict[str, Any]:
    row = told.row
    quarantine = None
    if told.quarantine is not None:
        quarantine = {**msgspec.structs.asdict(told.quarantine), "over": told.over}
    return {
        "class": told.classification,
        **msgspec.structs.asdict(row),
        "known": row.known,
        "in_cells": told.cells,
        "first": _seen(Sighting(row.fingerprint, row.campaign, row.key, row.attempt, row.first_seen)),
        "last": _seen(row.last),
        "origin": _seen(row.origin),
        "duplicate_of": told.duplicate_of,
        "quarantine": quarantine,
        "evidence": row.directory,
    }


def _seen(sighting: Sighting) -> dict[str, str]:
    return {"run": sighting.run, "campaign": sighting.campaign, "at": sighting.at}


def _table(found: Sequence[Told], now: datetime) -> str:
    rows = [
        [
            told.row.fingerprint,
            told.classification,
            told.row.verdict,
            told.row.kind,
            told.row.count,
            told.row.cells,
            cut(told.row.message, _WIDTH),
            told.row.origin.run,
            when(told.row.origin.at, now),
            when(told.row.last_seen, now),
            _held(told),
        ]
        for told in found
    ]
    headers = ["fingerprint", "class", "verdict", "kind", "count", "cells", "what", "first", "first seen", "last seen"]
    return table([*headers, "quarantine"], rows, numbers=("count", "cells"))


def _held(told: Told) -> str:
    rule = told.quarantine
    if rule is None:
        return ""
    who = f"{rule.issue}, {rule.owner}" if rule.owner else rule.issue
    return f"{who}: {'over since' if told.over else 'until'} {rule.until}"
