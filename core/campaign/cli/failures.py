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
from campaign.cli.tables import cut, fitted, output_width, print_json, utc_now, when
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.ledger.rows import Sighting

_WIDTH = 50
_MOST_NAMED = 5


@click.command("failures")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.option("--why", metavar="FINGERPRINT", help="What a fingerprint was made from; its first digits will do.")
@format_option()
@workspace_option
def command(campaign: str | None, why: str | None, output_format: str, workspace: str) -> int:
    """List failures by fingerprint, the most frequent first; without CAMPAIGN those of every campaign."""
    if why is not None:
        _print_why(workspace, why, output_format)
        return 0
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


def _print_why(workspace: str, beginning: str, output_format: str) -> None:
    """Tell what a fingerprint was made from; raises CampaignError where it is no one's, or several begin so."""
    from campaign.judge.fingerprint.explain import explain  # late: it is asked seldom

    with open_ledger(workspace) as ledger:
        found = ledger.fingerprints(beginning.lower(), _MOST_NAMED)
        if len(found) != 1:
            raise CampaignError([_not_one(beginning, [fingerprint for fingerprint, _ in found])])
        ((fingerprint, token),) = found
        failures = [each.decision.failure for each in ledger.judgements(token)]
    grounds = next((each.grounds for each in failures if each is not None and each.fingerprint == fingerprint), None)
    if output_format == "json":
        print_json({"fingerprint": fingerprint, "grounds": grounds})
    elif grounds is None:
        click.echo(f"{fingerprint}: an earlier version of campaign made it, which did not note from what")
    else:
        click.echo(_explained(list(explain(fingerprint, grounds))))


def _explained(parts: Sequence[tuple[str, str]]) -> str:
    """Parts of one name that follow one another bear it once."""
    width = max(len(name) for name, _ in parts)
    before = ("", *(name for name, _ in parts))
    return "\n".join(
        f"{'' if name == last else name:<{width}}  {visible(text)}"
        for (name, text), last in zip(parts, before, strict=False)
    )


def _not_one(beginning: str, found: Sequence[str]) -> Diagnostic:
    if found:
        summary, hint = f"several fingerprints begin with {beginning}", f"they are {', '.join(found)}"
    else:
        summary = f"no failure has a fingerprint that begins with {beginning}"
        hint = "campaign failures lists them"
    return Diagnostic("CAMP595", summary, hint=hint)


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
        "first": _seen(row.first),
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
    return fitted([*headers, "quarantine"], rows, numbers=("count", "cells"), width=output_width())


def _held(told: Told) -> str:
    rule = told.quarantine
    if rule is None:
        return ""
    who = f"{rule.issue}, {rule.owner}" if rule.owner else rule.issue
    return f"{who}: {'over since' if told.over else 'until'} {rule.until}"
