"""Failures by their fingerprint: which are new, known, quarantined or flaky, and where to look first."""

from __future__ import annotations

import os
from collections.abc import Container

from msgspec.structs import replace

from campaign.ledger.rows import FailureRow
from campaign.records import UniqueFailure


def classify(row: FailureRow) -> str:
    """``flaky``: every run that failed so passed on a later attempt; ``known``: an earlier campaign saw it."""
    if row.recovered == row.count:
        return "flaky"
    return "known" if row.known else "new"


def unique_failure(row: FailureRow, run_root: str) -> UniqueFailure:
    """A failure as ``summary.json`` tells it; its evidence relative to ``run_root``."""
    return UniqueFailure(
        fingerprint=row.fingerprint,
        verdict=row.verdict,
        kind=row.kind,
        message=row.message,
        count=row.count,
        first=f"{row.key}@{row.attempt}",
        classification=classify(row),
        evidence=os.path.relpath(row.directory, run_root),
    )


def marked(failure: UniqueFailure, quarantined: Container[str]) -> UniqueFailure:
    """A failure as a rule set knows it: ``quarantined`` goes before every other class."""
    return replace(failure, classification="quarantined") if failure.fingerprint in quarantined else failure
