"""Failures that do not count, as reports for CI tell them: a run that failed in a way that is quarantined."""

from __future__ import annotations

from collections.abc import Mapping

from campaign.plugins.api import RunView, Summary


def issues(summary: Summary) -> dict[str, str]:
    """What is to be said of each quarantined failure, by fingerprint."""
    found = {}
    for each in summary.failures:
        if each.classification == "quarantined" and each.quarantine is not None:
            owner = f" ({each.quarantine.owner})" if each.quarantine.owner else ""
            found[each.fingerprint] = f"quarantined as {each.quarantine.issue}{owner} until {each.quarantine.until}"
    return found


def quarantine_of(run: RunView, known: Mapping[str, str]) -> str | None:
    """What is to be said of a run whose failure is quarantined, ``known`` from ``issues``; None of every other one."""
    if run.failure is None or run.failure.classification != "quarantined":
        return None
    return known.get(run.failure.fingerprint or "", "quarantined")
