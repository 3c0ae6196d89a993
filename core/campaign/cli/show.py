"""``campaign show [CAMPAIGN [RUN]]``: a campaign in numbers, or one of its runs in full."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import click
import msgspec

from campaign.analysis.recorded import Views, summary_of
from campaign.analysis.smallest import in_runs, in_words
from campaign.cli import complete
from campaign.cli.history import history_of, history_record, history_text
from campaign.cli.options import format_option, workspace_option
from campaign.cli.recorded import (
    as_it_stands,
    choose_campaign,
    choose_run,
    evidence_gone,
    is_served,
    means_run,
    open_ledger,
)
from campaign.cli.remarks import remarks_text
from campaign.cli.summary import summary_text
from campaign.cli.tables import cut, facts, print_json, table, took, utc_now, when
from campaign.cli.terminal import visible
from campaign.cli.watched import watched_text
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import RECHECK, AttemptRow, CampaignRow
from campaign.records import RunView, StepView

_WIDTH = 80
_MOST_BESIDE = 20
_MOST_RECHECKS = 5
#: The states of an attempt in which something of it may run.
_UNDER_WAY = ("admitted", "starting", "running", "judging")
_ALONE = "nobody watches it: campaign daemon, or campaign exec --resume, finds out what became of it"


@click.command("show")
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.argument("run", required=False, shell_complete=complete.runs)
@click.option("--runs", "list_runs", is_flag=True, help="List every run of the campaign instead.")
@click.option("--history", "cell", metavar="CELL", help="Show what became of a cell in each campaign instead.")
@format_option()
@workspace_option
def command(
    campaign: str | None, run: str | None, list_runs: bool, cell: str | None, output_format: str, workspace: str
) -> int:
    """Show a campaign, or one of its runs.

    CAMPAIGN is an id, a name (its newest one) or the beginning of an id; the newest campaign unless given.
    RUN is cell#seed[@attempt] or an id; CAMPAIGN/RUN as one word works too.
    """
    as_json = output_format == "json"
    with open_ledger(workspace) as ledger:
        if cell is not None:
            turns = history_of(ledger, cell)
            print_json(history_record(cell, turns)) if as_json else click.echo(history_text(cell, turns, utc_now()))
            return 0
        if run is None and campaign is not None and means_run(ledger, campaign):
            campaign, run = None, campaign
        if run is not None:
            within = None if campaign is None else choose_campaign(ledger, campaign)
            _show_run(ledger, choose_run(ledger, run, within), workspace, as_json)
        elif list_runs:
            _show_runs(ledger, choose_campaign(ledger, campaign), as_json)
        else:
            _show_campaign(ledger, as_it_stands(workspace, choose_campaign(ledger, campaign)), as_json)
    return 0


# --- a campaign -------------------------------------------------------------------------------------------------


def _show_campaign(ledger: LedgerReader, row: CampaignRow, as_json: bool) -> None:
    summary = summary_of(ledger, row)
    if as_json:
        print_json(summary)
        return
    now = utc_now()
    head = facts(
        [
            ("campaign", row.id),
            ("about", row.about),
            ("spec", row.spec),
            ("state", row.state),
            ("tier", row.tier),
            ("seed", row.seed),
            ("iteration", _step_of(ledger, row)),
            ("started", when(row.created_at, now)),
            ("finished", when(row.finished_at, now)),
            ("evidence", f"{row.run_root}{_gone_of(row)}"),
        ]
    )
    parts = [head, remarks_text(summary.remarks, now), summary_text(summary, row.run_root)]
    click.echo("\n\n".join(part for part in parts if part))


def _gone_of(row: CampaignRow) -> str:
    return " (gone)" if row.finished and row.total and not os.path.isdir(row.run_root) else ""


def _step_of(ledger: LedgerReader, row: CampaignRow) -> str | None:
    """Which step of which iteration it is."""
    step = ledger.belonging().get(row.id)
    return f"{step.iteration}, round {step.round}: {step.kind}" if step is not None else None


def _show_runs(ledger: LedgerReader, row: CampaignRow, as_json: bool) -> None:
    attempts = ledger.deciding_attempts(row.id)
    if as_json:
        for attempt in attempts:
            click.echo(msgspec.json.encode(attempt).decode())
        return
    cells = (
        [each.key, each.attempt, each.state, _word(each), took(each.duration_s), cut(each.reason or "", _WIDTH)]
        for each in attempts
    )
    click.echo(table(["run", "attempts", "state", "verdict", "took", "reason"], cells, numbers=("attempts",)))


def _word(row: AttemptRow) -> str:
    return f"{row.verdict} (flaky)" if row.flaky else row.verdict or ""


# --- a run ------------------------------------------------------------------------------------------------------


def _show_run(ledger: LedgerReader, attempts: Sequence[AttemptRow], workspace: str, as_json: bool) -> None:
    """The last of the attempts in full, the ones before by their verdicts."""
    record = ledger.record(attempts[-1].token)
    assert record is not None
    campaign = ledger.campaign(record.row.campaign)
    assert campaign is not None
    view = Views(ledger, campaign).of(record)
    view = msgspec.structs.replace(view, remarks=tuple(ledger.remarks(record.row.campaign, record.row.key)))
    if as_json:
        print_json(view)
        return
    parts = [
        _run_facts(view, record.row, workspace),
        remarks_text(view.remarks, utc_now()),
        _steps(view),
        watched_text(view),
        _oracles(view),
        _rechecks(ledger, record.row.token),
        _earlier(attempts[:-1]),
        _beside(ledger, record.row),
        _files(view, record.row),
    ]
    click.echo("\n\n".join(part for part in parts if part))


def _run_facts(view: RunView, row: AttemptRow, workspace: str) -> str:
    now = utc_now()
    values = {**view.settings, **view.axes}
    return facts(
        [
            ("run", row.name),
            ("id", view.id),
            ("campaign", view.campaign),
            ("instance", view.instance),
            ("tier", view.tier),
            ("settings", ", ".join(f"{name} = {value}" for name, value in values.items())),
            ("state", _state(view.state, workspace)),
            *(("left behind", each) for each in _left_behind(view, row, workspace)),
            ("verdict", _word(row)),
            ("reason", view.reason),
            ("why", _why(view)),
            ("fingerprint", _fingerprint(view)),
            ("minimized", _minimized(view)),
            ("slots", ", ".join(f"{name}: {held}" for name, held in view.resources.granted.items())),
            ("fallback", view.resources.fallback_reason),
            ("started", when(view.started_at, now)),
            ("took", took(view.duration_s)),
            ("clock", "virtual: nothing was started, times are simulated" if view.clock == "virtual" else None),
        ]
    )


def _state(state: str, workspace: str) -> str:
    """What the ledger says, and that nobody is there who would say otherwise."""
    return f"{state}; {_ALONE}" if state in _UNDER_WAY and not is_served(workspace) else state


def _left_behind(view: RunView, row: AttemptRow, workspace: str) -> Iterator[str]:
    """What a crash left of it on the machine, while nobody is there to take it back."""
    if view.state in _UNDER_WAY and not is_served(workspace):
        # Late: most runs that are shown are over.
        from campaign.engine.leftovers import left_behind

        with open_ledger(workspace) as ledger:
            yield from (each.sentence for each in left_behind(ledger) if each.run == f"{row.campaign}/{row.name}")


def _fingerprint(view: RunView) -> str | None:
    """With its class and what it is a duplicate of."""
    failure = view.failure
    if failure is None or failure.fingerprint is None:
        return None
    duplicate = f", first {failure.duplicate_of}" if failure.duplicate_of else ""
    return f"{failure.fingerprint} ({failure.classification or 'new'}{duplicate})"


def _minimized(view: RunView) -> str | None:
    """What it was minimized to, or why that did not make it smaller."""
    told = view.minimized
    if told is None:
        return None
    result = in_words(told["result"]) if told["smaller"] else ""
    return cut(f"in {in_runs(told['attempts'])}: {result or told['stopped']}", 2 * _WIDTH)


def _why(view: RunView) -> str | None:
    """What the failure says beyond the reason, which for an orphan is but a word."""
    message = view.failure.message if view.failure else ""
    return cut(message, 2 * _WIDTH) if message and message not in (view.reason or "") else None


def _steps(view: RunView) -> str:
    rows = [
        [_step_name(step), _ending(step), took(step.duration_s), cut(" ".join(step.argv), _WIDTH), _metrics(step)]
        for step in (*view.services, *view.steps)
    ]
    return table(["step", "ended", "took", "command", "metrics"], rows) if rows else ""


def _step_name(step: StepView) -> str:
    return step.label if step.index is None else f"{step.label}[{step.index}]"


def _ending(step: StepView) -> str:
    if step.error:
        return step.error
    how = f"signal {step.exit.signal}" if step.exit.signal else f"exit {step.exit.code}"
    return f"timeout, {how}" if step.exit.timeout else how


def _metrics(step: StepView) -> str:
    return ", ".join(f"{name} = {value}" for name, value in step.metrics.items())


def _oracles(view: RunView) -> str:
    rows = [
        [each.label, _judged(each.ok, each.error, each.skipped), cut(each.error or each.message or "", _WIDTH)]
        for each in view.oracles
    ]
    return table(["oracle", "says", "message"], rows) if rows else ""


def _judged(ok: bool | None, error: str | None, skipped: str | None) -> str:
    if error:
        return "cannot tell"
    return f"skipped: {skipped}" if ok is None else "ok" if ok else "not ok"


def _earlier(attempts: Sequence[AttemptRow]) -> str:
    rows = [[each.attempt, each.verdict or each.state, cut(each.reason or "", _WIDTH)] for each in attempts]
    return table(["earlier attempt", "verdict", "reason"], rows) if rows else ""


def _beside(ledger: LedgerReader, row: AttemptRow) -> str:
    """What was carried out of it beside the plan, the newest last."""
    all_ = [each for each in ledger.attempts(row.campaign, row.key, None) if each.parent == row.name]
    rows = [[each.name, each.verdict or each.state, cut(each.reason or "", _WIDTH)] for each in all_[-_MOST_BESIDE:]]
    more = f"\n… and {len(all_) - len(rows):,} before" if len(all_) > len(rows) else ""
    return table(["beside the plan", "verdict", "reason"], rows) + more if rows else ""


def _rechecks(ledger: LedgerReader, token: str) -> str:
    """What it came to when it was judged again, the newest last; the recorded verdict stays."""
    again = [each for each in ledger.judgements(token) if each.source == RECHECK][-_MOST_RECHECKS:]
    now = utc_now()
    rows = [[when(each.at, now), each.decision.verdict, cut(each.decision.reason, _WIDTH)] for each in again]
    return table(["judged again", "came to", "reason"], rows) if rows else ""


def _files(view: RunView, row: AttemptRow) -> str:
    directory = row.directory
    if evidence_gone(row):
        return f"its evidence is gone: {visible(directory)}"
    return "\n".join(visible(path) for path in (directory, *_below(view, directory)))


def _below(view: RunView, directory: str) -> Iterator[str]:
    """The files of an attempt that are worth a look, where they exist."""
    traces = (step.trace.path for step in (*view.steps, *view.services) if step.trace is not None)
    timelines = (watch.path for watch in view.watches)
    names = [
        view.output.path,
        "repro.camp",
        *traces,
        *timelines,
        *(path for oracle in view.oracles for path in oracle.paths),
    ]
    return (f"  {name}" for name in names if name and os.path.exists(os.path.join(directory, name)))
