"""What a person is asked before limits that were chosen for them are relied on."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from campaign.analysis.ruled import rule_book
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine.workspace import Workspace
from campaign.ledger.opening import LedgerMissingError
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignRow
from campaign.plan.plan import Plan
from campaign.rules.limits import limit_text
from campaign.rules.structs import RuleBook
from campaign.rules.widening import widened


def confirm_rules(plan: Plan, campaign: CampaignRow, workspace: str, *, yes: bool) -> None:
    """Show what ``rules auto`` came to with its bounds, and ask on a terminal; raises CampaignError for a no.

    Never asked without a terminal: then what allows more than another set, or than the same spec was allowed the last
    time in this workspace, needs ``--yes``.
    """
    if plan.rules is None or not plan.rules.chosen:
        return
    book = plan.rules.book
    wider = _wider(campaign, workspace, book)
    _show(plan.rules.chosen, book, wider)
    if yes:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        if not click.confirm("run with these limits?", err=True):
            raise _refused("rules auto: the limits were not confirmed")
    elif wider:
        raise _refused(f"rules auto allows more than for {campaign.name} before, and nobody can be asked: {wider[0]}")
    elif book.overrides:
        raise _refused("rules auto chose a rule set that overrides a limit, and nobody can be asked")


def _show(files: Sequence[str], book: RuleBook, wider: Sequence[str]) -> None:
    click.echo(visible(f"rules auto chose {', '.join(files)} for this host:"), err=True)
    for limit in book.limits.values():
        click.echo(visible(f"  {limit.name}: {limit_text(limit)}  ({', '.join(map(str, limit.origins))})"), err=True)
    for override in book.overrides:
        click.echo(visible(f"  {override.key} is overridden by {override.origin}"), err=True)
    for each in wider:
        click.echo(visible(f"  wider than the last time: {each}"), err=True)


def _wider(campaign: CampaignRow, workspace: str, book: RuleBook) -> list[str]:
    """Where a rule book allows more than that of the newest campaign of the same spec here."""
    path = Workspace(workspace).ledger
    if not os.path.exists(path):
        return []
    try:
        with LedgerReader(path) as ledger:
            before = ledger.newest_campaign(campaign.spec)
            return [] if before is None else list(widened(rule_book(ledger, before), book))
    except LedgerMissingError:
        return []


def _refused(summary: str) -> CampaignError:
    hint = "look at the limits with campaign rules explain, then give --yes"
    return CampaignError([Diagnostic("CAMP326", summary, hint=hint, status=ExitStatus.SAFETY)])
