"""The rule sets of a recorded campaign, as its snapshot holds them: which failures were known not to count."""

from __future__ import annotations

from collections.abc import Mapping

from campaign.diagnostics import CampaignError
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignRow
from campaign.plan import snapshot as snapshots
from campaign.records import PlanFile
from campaign.rules.failures import quarantined
from campaign.rules.files import bind_paths
from campaign.rules.structs import Quarantine, RuleBook


class RuleBooks:
    """The rule books of the campaigns of a ledger; equal files are read once."""

    def __init__(self, ledger: LedgerReader) -> None:
        self._ledger = ledger
        self._by_campaign: dict[str, RuleBook] = {}
        self._by_files: dict[tuple[tuple[str, ...], tuple[PlanFile, ...]], RuleBook] = {}

    def of(self, campaign: CampaignRow) -> RuleBook:
        """What the rule sets of a campaign come to; empty where none binds it, or the snapshot cannot be read."""
        if campaign.id not in self._by_campaign:
            self._by_campaign[campaign.id] = self._read(campaign)
        return self._by_campaign[campaign.id]

    def _read(self, campaign: CampaignRow) -> RuleBook:
        try:
            taken = snapshots.load(campaign.snapshot or campaign.plan_hash, self._ledger.blob)
            paths = snapshots.bound_rules(taken)
            if not paths:
                return RuleBook()
            key = paths, taken.files
            if key not in self._by_files:
                self._by_files[key] = bind_paths(paths, snapshots.reader(taken, self._ledger.blob)).book
            return self._by_files[key]
        except CampaignError:
            return RuleBook()


def rule_book(ledger: LedgerReader, campaign: CampaignRow) -> RuleBook:
    """What the rule sets of a campaign come to; empty where none binds it, or the snapshot cannot be read."""
    return RuleBooks(ledger).of(campaign)


def quarantined_in(ledger: LedgerReader, campaign: CampaignRow) -> Mapping[str, Quarantine]:
    """What did not count on the day (UTC) on which a campaign began, by fingerprint."""
    return quarantined(rule_book(ledger, campaign), campaign.created_at[:10])
