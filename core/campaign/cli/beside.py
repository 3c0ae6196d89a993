"""Having something carried out beside a plan: by whoever serves the workspace, else by ourselves."""

from __future__ import annotations

import os
import sys

from campaign.cli.files import read_file
from campaign.cli.here import this_host
from campaign.cli.progress import watcher
from campaign.cli.queueing import chosen, hello, persist, tell
from campaign.cli.recorded import choose_run, open_ledger
from campaign.cli.render import print_diagnostics
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine import wire
from campaign.engine.asking import Watch, ask, call, gone
from campaign.engine.execute import carry_out
from campaign.engine.prepare import Wishes, prepare_again
from campaign.engine.tightened import refuse_order
from campaign.engine.workspace import Workspace
from campaign.ledger.rows import OPEN, AttemptRecord, RequestRow
from campaign.records import MASK

#: How often it is looked whether it is done, where whoever carries it out says nothing.
_LOOK_S = 1.0


def subject(workspace: str, word: str, verb: str) -> AttemptRecord:
    """The attempt that ``word`` means, of which ``verb`` can do more; raises CampaignError.

    Its values are held against the rule sets as they are by now: nothing is asked for where one is refused.
    """
    with open_ledger(workspace) as ledger:
        record = ledger.record(choose_run(ledger, word)[-1].token)
    assert record is not None
    why = _objection(record)
    if why is not None:
        row = record.row
        summary = f"{row.name} of {row.campaign} cannot be {verb}: {why[0]}"
        raise CampaignError([Diagnostic("CAMP590", summary, hint=why[1], status=ExitStatus.SETUP)])
    refuse_order(record.order, read_file)
    return record


def _objection(record: AttemptRecord) -> tuple[str, str] | None:
    """Why nothing more can be done with an attempt, and what helps; None where it can."""
    row = record.row
    if row.state == "lost":
        return "it is lost, so nobody knows what became of it", f"campaign release {row.name} ends it"
    if row.state != "done":
        return f"it is not at its end: it is {row.state}", "campaign wait waits for that"
    if record.exit is None:
        return "it never ran, or left no record of how it ended", "campaign retry carries out what did not pass"
    if MASK in record.order.environment.values() or any(MASK in each.env.values() for each in record.order.steps):
        return "it was imported, without the values of its environment", "campaign exec its spec here"
    if not os.path.isdir(row.directory):
        return f"its evidence {row.directory} was removed", "campaign rerun begins the campaign anew"
    return None


def carried_out(workspace: str, request: RequestRow, parallel: int | None, *, live: bool) -> RequestRow:
    """Have it carried out and wait for its end; raises CampaignError, KeyboardInterrupt where we were interrupted."""
    campaign = chosen(workspace, request.campaign)
    slots = min(parallel or campaign.parallel, campaign.parallel)
    wishes = Wishes(workspace=workspace, parallel=slots, host=this_host())
    prepared = prepare_again(None, None, wishes, read_file, os.environ, aside=campaign)  # before anything is asked for
    if prepared.warnings:
        print_diagnostics(prepared.warnings, sys.stderr)
    line = call(workspace)
    served = hello(line)
    if line is not None:
        line.close()
    asked = wire.Beside(request)
    persist(asked, lambda it: ask(workspace, "beside", it, lambda desk: desk.beside(it))[0])
    if served is not None and (served.queue or campaign.id in served.campaigns):
        found = _awaited(workspace, request)
        if found is not None:
            return found
        if served.queue:
            raise gone()  # the next daemon goes on with it; what an exec has left nobody else does
    outcome = carry_out(prepared, Workspace(workspace), watcher(sys.stderr, os.environ, live=live))
    if outcome.status == ExitStatus.INTERRUPTED:
        raise KeyboardInterrupt
    found = _found(workspace, request)
    if found.state == OPEN:
        raise gone()
    return found


def _awaited(workspace: str, request: RequestRow) -> RequestRow | None:
    """Its end; None where whoever was to carry it out is gone."""
    line = call(workspace)
    if line is None:
        return _ended(workspace, request)
    watch = Watch(line)
    try:
        while (found := _found(workspace, request)).state == OPEN:
            news = watch.news(_LOOK_S)
            if news is not None and request.campaign in news.waiting:
                summary = f"{request.campaign} cannot go on: {news.waiting[request.campaign]}"
                raise CampaignError([Diagnostic("CAMP526", summary, status=ExitStatus.SETUP)])
    except EOFError:
        return _ended(workspace, request)
    except KeyboardInterrupt:
        tell(f"it goes on, carried out by process {watch.pid}: campaign cancel {request.campaign} ends it")
        raise
    finally:
        watch.close()
    return found


def _ended(workspace: str, request: RequestRow) -> RequestRow | None:
    found = _found(workspace, request)
    return None if found.state == OPEN else found


def _found(workspace: str, request: RequestRow) -> RequestRow:
    with open_ledger(workspace) as ledger:
        found = ledger.request(request.id)
    assert found is not None
    return found
