"""What a ledger holds of a campaign, as the records that reports read: a stream of runs, a summary, an overview."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from shlex import quote

from msgspec.structs import replace

from campaign.analysis.analyze import analyze
from campaign.analysis.beside import Beside, minimized, read_beside, read_excerpt
from campaign.analysis.failures import Classes
from campaign.analysis.knowledge import knowledge_of
from campaign.analysis.overview import only_shmoo, overview_of
from campaign.analysis.quarantine import remarks
from campaign.analysis.reporting import Wanted, unmade
from campaign.analysis.ruled import quarantined_in, rule_book
from campaign.analysis.smallest import in_runs
from campaign.analysis.summarize import summarize
from campaign.diagnostics import CampaignError
from campaign.durable import written
from campaign.judge.view import run_view
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import DONE, AttemptRecord, CampaignRow
from campaign.plugins.api import UnableError
from campaign.plugins.border import one_line
from campaign.plugins.printing import printing_aside
from campaign.plugins.results import Results, Target
from campaign.records import Decision, Repeats, RunView, Summary
from campaign.records.analysis import Analysis
from campaign.rules.failures import quarantined


class Views:
    """Tells the attempts of a campaign as ``run.json`` does."""

    def __init__(self, ledger: LedgerReader, campaign: CampaignRow) -> None:
        self._ledger, self._beside = ledger, read_beside(campaign.run_root)
        self._classes = Classes(ledger.first_of, quarantined_in(ledger, campaign))

    def of(self, record: AttemptRecord) -> RunView:
        """One of them.  Raises LedgerError."""
        row = record.row
        failed = bool(row.fingerprint) and row.again is not None
        recovered = failed and self._ledger.recovered(row.campaign, row.key, row.origin, row.attempt)
        view = _view(record, self._classes.told(record.order, record.decision, recovered=recovered), self._beside)
        return replace(view, minimized=minimized(self._ledger, row.token)) if row.fingerprint else view


def _view(record: AttemptRecord, decision: Decision | None, beside: Beside) -> RunView:
    return run_view(
        record.order,
        record.exit,
        record.oracles,
        decision,
        state=record.row.state,
        host_id=beside.host.id if beside.host else None,
        flaky=record.row.flaky,
        provenance={"cause": record.row.cause, "parent": record.row.parent},
    )


def runs_of(ledger: LedgerReader, campaign: CampaignRow) -> Iterator[RunView]:
    """The attempts of a campaign in order of cell, seed and attempt; constant memory."""
    return map(Views(ledger, campaign).of, ledger.records_by_cell(campaign.id))


def summary_of(ledger: LedgerReader, campaign: CampaignRow) -> Summary:
    """The summary of a campaign as far as it has come."""
    beside, book = read_beside(campaign.run_root), rule_book(ledger, campaign)
    failures = list(ledger.failures(campaign.id))
    summary = summarize(
        campaign,
        ledger.deciding_attempts(campaign.id),
        failures,
        planned=beside.instances,
        skipped=beside.plan.skipped if beside.plan is not None else (),
        quarantined=quarantined(book, campaign.created_at[:10]),
        environment=beside.environment,
    )
    steps = (
        *_releases(ledger, campaign),
        *summary.next_steps,
        *_repros(ledger, campaign),
        *remarks(ledger, campaign, book, failures),
    )
    summary = replace(summary, next_steps=steps, repeats=_repeats(ledger, campaign))
    return replace(summary, remarks=tuple(ledger.remarks(campaign.id)))


def _repros(ledger: LedgerReader, campaign: CampaignRow) -> Iterator[str]:
    """The failures that were made smaller, as specs."""
    asked = (each for each in ledger.requests(campaign.id, state=DONE) if each.kind == "minimize")
    for token in dict.fromkeys(each.parent for each in asked if each.parent is not None):
        told = minimized(ledger, token)
        if told is not None and told.get("repro") and told.get("smaller"):
            yield f"the smallest failure found in {in_runs(told['attempts'])}: campaign exec {quote(told['repro'])}"


def _repeats(ledger: LedgerReader, campaign: CampaignRow) -> Repeats | None:
    """What repeating the plan came to, where that was asked for and is over."""
    told = [row.result for row in ledger.requests(campaign.id) if row.kind == "repeat" and row.result]
    if not told or "runs" not in told[-1]:
        return None
    directory = told[-1]["directory"]
    evidence = os.path.relpath(directory, campaign.run_root) if directory else None
    return Repeats(runs=told[-1]["runs"], failed=told[-1]["failed"], evidence=evidence)


def _releases(ledger: LedgerReader, campaign: CampaignRow) -> Iterator[str]:
    """The runs that wait for a person: what they hold may still be in force."""
    tokens = dict.fromkeys(each.token for each in ledger.holds())
    tokens |= dict.fromkeys(row.token for row in ledger.unfinished(campaign.id) if row.state == "lost")
    for record in filter(None, map(ledger.record, tokens)):
        if record.row.campaign == campaign.id:
            run = quote(f"{campaign.id}/{record.row.name}")
            yield f"a run left something behind, or is lost; when it is put right: campaign release {run}"


def results_of(ledger: LedgerReader, campaign: CampaignRow, now: str, target: Target | None = None) -> Results:
    """What a reporter is given of a campaign, as far as it has come; ``now`` (RFC 3339) is for what still runs."""
    beside = read_beside(campaign.run_root)
    planned = beside.plan.instances if beside.plan is not None else ()
    return Results(
        summary=summary_of(ledger, campaign),
        at=now,
        folder=campaign.run_root,
        about=campaign.about,
        plan=beside.plan,
        host=beside.host,
        target=target or Target(),
        runs=lambda: runs_of(ledger, campaign),
        overview=lambda choice: overview_of(campaign, ledger.glances(campaign.id), choice, now, planned),
        shmoo=lambda choice: only_shmoo(ledger.glances(campaign.id), choice, planned),
        excerpt=lambda evidence: read_excerpt(os.path.join(campaign.run_root, evidence)),
        analysis=lambda: analysis_of(ledger, campaign, now),
    )


def analysis_of(ledger: LedgerReader, campaign: CampaignRow, now: str, rules: Sequence[str] = ()) -> Analysis:
    """A campaign analyzed, as far as it has come; ``rules`` are files whose triage rules are asked before all others.

    Raises LedgerError, and CampaignError for a file that is no rule set.
    """
    book = rule_book(ledger, campaign)
    return analyze(ledger, campaign, book, knowledge_of(book, rules), now)


def write_report(wanted: Wanted, results: Results, path: str) -> None:
    """Write a report to ``path``, whole or not at all; raises OSError and CampaignError."""
    home = os.path.realpath(os.path.dirname(path) or ".") == os.path.realpath(results.folder)
    results = replace(results, target=Target(file=os.path.basename(path), beside=home))
    with written(path) as file:

        def write(piece: bytes) -> None:
            file.write(piece)

        rendered(wanted, results, write)


def rendered(wanted: Wanted, results: Results, write: Callable[[bytes], None]) -> None:
    """Have the reporter hand over its report, in pieces.

    Raises what ``write`` raised, whatever the reporter makes of it; CampaignError (CAMP592) where the reporter says
    that it cannot, or raises anything else; and CampaignError where the campaign cannot be read.
    """
    refused: list[OSError] = []

    def encoded(piece: str | bytes) -> None:
        try:
            write(piece.encode("utf-8", "backslashreplace") if isinstance(piece, str) else piece)
        except OSError as error:
            refused.append(error)
            raise

    try:
        with printing_aside():
            wanted.reporter.render(results, wanted.settings, encoded)
    except UnableError as error:
        raise unmade(wanted.reporter, str(error)) from error
    except CampaignError:
        raise
    except (Exception, SystemExit) as error:  # a stranger's code
        if not refused:
            raise unmade(wanted.reporter, f"{wanted.origin} raises {one_line(error)}") from error
    if refused:
        raise refused[0]
