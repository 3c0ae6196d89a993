"""The rule sets of a recorded campaign, as its snapshot holds them: which failures were known not to count."""

from __future__ import annotations

from campaign.diagnostics import CampaignError
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignRow
from campaign.plan import snapshot as snapshots
from campaign.rules.failures import quarantined
from campaign.rules.files import bind_paths
from campaign.rules.structs import RuleBook


def rule_book(ledger: LedgerReader, campaign: CampaignRow) -> RuleBook:
    """What the rule sets of a campaign come to; empty where none binds it, or the snapshot cannot be read."""
    try:
        taken = snapshots.load(campaign.snapshot or campaign.plan_hash, ledger.blob)
        paths = snapshots.bound_rules(taken)
        return bind_paths(paths, snapshots.reader(taken, ledger.blob)).book if paths else RuleBook()
    except CampaignError:
        return RuleBook()


def quarantined_in(ledger: LedgerReader, campaign: CampaignRow) -> frozenset[str]:
    """The fingerprints that did not count on the day on which a campaign began."""
    return quarantined(rule_book(ledger, campaign), campaign.created_at[:10])
