"""``campaign exec`` from the first to the last step; each of them is told in a module of its own.

prepare      the plan, its snapshot, and whether this machine can carry it out
planner      renders orders for the engine, writes down what it says
  client       starts the engine's process
  daemon       starts supervisors, then becomes the engine: shell round a pure core
conclude     the summary and the reports, from what the ledger holds
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from campaign.analysis.beside import read_beside
from campaign.analysis.recorded import results_of, write_report
from campaign.analysis.reporting import Wanted
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine.audience import Watcher
from campaign.engine.client import Connect, EngineLink
from campaign.engine.host import describe_host
from campaign.engine.planner import Errand, Outcome, Planner, Renderer
from campaign.engine.prepare import Prepared, plan_view
from campaign.engine.project import HOST, Projector
from campaign.engine.protocol import Lane
from campaign.engine.tools import plan_tools
from campaign.engine.works import makers
from campaign.engine.workspace import Workspace
from campaign.ledger.opening import LedgerMissingError, vanished
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignRow
from campaign.plan.counts import count
from campaign.plan.matrix import Run, chains
from campaign.plan.plan import Plan
from campaign.plan.render import render
from campaign.plugins.api import Fault
from campaign.plugins.printing import printing_aside
from campaign.plugins.registry import Registry
from campaign.records import FaultOrder, PlanTool, Summary
from campaign.rules.failures import quarantined
from campaign.rules.structs import Quarantine, RuleBook


def carry_out(prepared: Prepared, workspace: Workspace, watcher: Watcher, connect: Connect | None = None) -> Outcome:
    """Run the campaign to its end, its interruption or its breakdown; raises CampaignError for the last.

    ``connect`` begins the conversation with the engine that carries it out; without it one is started.
    """
    workspace.prepare()
    campaign = prepared.campaign
    try:
        host = describe_host()
        projector = Projector(campaign.run_root, campaign.id, host.id)
        projector.alone()
        before = projector.host_before()
        if before is None or before.boot_id != host.boot_id:
            projector.start_over()
        projector.file("plan.json", plan_view(prepared, _tools(prepared)))
        projector.file(HOST, host)
    except OSError as error:
        summary = f"the run root {campaign.run_root} cannot be written: {error.strerror}"
        raise CampaignError([Diagnostic("CAMP512", summary, status=ExitStatus.SETUP)]) from error
    try:
        errand = _errand(prepared, workspace)
        own: Connect = lambda loop, heard: EngineLink(loop, workspace.path, errand.places, heard)  # noqa: E731
        return Planner(errand, projector, watcher, prepared.registry, connect or own).run()
    except LedgerMissingError as error:
        raise vanished(workspace.ledger) from error
    finally:
        projector.close()


def conclude(
    prepared: Prepared,
    workspace: Workspace,
    reports: Sequence[Wanted],
    now: str,
    unwritten: Callable[[str, OSError | CampaignError], None],
) -> Summary:
    """Write ``summary.json`` and the reports; raises LedgerError.

    The runs have run: ``unwritten`` is told of a file that cannot be written, and the others are.
    """
    campaign = prepared.campaign
    try:
        ledger = LedgerReader(workspace.ledger)
    except LedgerMissingError as error:
        raise vanished(workspace.ledger) from error
    with ledger:
        row = ledger.campaign(campaign.id)
        assert row is not None
        results = results_of(ledger, row, now)
        try:
            _write_summary(campaign, results.summary)
        except OSError as error:
            unwritten(os.path.join(campaign.run_root, "summary.json"), error)
        for wanted in reports:
            path = os.path.join(campaign.run_root, wanted.file)
            try:
                write_report(wanted, results, path)
            except (OSError, CampaignError) as error:
                unwritten(path, error)
    return results.summary


def _write_summary(campaign: CampaignRow, summary: Summary) -> None:
    projector = Projector(campaign.run_root, campaign.id, "")
    try:
        projector.file("summary.json", summary)
    finally:
        projector.close()


def _errand(prepared: Prepared, workspace: Workspace) -> Errand:
    plan, whole = prepared.plan, prepared.plan.whole
    numbers = {id(each.scenario): number for number, each in enumerate(plan.selected)}
    places = prepared.capacity.parallel
    return Errand(
        campaign=prepared.campaign,
        workspace=workspace.path,
        ledger=workspace.ledger,
        places=max(1, min(places, prepared.counts.runs)) if prepared.counts and not prepared.requests else places,
        lanes={} if prepared.aside else dict(enumerate(_lanes(plan))),
        find=plan.find,
        chain=plan.chain_of,
        number=lambda run: numbers[id(run.cell.scenario)],
        renderer=lambda epoch, token: _renderer(prepared, workspace, epoch, token),
        blobs=prepared.blobs,
        slots=prepared.capacity.slots,
        stop_on_fail=prepared.until_fail or bool(whole and whole.stop_on_fail),
        requests=() if prepared.resume else prepared.requests,
        makers=makers(prepared),
        aside=prepared.aside,
        signals=lambda fault: _signals(prepared.registry, fault),
        attempts=workspace.attempts,
        resume=prepared.resume,
        quarantined=_quarantined(prepared),
        book=plan.rules.book if plan.rules is not None else RuleBook(),
    )


def _signals(registry: Registry, fault: FaultOrder) -> tuple[str, ...]:
    """What a fault says of itself; a stranger's code that is wrong says nothing."""
    provider = registry.find("fault", fault.fault)
    try:
        with printing_aside():
            names = tuple(map(str, provider.signals(fault.settings))) if isinstance(provider, Fault) else ()
    except (Exception, SystemExit):
        return ()
    return names if all(f"SIG{name}" in signal.Signals.__members__ for name in names) else ()


def _quarantined(prepared: Prepared) -> Mapping[str, Quarantine]:
    """The failures that do not count on the day (UTC) on which the campaign began."""
    rules = prepared.plan.rules
    return quarantined(rules.book, prepared.campaign.created_at[:10]) if rules is not None else {}


def _lanes(plan: Plan) -> Iterator[tuple[Lane, Iterator[tuple[Run, ...]]]]:
    """A lane for each scenario, its runs one by one or by chains; ``--limit`` cuts them off in that order."""
    left = plan.options.limit
    for number, each in enumerate(plan.selected):
        lane = Lane(
            number=number,
            group=each.scenario.group,
            label=each.scenario.label_text,
            priority=each.scenario.priority,
            needs=each.scenario.needs,
            prefers=each.scenario.prefers,
            rests=each.scenario.program.cooldown is not None,
            chained=each.scenario.program.chained,
        )
        runs = plan.runs_of(each)
        if left is not None:
            here = min(left, count([each], plan.seed, left).runs) if left else 0
            left -= here
            runs = islice(runs, here)
        yield lane, chains(runs) if lane.chained else ((run,) for run in runs)


def _renderer(prepared: Prepared, workspace: Workspace, epoch: int, token: Callable[[], str]) -> Renderer:
    context = prepared.context(epoch, workspace.attempts, token)
    return lambda run, attempt: render(run, attempt, context)


def _tools(prepared: Prepared) -> tuple[PlanTool, ...]:
    """The tools as they were when the campaign began, where that is still known."""
    planned = read_beside(prepared.campaign.run_root).plan if prepared.resume else None
    if planned is not None:
        return planned.tools
    return plan_tools(prepared.plan, prepared.snapshot.plugins, prepared.context(0, "/", lambda: ""))
