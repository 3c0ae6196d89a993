"""Whether a recorded campaign has such a group: a verb about a group that is not there would do nothing."""

from __future__ import annotations

from campaign.cli.recorded import open_ledger
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.engine.shares import matches
from campaign.ledger.rows import CampaignRow
from campaign.plan.plan import Plan, from_snapshot
from campaign.plan.snapshot import load
from campaign.plugins.registry import Registry

_MOST_NAMED = 8


def refuse_unknown_group(workspace: str, row: CampaignRow, prefix: str) -> None:
    """Raise CampaignError (CAMP211) where nothing that the campaign carries out is in that group.

    A campaign that cannot be planned again, as its plugins are not what they were, gets the benefit of the doubt.
    """
    plan = _planned(workspace, row)
    if plan is None:
        return
    labels = [each.scenario.label_text for each in plan.selected]
    if any(matches(label, prefix) for label in labels):
        return
    named = ", ".join(labels[:_MOST_NAMED]) + (", …" if len(labels) > _MOST_NAMED else "")
    hint = f"its instances are {named}; whole segments count" if labels else None
    raise CampaignError(
        [Diagnostic("CAMP211", f"--group {prefix}: no instance of {row.id} is in such a group", hint=hint)]
    )


def _planned(workspace: str, row: CampaignRow) -> Plan | None:
    with open_ledger(workspace) as ledger:
        try:
            return from_snapshot(load(row.snapshot or row.plan_hash, ledger.blob), ledger.blob, Registry)[0]
        except CampaignError:
            return None
