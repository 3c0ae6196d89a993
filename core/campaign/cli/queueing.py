"""What the verbs of the queue share: submitting, following to the end, and saying what was done."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO, TypeVar

import click
import msgspec

from campaign.analysis.recorded import results_of, write_report
from campaign.analysis.reporting import wanted
from campaign.cli.files import unwritable
from campaign.cli.following import Follower, Tale
from campaign.cli.grouped import refuse_unknown_group
from campaign.cli.recorded import choose_campaign, open_ledger
from campaign.cli.render import print_diagnostics
from campaign.cli.summary import summary_text
from campaign.cli.tables import print_json
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, Severity
from campaign.engine import wire
from campaign.engine.asking import GONE, HELD, Line, ask, call, gone, now, persistently
from campaign.engine.desk import Desk, new_submission
from campaign.engine.prepare import Prepared
from campaign.ledger.rows import CampaignRow, left_alone
from campaign.records import Summary

#: That many times an id that another campaign bears is made anew; two hex bytes tell those of one second apart.
_MOST_NAMES = 20
#: How long it is asked again: nobody tells when another one holds the workspace.
_PERSISTENCE_S = 10.0
#: More runs than this are told before they begin.
_MANY = 1_000_000
_Asked = TypeVar("_Asked")
NO_DAEMON = "no daemon runs here: campaign daemon carries out what is queued"


def tell(text: str) -> None:
    """A line for the person, on standard error."""
    click.echo(f"campaign: {visible(text)}", err=True)


def tell_of_many(prepared: Prepared) -> None:
    """Before a campaign begins that will take days and fill disks: how many runs it has."""
    runs = prepared.counts.runs if prepared.counts is not None else 0
    if runs > _MANY and not prepared.resume:
        tell(f"{prepared.plan.name} has {runs:_} runs: campaign plan counts them, --limit N takes the first ones")


def chosen(workspace: str, word: str | None) -> CampaignRow:
    """The campaign that a word means.  Raises CampaignError."""
    with open_ledger(workspace) as ledger:
        return choose_campaign(ledger, word)


def environment(live: wire.Live | None, environ: Mapping[str, str]) -> Mapping[str, str]:
    """What a spec is checked against: the named slots of the daemon, where it says what there are."""
    if live is None or live.declared is None:
        return environ
    return {**environ, "CAMPAIGN_SLOTS": live.declared}


def hello(line: Line | None) -> wire.Live | None:
    """Who serves the workspace; None: nobody, or somebody who is just leaving it.  Raises CampaignError."""
    try:
        return line.ask("status", None, wire.Live) if line is not None else None
    except EOFError:
        return None


def submission(prepared: Prepared) -> wire.Submit:
    """A prepared campaign as it is asked for; the same one as often as it is sent."""
    row = msgspec.structs.replace(prepared.campaign, submission=new_submission())
    return wire.Submit(row, prepared.blobs, prepared.requests)


def submit(asked: wire.Submit, send: Callable[[wire.Submit], wire.Done]) -> str:
    """Have a campaign recorded, once however often it has to be asked for; returns its id.  Raises CampaignError."""
    for _ in range(_MOST_NAMES):
        try:
            return persist(asked, send).campaigns[0]
        except CampaignError as error:
            if error.diagnostics[0].code != "CAMP521":
                raise
            asked = _renamed(asked)
    raise CampaignError([Diagnostic("CAMP521", "no id was free", status=ExitStatus.SETUP)])


def persist(asked: _Asked, send: Callable[[_Asked], wire.Done]) -> wire.Done:
    """Ask again, what is safe to be asked twice, where the workspace's daemon died before it answered."""
    return persistently(lambda: send(asked), {HELD, GONE}, _PERSISTENCE_S)


def _renamed(asked: wire.Submit) -> wire.Submit:
    row = asked.campaign
    name = row.id[:-4] + os.urandom(2).hex()
    root = os.path.join(os.path.dirname(row.run_root), name)
    requests = tuple(msgspec.structs.replace(each, campaign=name) for each in asked.requests)
    renamed = msgspec.structs.replace(row, id=name, run_root=root)
    return msgspec.structs.replace(asked, campaign=renamed, requests=requests)


def follow(workspace: str, campaign: str, *, live: bool, tale: Tale | None = None) -> wire.Ended:
    """Wait for a campaign's end, telling how far it is, and what keeps it from going on.

    Raises CampaignError where nobody carries it out.
    """
    row = chosen(workspace, campaign)
    line = call(workspace)
    if line is None:
        if row.finished:
            return wire.Ended(row.state, row.exit_status or 0)
        hint = "campaign daemon carries out what is queued; campaign exec --resume goes on with it right here"
        summary = f"{row.id} is {left_alone(row).state}, and no daemon runs here"
        raise CampaignError([Diagnostic("CAMP526", summary, hint=hint, status=ExitStatus.SETUP)])
    try:
        ended = _look_on(line, row.id, Follower(workspace, row, sys.stderr, live=live, tale=tale))
    except EOFError:
        row = chosen(workspace, campaign)
        if not row.finished:
            raise gone() from None
        ended = wire.Ended(row.state, row.exit_status or 0)  # an exec goes as soon as its campaign is over
    except KeyboardInterrupt:
        again = f"campaign wait {row.id} waits for its end, campaign cancel {row.id} ends it"
        tell(f"{row.id} goes on, carried out by process {line.pid}: {again}")
        raise
    if ended.why:
        tell(f"{row.id} cannot go on: {ended.why}")
    return ended


def _look_on(line: Line, campaign: str, follower: Follower) -> wire.Ended:
    """Until it is over.  Raises EOFError where whoever carries it out goes."""
    try:
        return line.ask("follow", wire.Name(campaign), wire.Ended, follower.show, follower.look)
    finally:
        follower.end()
        line.close()


def conclude(
    workspace: str, campaign: str, output_format: str, reports: tuple[str, ...] = (), stream: TextIO | None = None
) -> Summary:
    """Write the reports that were asked for, and print what a campaign came to (to standard output unless told)."""
    with open_ledger(workspace) as ledger:
        row = choose_campaign(ledger, campaign)
        results = results_of(ledger, row, now())
        summary = results.summary
        for name in reports:
            asked = wanted(name)
            path = os.path.join(row.run_root, asked.file)
            try:
                write_report(asked, results, path)
            except (OSError, CampaignError) as error:
                unwritten(path, error)
    if output_format == "json":
        print_json(summary)
    else:
        click.echo(summary_text(summary, row.run_root), file=stream)
        click.echo(f"\nevidence: {visible(row.run_root)}", file=stream)
    return summary


def unwritten(path: str, error: OSError | CampaignError) -> None:
    """A result that cannot be written changes nothing of what the campaign came to."""
    found: Sequence[Diagnostic]
    if isinstance(error, OSError):
        hint = "the ledger has it all: campaign report writes it when there is room"
        found = [msgspec.structs.replace(unwritable(path, error), hint=hint)]
    else:
        found = error.diagnostics
    print_diagnostics([msgspec.structs.replace(each, severity=Severity.WARNING) for each in found], sys.stderr)


def control(workspace: str, verb: str, campaign: str | None, prefix: str | None) -> tuple[wire.Done, bool]:
    """Pause, resume or cancel, by whoever serves the workspace or by ourselves.  Raises CampaignError."""
    name = None
    if campaign is not None:
        row = chosen(workspace, campaign)
        if prefix is not None and not row.finished:
            refuse_unknown_group(workspace, row, prefix)
        name = row.id
    args = wire.Control(name, prefix or "")
    return ask(workspace, verb, args, lambda desk: _directly(desk, verb, args))


def _directly(desk: Desk, verb: str, args: wire.Control) -> wire.Done:
    if verb == "pause":
        return desk.pause(args)
    if verb == "resume":
        return desk.resume(args)
    done = desk.cancel(args)
    for name in done.campaigns:
        desk.finish_canceled(name)
    return done
