"""What a person is asked before limits that were chosen for them are relied on."""

from __future__ import annotations

import sys

import click

from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.plan.plan import Plan
from campaign.rules.limits import limit_text


def confirm_rules(plan: Plan, *, yes: bool) -> None:
    """Show what ``rules auto`` came to with its bounds, and ask on a terminal; raises CampaignError for a no.

    Never asked without a terminal: then only what widens another set's limit needs ``--yes``.
    """
    if plan.rules is None or not plan.rules.chosen:
        return
    book = plan.rules.book
    click.echo(f"rules auto chose {', '.join(plan.rules.chosen)} for this host:", err=True)
    for limit in book.limits.values():
        click.echo(visible(f"  {limit.name}: {limit_text(limit)}  ({', '.join(map(str, limit.origins))})"), err=True)
    for override in book.overrides:
        click.echo(visible(f"  {override.key} is overridden by {override.origin}"), err=True)
    if yes:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        if not click.confirm("run with these limits?", err=True):
            raise _refused("rules auto: the limits were not confirmed")
    elif book.overrides:
        raise _refused("rules auto chose a rule set that overrides a limit, and nobody can be asked")


def _refused(summary: str) -> CampaignError:
    hint = "look at the limits with campaign rules explain, then give --yes"
    return CampaignError([Diagnostic("CAMP326", summary, hint=hint, status=ExitStatus.SAFETY)])
