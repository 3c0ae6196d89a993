"""``campaign exec SPEC``: plan, admit, run to the end, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TextIO

import click
import msgspec

from campaign.analysis.reporting import Wanted, wanted, wanted_by
from campaign.cli.confirm import confirm_rules
from campaign.cli.files import read_file, unwritable
from campaign.cli.following import Tale
from campaign.cli.here import this_host
from campaign.cli.options import format_option, no_progress_option, repeat_options, selection_options, workspace_option
from campaign.cli.progress import watcher
from campaign.cli.queueing import chosen, environment, follow, hello, submission, submit, tell_of_many, unwritten
from campaign.cli.queueing import conclude as report
from campaign.cli.render import print_diagnostics
from campaign.cli.streams import keep_standard_streams_apart
from campaign.cli.summary import summary_text
from campaign.cli.tables import print_json
from campaign.cli.tokens import Silent, Tokens, TokenWatcher, Writer, tell_devices, told
from campaign.engine import wire
from campaign.engine.asking import ask, call, now
from campaign.engine.desk import new_submission
from campaign.engine.execute import carry_out, conclude
from campaign.engine.prepare import Prepared, Wishes, prepare, prepare_again, repeated
from campaign.engine.tightened import refuse_going_on
from campaign.engine.workspace import Workspace
from campaign.plan.plan import Options
from campaign.records import Summary

_NEWEST = "\0newest"


@click.command("exec")
@click.argument("spec", required=False, type=click.Path())
@selection_options
@repeat_options
@click.option("--parallel", type=click.IntRange(min=1), metavar="N", help="Runs at a time, instead of the spec's.")
@click.option("--run-root", type=click.Path(file_okay=False), metavar="DIR", help="Where evidence and reports go.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=_NEWEST,
    metavar="[CAMPAIGN]",
    help="Go on with the newest unfinished campaign of SPEC, or with the one that is named.",
)
@click.option("--report", "reports", multiple=True, metavar="NAME", help="A report beside the spec's own; repeat it.")
@click.option("--yes", is_flag=True, help="Take the limits that `rules auto` chose without asking.")
@click.option("--tokens", is_flag=True, help="One line an event on standard output, for editors and CI.")
@format_option()
@no_progress_option
@workspace_option
def command(
    spec: str | None,
    options: Options,
    parallel: int | None,
    run_root: str | None,
    resume: str | None,
    until_fail: bool,
    max_runs: int | None,
    reports: tuple[str, ...],
    yes: bool,
    tokens: bool,
    output_format: str,
    progress: bool,
    workspace: str,
) -> int:
    """Run the campaign of SPEC to its end; Ctrl-C once winds down, twice ends what runs, and --resume goes on.

    Where a daemon runs in this workspace, it carries the campaign out, and Ctrl-C only stops looking on.
    """
    keep_standard_streams_apart()
    if tokens and output_format == "json":
        raise click.UsageError("--tokens and --format json both want standard output; ask for one")
    if until_fail and resume is not None:
        raise click.UsageError("a campaign goes on as it began: --resume takes no --until-fail")
    wishes = Wishes(workspace=workspace, run_root=run_root, parallel=parallel, host=this_host())
    writer = Tokens(sys.stdout) if tokens else Silent()
    with told(writer):
        writer.say("stage", "plan", spec=spec)
        live = daemon_of(workspace)
        prepared = _prepared(spec, options, resume, wishes, environment(live, os.environ))
        if until_fail:
            prepared = repeated(prepared, max_runs, new_submission())
        confirm_rules(prepared.plan, prepared.campaign, workspace, yes=yes or prepared.resume)
        return execute(prepared, workspace, writer, progress, output_format, reports, daemon=live)


def execute(
    prepared: Prepared,
    workspace: str,
    writer: Writer,
    progress: bool,
    output_format: str,
    reports: tuple[str, ...] = (),
    *,
    daemon: wire.Live | None,
) -> int:
    """Have a campaign carried out, by the daemon or by ourselves, and say what it came to; the exit status."""
    if prepared.warnings:
        print_diagnostics(prepared.warnings, sys.stderr)
    tell_of_many(prepared)
    reporters = _reporters(prepared, reports)
    if daemon is not None:
        return _followed(prepared, workspace, daemon, writer, progress, output_format, reports)
    status, summary = _carried_out(prepared, Workspace(workspace), reporters, writer, progress)
    if prepared.registry.hears("campaign_finished"):
        print_diagnostics(prepared.registry.emit("campaign_finished", summary=summary), sys.stderr)
    stream = sys.stderr if isinstance(writer, Tokens) else sys.stdout
    _show(summary, prepared.campaign.run_root, output_format, stream)
    return status


def _carried_out(
    prepared: Prepared, place: Workspace, reporters: Sequence[Wanted], tokens: Writer, live: bool
) -> tuple[int, Summary]:
    """Run it and write its reports; the exit status, and what it came to."""
    campaign = prepared.campaign
    tell_devices(tokens, prepared.capacity)
    tokens.say("stage", "run", campaign=campaign.id, runs=campaign.total, parallel=campaign.parallel)
    shown = TokenWatcher(tokens, watcher(sys.stderr, os.environ, live=live))
    outcome = carry_out(prepared, place, shown)
    tokens.say("stage", "report", root=campaign.run_root)
    summary = conclude(prepared, place, reporters, now(), unwritten)
    tokens.say("stage", "end", status=outcome.status, state=summary.state, **summary.verdicts)
    return outcome.status, summary


def _followed(
    prepared: Prepared,
    workspace: str,
    daemon: wire.Live,
    tokens: Writer,
    live: bool,
    output_format: str,
    reports: tuple[str, ...],
) -> int:
    """Have the daemon carry it out, look on to the end and say what it came to; the exit status."""
    row = prepared.campaign
    tale = Tale(tokens, workspace, row.id if prepared.resume else None) if isinstance(tokens, Tokens) else None
    tell_devices(tokens, prepared.capacity, {slot.name: slot.count for slot in daemon.slots})
    campaign = _hand_over(prepared, workspace)
    tokens.say("stage", "run", campaign=campaign, runs=row.total, parallel=min(row.parallel, daemon.places))
    if tale is not None:
        tale.begin(campaign, row.total)
    ended = follow(workspace, campaign, live=live, tale=tale)
    tokens.say("stage", "report", root=chosen(workspace, campaign).run_root)
    stream = sys.stderr if isinstance(tokens, Tokens) else sys.stdout
    summary = report(workspace, campaign, output_format, reports, stream)
    tokens.say("stage", "end", status=ended.status, state=ended.state, **summary.verdicts)
    return ended.status


def daemon_of(workspace: str) -> wire.Live | None:
    """The daemon that carries out what is submitted here, None where there is none."""
    line = call(workspace)
    live = hello(line)
    if line is not None:
        line.close()
    return live if live is not None and live.queue else None


def _hand_over(prepared: Prepared, workspace: str) -> str:
    """Let the daemon carry it out; the campaign's id."""
    if prepared.resume:
        asked = wire.Enqueue(prepared.campaign.id, new_submission())
        ask(workspace, "enqueue", asked, lambda desk: desk.enqueue(asked))
        return asked.campaign
    return submit(
        submission(prepared), lambda asked: ask(workspace, "submit", asked, lambda desk: desk.submit(asked))[0]
    )


def _prepared(
    spec: str | None, options: Options, resume: str | None, wishes: Wishes, environ: Mapping[str, str]
) -> Prepared:
    """The campaign that is meant: a new one of SPEC, its newest unfinished one, or the one that is named."""
    if resume is None:
        if spec is None:
            raise click.UsageError("name a SPEC")
        return prepare(spec, options, wishes, read_file, environ)
    if options != Options():
        raise click.UsageError("a campaign goes on as it began: --resume takes no selection")
    word = None if resume == _NEWEST else resume
    if spec is None and word is not None and os.path.isfile(word):
        spec, word = word, None  # `exec --resume SPEC`
    prepared = prepare_again(word, spec, wishes, read_file, environ)
    where, campaign = prepared.snapshot.directory, prepared.campaign.id
    warnings = refuse_going_on(prepared.plan, where, campaign, wishes.workspace, read_file)
    return msgspec.structs.replace(prepared, warnings=(*prepared.warnings, *warnings))


def _reporters(prepared: Prepared, names: Sequence[str]) -> list[Wanted]:
    """The reports to write: those of the spec, then those of the command line."""
    checked = prepared.plan.checked
    found = [wanted_by(each, prepared.snapshot.directory) for each in (checked.reports if checked else ())]
    return [*found, *map(wanted, names)]


def _show(summary: Summary, run_root: str, output_format: str, stream: TextIO) -> None:
    """The result, on standard output unless tokens go there; nobody reading it does not change what came out."""
    try:
        if output_format == "json":
            print_json(summary)
        else:
            click.echo(summary_text(summary, run_root), file=stream)
            click.echo(f"\nevidence: {run_root}", file=stream)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        if stream is not sys.stderr:
            with suppress(OSError):  # the terminal is lost, and both with it
                print_diagnostics([unwritable("standard output", error)], sys.stderr)
