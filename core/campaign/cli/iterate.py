"""``campaign iterate SPEC|CAMPAIGN``: from a failing campaign to a target win rate, round by round."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import click
import msgspec

from campaign.analysis.recorded import analysis_of, results_of
from campaign.analysis.reporting import wanted_by
from campaign.cli import complete
from campaign.cli.confirm import confirm_rules
from campaign.cli.exec import daemon_of
from campaign.cli.files import read_file
from campaign.cli.here import this_host
from campaign.cli.iteration_shown import show, view_of
from campaign.cli.options import format_option, no_progress_option, selection_options, workspace_option
from campaign.cli.progress import watcher
from campaign.cli.queueing import chosen, environment, follow, persist, submission, submit, tell, unwritten
from campaign.cli.recorded import open_ledger
from campaign.cli.render import print_diagnostics
from campaign.cli.streams import keep_standard_streams_apart
from campaign.cli.tables import cut, print_json
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine import wire
from campaign.engine.asking import ask, gone, now
from campaign.engine.desk import new_submission
from campaign.engine.execute import carry_out, conclude
from campaign.engine.iterate import Carried, Drive, Outcome, Settings
from campaign.engine.prepare import Wishes, campaign_id, over, prepare, prepare_again
from campaign.engine.workspace import Workspace
from campaign.ledger.opening import LedgerMissingError
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import OPEN, CampaignRow, IterationRow, StepRow
from campaign.plan import snapshot as snapshots
from campaign.plan.excerpt import excerpt
from campaign.plan.plan import Options, Plan, make_plan
from campaign.plugins.registry import Registry
from campaign.records import Verdict
from campaign.records.analysis import Analysis
from campaign.units import Dimension, UnitError, parse_quantity

_NEWEST = "\0newest"
_MOST_ROUNDS, _MOST_TRIALS = 1_000, 1_000_000
_NAMED, _MOST_TOLD, _WIDTH = 3, 12, 80
_FAILING = (Verdict.FAIL, Verdict.ERROR)


def _ratio(context: click.Context, param: click.Parameter, given: str | None) -> float | None:
    """``90%`` or ``0.9``."""
    if given is None:
        return None
    try:
        value = float(parse_quantity(given).value) if given.endswith("%") else float(given)
    except (UnitError, ValueError):
        raise click.BadParameter(f"{given!r} is no rate; write 90%", context, param) from None
    if not 0 < value <= 1:
        raise click.BadParameter(f"{given} is not above 0% and at most 100%", context, param)
    return value


def _duration(context: click.Context, param: click.Parameter, given: str) -> float:
    try:
        quantity = parse_quantity(given)
    except UnitError as error:
        raise click.BadParameter(str(error), context, param) from error
    if quantity.dimension is not Dimension.DURATION or quantity.value <= 0:
        raise click.BadParameter(f"{given} is no span of time", context, param)
    return float(quantity.value)


def _words(context: click.Context, param: click.Parameter, given: str | None) -> tuple[str, ...]:
    """A program and its arguments, split like a shell splits words; no shell ever sees them."""
    try:
        words = tuple(shlex.split(given)) if given is not None else ()
    except ValueError as error:
        raise click.BadParameter(f"{given}: {error}", context, param) from error
    if given is not None and not words:
        raise click.BadParameter("it is empty", context, param)
    # A path is looked for from here first, as a shell would, then from the folder of the spec.
    return tuple(
        os.path.abspath(word) if not place and "/" in word and os.path.exists(word) else word
        for place, word in enumerate(words)
    )


@click.command("iterate")
@click.argument("subject", metavar="SPEC|CAMPAIGN", required=False, shell_complete=complete.campaigns)
@click.option("--target", callback=_ratio, metavar="RATE", help="The win rate to reach, instead of the spec's: 90%.")
@click.option("--confidence", callback=_ratio, metavar="RATE", help="How sure to be of it; 95%.")
@click.option("--margin", callback=_ratio, metavar="RATE", help="How far below is certainly not good enough; 5%.")
@click.option("--rounds", type=click.IntRange(1, _MOST_ROUNDS), metavar="N", help="At most so many; 5.")
@click.option("--trials", type=click.IntRange(1, _MOST_TRIALS), metavar="N", help="At most so many in one test.")
@click.option("--ask", "asks", is_flag=True, help="Stop between analysis and retry; --resume goes on.")
@click.option("--hook", callback=_words, metavar="PROGRAM", help="Run it with the analysis on its standard input.")
@click.option("--command-timeout", callback=_duration, default="1h", metavar="DURATION", show_default=True)
@click.option(
    "--resume",
    is_flag=False,
    flag_value=_NEWEST,
    metavar="[ITERATION]",
    help="Go on with the newest open iteration (of SPEC), or with the one that is named.",
)
@click.option("--anew", is_flag=True, help="Begin anew where an iteration of SPEC is open.")
@selection_options
@click.option("--yes", is_flag=True, help="Take the limits that `rules auto` chose without asking.")
@format_option()
@no_progress_option
@workspace_option
def command(
    subject: str | None,
    target: float | None,
    confidence: float | None,
    margin: float | None,
    rounds: int | None,
    trials: int | None,
    asks: bool,
    hook: tuple[str, ...],
    command_timeout: float,
    resume: str | None,
    anew: bool,
    options: Options,
    yes: bool,
    output_format: str,
    progress: bool,
    workspace: str,
) -> int:
    """Analyze, retry the failing cells, run it whole again, until the target is reached or the rounds are over.

    Begins with a full campaign of SPEC, or with a finished CAMPAIGN.  The spec's `iterate` clause says what no option
    does.  Interrupted at any point, the same command goes on; status 0: the target is reached, by a full campaign.
    """
    keep_standard_streams_apart()
    said: dict[str, Any] = {
        "target": target,
        "confidence": confidence,
        "margin": margin,
        "rounds": rounds,
        "trials": trials,
    }
    said |= {"hook": hook or None, "ask": asks or None}
    given = {name: value for name, value in said.items() if value is not None}
    given["timeout_s"] = command_timeout
    hands = _Hands(workspace, yes=yes, live=progress)
    if resume is not None:
        if len(given) > 1 or options != Options() or anew:
            raise click.UsageError("an iteration goes on as it began: --resume takes no other wishes")
        row = _resumed(workspace, None if resume == _NEWEST else resume, subject)
    else:
        if subject is None:
            raise click.UsageError("name a SPEC or a CAMPAIGN")
        row = _wanted(workspace, subject, given, options, hands, anew=anew)
    _stand_where_it_began(row)
    try:
        outcome = Drive(row, Workspace(workspace), hands, new_submission, now).go()
    except KeyboardInterrupt:
        tell(f"interrupted; to go on: campaign iterate --resume {row.id}")
        raise
    _show(workspace, outcome, output_format)
    return outcome.status


def _stand_where_it_began(row: IterationRow) -> None:
    """Relative paths of ``--set`` mean the same in every campaign of an iteration; raises CampaignError."""
    folder = msgspec.convert(row.settings, Settings).folder
    try:
        os.chdir(folder or ".")
    except OSError as error:
        summary = f"{folder}, where {row.id} was begun, cannot be entered: {error.strerror}"
        raise CampaignError(
            [Diagnostic("CAMP598", summary, hint="campaign iterate SPEC --anew begins anew")]
        ) from error


# --- which iteration --------------------------------------------------------------------------------------------


def _open(workspace: str, spec: str | None) -> list[IterationRow]:
    """The iterations that go on, of a spec, the newest first."""
    try:
        with open_ledger(workspace) as ledger:
            found = ledger.iterations()
    except LedgerMissingError:
        return []
    return [each for each in found if each.state == OPEN and spec in {None, each.spec}]


def _resumed(workspace: str, name: str | None, subject: str | None) -> IterationRow:
    """The iteration to go on with.  Raises CampaignError."""
    if name is not None and subject is None and os.path.isfile(name):
        name, subject = None, name  # `--resume SPEC`
    spec = None if subject is None else _subject(workspace, subject)[0]
    found = [each for each in _open(workspace, spec) if name in {None, each.id}]
    if not found:
        what = f"no iteration that goes on is called {name}" if name else "no iteration goes on here"
        raise CampaignError([Diagnostic("CAMP598", what, hint="campaign iterate SPEC begins one")])
    return found[0]


def _wanted(
    workspace: str, subject: str, given: Mapping[str, Any], options: Options, hands: _Hands, *, anew: bool
) -> IterationRow:
    """The open iteration of the same wishes, else a new one.  Raises CampaignError."""
    spec, base = _subject(workspace, subject)
    settings = _settings(spec, base, given, options, workspace)
    at = now()
    for each in _open(workspace, spec):
        if not anew and _same(each.settings, settings, given):
            tell(f"going on with {each.id}")
            return each
        if not anew:
            hint = f"campaign iterate --resume {each.id} goes on with it, --anew begins anew"
            raise CampaignError([Diagnostic("CAMP598", f"{each.id} goes on, with other wishes", hint=hint)])
        hands.keep(msgspec.structs.replace(each, state="canceled", ended_at=at, result={"why": "begun anew"}), None)
    name = campaign_id(os.path.basename(spec).removesuffix(".camp"), datetime.now(UTC))
    return IterationRow(id=f"iterate-{name}", spec=spec, settings=msgspec.to_builtins(settings), at=at)


def _same(recorded: Mapping[str, Any], asked: Settings, given: Mapping[str, Any]) -> bool:
    """Whether an iteration is the one that is asked for; what its spec's clause said when it began holds on."""
    known = msgspec.convert(recorded, Settings)
    names = ("campaign", "options", "hook", *(name for name in given if name not in ("ask", "timeout_s")))
    return all(getattr(known, name) == getattr(asked, name) for name in names)


def _subject(workspace: str, word: str) -> tuple[str, CampaignRow | None]:
    """The spec that is meant, and the finished campaign to begin with.  Raises CampaignError."""
    if os.path.isfile(word) or word.endswith(".camp"):
        return os.path.abspath(word), None
    row = chosen(workspace, word)
    if not row.finished:
        hint = "campaign wait waits for its end"
        raise CampaignError([Diagnostic("CAMP523", f"{row.id} is not finished: it is {row.state}", hint=hint)])
    return row.spec, row


def _settings(
    spec: str, base: CampaignRow | None, given: Mapping[str, Any], options: Options, workspace: str
) -> Settings:
    """What is asked for: the command line's word before that of the clause.  Raises CampaignError."""
    if base is not None:
        with open_ledger(workspace) as ledger:
            options = over(snapshots.load(base.snapshot or base.plan_hash, ledger.blob).options, options)
    plan = _planned(spec, options)[0]
    clause = plan.whole.iterate if plan.whole is not None else None
    said = {name: getattr(clause, name, None) for name in ("target", "confidence", "rounds", "before")}
    wishes = {**{name: value for name, value in said.items() if value}, **given}
    if "target" not in wishes:
        hint = "write `iterate { target = 90% }` into the campaign, or give --target 90%"
        raise CampaignError([Diagnostic("CAMP597", f"{spec} names no target to iterate to", hint=hint)])
    if not 0.5 <= wishes.get("confidence", 0.95) < 1:
        raise click.BadParameter("it is 50% or more, and less than 100%", param_hint="--confidence")
    if wishes.get("margin", 0.0) >= wishes["target"]:
        told = f"it is less than the target, {wishes['target']:.0%}: else there is nothing to tell apart"
        raise click.BadParameter(told, param_hint="--margin")
    began_with = base.id if base is not None else None
    settings = Settings(**wishes, campaign=began_with, options=options, folder=os.getcwd())
    _refuse_missing(settings)
    return settings


def _refuse_missing(settings: Settings) -> None:
    """A program that is not there is told before anything runs; one with a path may still be built."""
    for argv in (*settings.before, *filter(None, [settings.hook])):
        if "/" not in argv[0] and shutil.which(argv[0]) is None:
            hint = "install it, or write its path; commands are carried out without a shell"
            summary = f"no program is called {argv[0]}"
            raise CampaignError([Diagnostic("CAMP599", summary, hint=hint, status=ExitStatus.SETUP)])


def _planned(spec: str, options: Options) -> tuple[Plan, Registry]:
    registry = Registry()
    plan, found = make_plan(spec, read_file, options, lambda: registry, this_host(strict=False))
    if plan is None:
        raise CampaignError(found)
    return plan, registry


# --- what is done for it ----------------------------------------------------------------------------------------


class _Hands:
    """What the verbs of the queue do, done for an iteration."""

    def __init__(self, workspace: str, *, yes: bool, live: bool) -> None:
        self._workspace, self._yes, self._live = workspace, yes, live

    def keep(self, iteration: IterationRow, step: StepRow | None) -> None:
        asked = wire.Iterate(iteration, step)
        persist(asked, lambda it: ask(self._workspace, "iterate", it, lambda desk: desk.iterate(it))[0])

    def campaign(self, spec: str, options: Options, submission: str) -> Carried:
        campaign = self._known(submission) or self._submitted(spec, options, submission)
        row = chosen(self._workspace, campaign)
        if not row.finished:
            self._to_its_end(row)
            row = chosen(self._workspace, campaign)
        if not row.finished:
            raise gone()  # whoever carried it out cannot go on, and has said why
        self._tell_result(row)
        return Carried(campaign, row.exit_status or 0)

    def excerpt(
        self, spec: str, options: Options, wanted: Mapping[str, tuple[int, ...]], remarks: Sequence[str]
    ) -> str:
        plan, registry = _planned(spec, options)
        text, absent = excerpt(plan, wanted, os.getcwd(), remarks, lambda: registry)
        if absent:
            tell(f"{len(absent):,} of the cells are not in {spec} any more: {', '.join(absent[:_NAMED])}")
        return text

    def analysis(self, campaigns: Sequence[str]) -> bytes:
        """Of several campaigns that of which most failed."""
        with open_ledger(self._workspace) as ledger:
            rows = [row for each in campaigns if (row := ledger.campaign(each)) is not None]
            row = max(rows, key=lambda row: _failing(ledger, row))
            found = analysis_of(ledger, row, now())
        for line in islice(_told(found), _MOST_TOLD):
            tell(f"  {line}")
        return msgspec.json.encode(found)

    def tell(self, text: str) -> None:
        tell(text)

    def _known(self, submission: str) -> str | None:
        with open_ledger(self._workspace) as ledger:
            return ledger.submitted(submission)

    def _submitted(self, spec: str, options: Options, identity: str) -> str:
        """Have the campaign recorded, whoever carries it out."""
        live = daemon_of(self._workspace)
        wishes = Wishes(workspace=self._workspace, host=this_host())
        prepared = prepare(spec, options, wishes, read_file, environment(live, os.environ))
        if prepared.warnings:
            print_diagnostics(prepared.warnings, sys.stderr)
        confirm_rules(prepared.plan, prepared.campaign, self._workspace, yes=self._yes)
        asked = submission(prepared)
        asked = msgspec.structs.replace(asked, campaign=msgspec.structs.replace(asked.campaign, submission=identity))
        return submit(asked, lambda it: ask(self._workspace, "submit", it, lambda desk: desk.submit(it))[0])

    def _to_its_end(self, row: CampaignRow) -> None:
        """By the daemon, where one runs, else by ourselves."""
        if daemon_of(self._workspace) is not None:
            follow(self._workspace, row.id, live=self._live)
            return
        wishes = Wishes(workspace=self._workspace, host=this_host())
        prepared = prepare_again(row.id, None, wishes, read_file, os.environ)
        place = Workspace(self._workspace)
        outcome = carry_out(prepared, place, watcher(sys.stderr, os.environ, live=self._live))
        checked = prepared.plan.checked
        reports = [wanted_by(each, prepared.snapshot.directory) for each in (checked.reports if checked else ())]
        conclude(prepared, place, reports, now(), unwritten)
        if outcome.status == ExitStatus.INTERRUPTED:
            raise KeyboardInterrupt

    def _tell_result(self, row: CampaignRow) -> None:
        with open_ledger(self._workspace) as ledger:
            summary = results_of(ledger, row, now()).summary
        counts = ", ".join(f"{count:,} {verdict}" for verdict, count in summary.verdicts.items() if count)
        tell(f"  {row.id}: {counts or 'no run'}")


def _failing(ledger: LedgerReader, row: CampaignRow) -> int:
    return sum(count for (_, verdict), count in ledger.counts(row.id).items() if verdict in _FAILING)


def _told(found: Analysis) -> Iterator[str]:
    """The causes that are known, and failures that no rule explains."""
    for cause in found.causes:
        where = f" ({', '.join(cause.where)})" if cause.where else ""
        yield f"{cause.runs}x {cause.cause or cause.rule} {cause.fix or ''}{where}"
    for each in found.failures:
        if each.unexplained and not each.quarantined:
            yield f"{each.unexplained}x {cut(each.message, _WIDTH)} ({each.first_unexplained or each.first})"
    for explanation in found.explained.explanations:
        conditions = " and ".join(map(str, explanation.conditions))
        yield f"where {conditions}: {explanation.failed} of {explanation.trials} failed"
    if found.suspected:
        yield f"{found.suspected} runs are suspicious: campaign analyze {found.campaign}"


def _show(workspace: str, outcome: Outcome, output_format: str) -> None:
    with open_ledger(workspace) as ledger:
        view = view_of(outcome.iteration, ledger.steps(outcome.iteration.id), outcome.paused)
    if output_format == "json":
        print_json(view)
    else:
        show(view)
