"""What a ledger holds of a campaign, as the records that reports read: a stream of runs and a summary."""

from __future__ import annotations

import os
from collections.abc import Iterator

from campaign.analysis.beside import Beside, read_beside
from campaign.analysis.summarize import summarize
from campaign.failpoints import reach
from campaign.judge.view import run_view
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import AttemptRecord, CampaignRow
from campaign.plugins.api import Reporter
from campaign.plugins.printing import printing_aside
from campaign.records import RunView, Summary


def view_of(record: AttemptRecord, beside: Beside) -> RunView:
    """The record of one attempt as ``run.json`` tells it."""
    return run_view(
        record.order,
        record.exit,
        record.oracles,
        record.decision,
        state=record.row.state,
        host_id=beside.host.id if beside.host else None,
        flaky=record.row.flaky,
        provenance={"cause": record.row.cause, "parent": record.row.parent},
    )


def runs_of(ledger: LedgerReader, campaign: CampaignRow) -> Iterator[RunView]:
    """The attempts of a campaign in order of cell, seed and attempt; constant memory."""
    beside = read_beside(campaign.run_root)
    return (view_of(record, beside) for record in ledger.records_by_cell(campaign.id))


def summary_of(ledger: LedgerReader, campaign: CampaignRow) -> Summary:
    """The summary of a campaign as far as it has come."""
    beside = read_beside(campaign.run_root)
    return summarize(
        campaign,
        ledger.deciding_attempts(campaign.id),
        ledger.failures(campaign.id),
        planned=beside.instances,
        environment=beside.environment,
    )


def write_report(reporter: Reporter, summary: Summary, runs: Iterator[RunView], path: str) -> None:
    """Let ``reporter`` write ``path``, whole or not at all; raises OSError, and whatever the reporter raises."""
    draft = f"{path}.{os.getpid()}.new"
    try:
        with open(draft, "w", encoding="utf-8", errors="backslashreplace") as file:

            def write(text: str) -> None:
                file.write(text)

            with printing_aside():
                reporter.report(summary, runs, write)
            file.flush()
            reach("report.write.before")
            os.fsync(file.fileno())
        reach("report.write.synced")
        os.replace(draft, path)
        reach("report.write.after")
    finally:
        if os.path.lexists(draft):
            os.unlink(draft)
