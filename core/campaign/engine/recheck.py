"""``campaign recheck``: saved evidence judged again, several runs at a time, by what spec and rule sets say today.

Nothing of a tool is run and no evidence is written.  Oracles are asked in provider hosts of their own; what they say
goes into the ledger beside the judgements of then, a part at a time, by whoever holds the workspace: a crash loses
what was not yet written and leaves every recorded verdict as it was.
"""

from __future__ import annotations

import os
import signal
import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from campaign.analysis.rechecked import Rechecked, compare
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, Severity
from campaign.engine import wire
from campaign.engine.asking import ask
from campaign.engine.workspace import Workspace
from campaign.judge.again import exits_by, judged_by
from campaign.judge.classify import decide
from campaign.judge.triage import triage
from campaign.language.files import Reader
from campaign.language.resolve import check
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import AttemptRecord, AttemptRow, CampaignRow, JudgementRow
from campaign.plan import snapshot as snapshots
from campaign.plan.plan import Options, Plan, plan_checked
from campaign.plan.render import RenderContext, render
from campaign.plan.ruled import Host, bind_rules
from campaign.plugins.registry import Registry
from campaign.proc import Entry, descendants, send_all, table
from campaign.records import Decision, Exit, Failure, FailureKind, OracleRecord, Order, Verdict, secrets_of
from campaign.rules.failures import quarantined
from campaign.rules.structs import Quarantine, RuleBook
from campaign.supervise.children import Children
from campaign.supervise.evidence import doubts, searched_again
from campaign.supervise.hostclient import HostClient
from campaign.supervise.judging import Judging
from campaign.supervise.loop import Loop
from campaign.supervise.subreaper import become_subreaper

#: Judgements that are written in one transaction, by number and by bytes, and runs that wait in front of a slow one.
_AT_A_TIME, _BYTES_AT_A_TIME, _AHEAD = 200, 1 << 20, 64
_encode = msgspec.json.Encoder().encode
#: How long KILL is repeated to what oracles have left, and how often.
_PATIENCE_S, _ROUND_S = 10.0, 0.02
#: The names in a folder; raises OSError.
Listing = Callable[[str], Sequence[str]]
_GONE = "its cell is not in the plan any more: judged as it was ordered then"


class Yardstick(Struct, frozen=True):
    """What a campaign is judged by today: the current plan, and how its orders are rendered."""

    plan: Plan
    context: RenderContext
    book: RuleBook
    quarantined: Mapping[str, Quarantine]
    warnings: tuple[Diagnostic, ...] = ()


def yardstick(  # noqa: PLR0913, PLR0917 - where the campaign stands, what reads, and the day
    campaign: CampaignRow,
    workspace: str,
    spec: str | None,
    read: Reader,
    host: Host,
    environ: Mapping[str, str],
    day: str,
) -> Yardstick:
    """Plan the spec of a recorded campaign as it is by now, or another one; raises CampaignError where that is wrong.

    Tier, settings and seeds are those of then.  What breaks a limit by now is a warning, for nothing is run.
    """
    with LedgerReader(Workspace(workspace).ledger) as ledger:
        then = snapshots.load(campaign.snapshot or campaign.plan_hash, ledger.blob)
    directory = os.getcwd() if spec is not None else then.directory
    here: Reader = lambda path: read(os.path.join(directory, path))  # noqa: E731
    there = replace(host, folder=_below(directory, host.folder))
    registry = Registry()
    plan, book, found = _planned(spec or then.spec, here, _options(then.options), registry, there)
    context = RenderContext(
        campaign=campaign.id,
        campaign_name=plan.name,
        campaign_seed=plan.seed,
        run_root=campaign.run_root,
        attempts=Workspace(workspace).attempts,
        root=directory,
        env=ChainMap(dict(then.environment), dict(environ)),
        epoch=0,
        token=lambda: "recheck",
        plugins=tuple(each.plugin for each in registry.distributions()),
        signed_by=registry.implementing("campaign_fingerprint"),
        book=book,
    )
    return Yardstick(plan, context, book, quarantined(book, day), tuple(found))


def _below(directory: str, listing: Listing | None) -> Listing | None:
    return None if listing is None else lambda path: listing(os.path.join(directory, path))


def _options(then: Options) -> Options:
    """What made the runs what they are; what only chose among them is left out."""
    return Options(tier=then.tier, seeds=then.seeds, campaign_seed=then.campaign_seed, sets=then.sets)


def _planned(
    spec: str, read: Reader, options: Options, registry: Registry, host: Host
) -> tuple[Plan, RuleBook, list[Diagnostic]]:
    checked, found = check(spec, read, registry)
    _refuse(found)
    if checked is None or checked.campaign is None:
        raise CampaignError([Diagnostic("CAMP212", f"{spec} has no campaign, so there is nothing to judge by")])
    rules, wrong = bind_rules(checked, read, registry, host)
    _refuse(wrong)
    plan, more = plan_checked(checked, options, registry, rules)
    limits = [each for each in more if each.status is ExitStatus.SAFETY]
    _refuse([each for each in more if each not in limits])
    assert plan is not None
    told = [replace(each, severity=Severity.WARNING, status=ExitStatus.PASSED) for each in limits]
    return plan, rules.book if rules is not None else RuleBook(), told


def _refuse(found: list[Diagnostic]) -> None:
    if any(each.severity is Severity.ERROR for each in found):
        raise CampaignError(found)


# --- one run ----------------------------------------------------------------------------------------------------


class Case(Struct, frozen=True, kw_only=True):
    """A recorded attempt, ready to be judged: the order and exit record that are judged, and what is to be known."""

    row: AttemptRow
    order: Order
    exit: Exit | None
    doubts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def case_of(record: AttemptRecord, by: Yardstick, judged_at: float) -> Case:
    """A recorded attempt beside what it is judged by today; ``judged_at``: seconds since 1970."""
    then, exit_ = record.order, record.exit
    run = by.plan.find(then.key)
    if exit_ is None:
        return Case(row=record.row, order=then, exit=None, doubts=("it left no exit record",))
    found = list(doubts(then, exit_, record.row.digest, judged_at))
    if run is None:
        return Case(row=record.row, order=then, exit=exit_, doubts=tuple(found), remarks=(_GONE,))
    try:
        order = judged_by(then, render(run, then.attempt, by.context))
        seen, untold = searched_again(then, order, exits_by(order, exit_))
    except CampaignError as error:
        told = "; ".join(each.summary for each in error.diagnostics)
        return Case(row=record.row, order=then, exit=exit_, doubts=(*found, f"it cannot be judged by the spec: {told}"))
    except OSError as error:
        seen, untold = exit_, [f"its output cannot be read: {error.strerror}"]
    return Case(row=record.row, order=order, exit=seen, doubts=(*found, *untold))


def judged(
    case: Case, oracles: tuple[OracleRecord, ...], signature: str | None, by: Yardstick
) -> tuple[Rechecked, Decision]:
    """What a case comes to today, beside what it came to then."""
    if case.exit is None:
        failure = Failure(FailureKind.LOST, case.doubts[0])
        decision, known = Decision(Verdict.ERROR, case.doubts[0], failure), []
    else:
        decision = decide(case.order, case.exit, oracles, signature=signature)
        known = triage(by.book, case.order, case.exit, oracles, decision)
    compared = compare(
        case.row,
        case.order,
        oracles,
        decision,
        doubts=case.doubts,
        remarks=case.remarks,
        triage=[rule.id for rule in known],
        quarantined=by.quarantined,
    )
    return compared, decision


# --- all of them ------------------------------------------------------------------------------------------------


class _Bench:
    """A loop and one provider host: what a judging needs of a place."""

    def __init__(self, loop: Loop, children: Children) -> None:
        self.loop, self.host = loop, HostClient(loop, children)


class Recheck:
    """Judges the runs of a campaign again; ``results`` gives them in the order in which they were admitted."""

    def __init__(
        self, campaign: CampaignRow, workspace: str, by: Yardstick, parallel: int, now: Callable[[], str]
    ) -> None:
        self._campaign, self._workspace, self._by, self._now = campaign, workspace, by, now
        self._loop = Loop()
        self._before = {(each.pid, each.start_time) for each in descendants(os.getpid(), table())}
        become_subreaper()
        children = Children(self._loop)
        self._free = [_Bench(self._loop, children) for _ in range(parallel)]
        self._benches = tuple(self._free)
        self._done: dict[int, Rechecked] = {}
        self._waiting: list[wire.Rejudged] = []
        self._waiting_bytes = 0

    def results(self) -> Iterator[Rechecked]:
        """One run after the other, in constant memory; raises CampaignError, LedgerError."""
        begun = told = 0
        try:
            with LedgerReader(Workspace(self._workspace).ledger) as ledger:
                cases = self._cases(ledger)
                more = True
                while more or told < begun:
                    while more and self._free and begun - told < _AHEAD:
                        case = next(cases, None)
                        more = case is not None
                        if case is not None:
                            self._begin(begun, case)
                            begun += 1
                    while told in self._done:
                        yield self._done.pop(told)
                        told += 1
                    if told < begun:
                        self._loop.run_once()
        finally:
            for bench in self._benches:
                bench.host.kill("it is over")
            self._end_what_is_left()
            self._write()

    def _end_what_is_left(self) -> None:
        """Kill what oracles have left behind: as orphans they have become our children."""
        deadline = self._loop.now() + _PATIENCE_S
        while left := [each for each in descendants(os.getpid(), table()) if self._is_new(each)]:
            send_all(left, signal.SIGKILL)
            if self._loop.now() > deadline:
                break
            time.sleep(_ROUND_S)

    def _is_new(self, process: Entry) -> bool:
        return (process.pid, process.start_time) not in self._before

    def _cases(self, ledger: LedgerReader) -> Iterator[Case]:
        for row in ledger.deciding_attempts(self._campaign.id):
            record = ledger.record(row.token) if row.state == "done" and row.again is None else None
            if record is not None:
                yield case_of(record, self._by, _judged_at(ledger.judgements(row.token)))

    def _begin(self, number: int, case: Case) -> None:
        if case.exit is None or not case.order.is_judged:
            self._end(number, case, (), None)
            return
        bench = self._free.pop()
        bench.host.secrets = secrets_of(case.order)

        def done(oracles: tuple[OracleRecord, ...], signature: str | None) -> None:
            self._free.append(bench)
            self._end(number, case, oracles, signature)

        Judging(case.order, case.exit, bench, late=case.exit.late, public=None, done=done, unseen=True).start()

    def _end(self, number: int, case: Case, oracles: tuple[OracleRecord, ...], signature: str | None) -> None:
        compared, decision = judged(case, oracles, signature, self._by)
        self._done[number] = compared
        if case.doubts and case.exit is not None:  # what is not the evidence of then proves nothing, whatever it says
            decision = Decision(Verdict.ERROR, f"not verified: {case.doubts[0]}", decision.failure)
        rejudged = wire.Rejudged(case.row.token, self._now(), oracles, decision)
        self._waiting.append(rejudged)
        self._waiting_bytes += len(_encode(rejudged))  # oracles may say much
        if len(self._waiting) >= _AT_A_TIME or self._waiting_bytes >= _BYTES_AT_A_TIME:
            self._write()

    def _write(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if waiting:
            asked = wire.Rejudge(self._campaign.id, tuple(waiting))
            ask(self._workspace, "rejudge", asked, lambda desk: desk.rejudge(asked))


def _judged_at(judgements: list[JudgementRow]) -> float:
    """When it was last judged on evidence that was what it had been: seconds since 1970."""
    sound = [each.at for each in judgements if each.source == "exec" or each.decision.verdict is not Verdict.ERROR]
    return max((datetime.fromisoformat(at).timestamp() for at in sound), default=0.0)
