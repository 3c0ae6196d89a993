"""An iteration carried out: its next step is begun in the ledger, taken, and ended there, until there is none.

What comes next is for ``analysis/iterate.py`` to say.  A step is written down before it is taken, with all that it
needs to be taken again, and every one may be: a campaign bears the submission of its step, so that asking for it twice
gives one campaign; commands are carried out again from the first; files are written anew.  So whoever goes on after a
crash, at any point, goes on with the step that was begun.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from campaign.analysis.iterate import (
    ANALYZE,
    ASK,
    CAMPAIGNS,
    FULL,
    HOOK,
    MORE,
    Cell,
    Cells,
    End,
    Step,
    Taken,
    Wishes,
    added_up,
    compare,
    next_step,
    previous,
    standing,
    totals,
)
from campaign.analysis.ruled import quarantined_in
from campaign.analysis.sequential import MARGIN, Goal, sequential_test
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.durable import sync_directory
from campaign.engine.asking import GONE, HELD, SILENT, TURNS_S, persistently
from campaign.engine.commands import Ran, carry_out
from campaign.engine.policies import rounds
from campaign.engine.workspace import Workspace, WorkspaceError
from campaign.failpoints import reach
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CANCELED, DONE, FAILED, OPEN, AttemptRow, IterationRow, StepRow
from campaign.plan.plan import Options
from campaign.records import Verdict
from campaign.supervise.folders import write_synced

FOLDER = "iterations"
#: A command that takes longer than that is ended, unless said.
TIMEOUT_S = 3600.0
#: Another driver, or what ends what a dead one's command left behind, is waited for: so many times so long.
_TRIES, _PAUSE_S = 80, 0.1
#: Names of cells that a step's result lists of each kind; the campaigns have them all.
_MOST_NAMED = 20


class Settings(Struct, frozen=True, kw_only=True):
    """What is asked of an iteration, as the ledger keeps it; rates are 0..1, ``campaign`` is what it begins with.

    ``folder`` is where it was begun: relative paths of ``--set`` count from there, wherever it is gone on with.
    """

    target: float
    confidence: float = 0.95
    margin: float = MARGIN
    rounds: int = 5
    trials: int | None = None
    before: tuple[tuple[str, ...], ...] = ()
    hook: tuple[str, ...] = ()
    ask: bool = False
    timeout_s: float = TIMEOUT_S
    campaign: str | None = None
    options: Options = Options()
    folder: str | None = None

    @property
    def wishes(self) -> Wishes:
        """What the decision needs to know of it."""
        goal = Goal(target=self.target, confidence=self.confidence, margin=self.margin)
        return Wishes(
            test=sequential_test(goal),
            is_last=rounds(self.rounds),
            trials=self.trials,
            before=bool(self.before),
            hook=bool(self.hook),
            ask=self.ask,
        )


class Carried(Struct, frozen=True):
    """A campaign that was carried out to its end, and its exit status."""

    campaign: str
    status: int


class Hands(Protocol):
    """What an iteration has done for it; each may be asked twice for the same."""

    def keep(self, iteration: IterationRow, step: StepRow | None) -> None:
        """Write it down, durably."""

    def campaign(self, spec: str, options: Options, submission: str) -> Carried:
        """The campaign of that submission, carried out; raises CampaignError, KeyboardInterrupt."""

    def excerpt(
        self, spec: str, options: Options, wanted: Mapping[str, tuple[int, ...]], remarks: Sequence[str]
    ) -> str:
        """The text of a spec of these cells and seeds; raises CampaignError."""

    def analysis(self, campaigns: Sequence[str]) -> bytes:
        """What is known of the failures of these campaigns, as JSON."""

    def tell(self, text: str) -> None:
        """A line for the person."""


class Outcome(Struct, frozen=True, kw_only=True):
    """How far it came: ``status`` is the command's, ``paused`` says why it is to be gone on with, if it is."""

    iteration: IterationRow
    status: int
    paused: str | None = None


class Drive:
    """One iteration, driven by one process at a time; ``submission`` makes ids, ``now`` times (RFC 3339)."""

    def __init__(
        self, row: IterationRow, place: Workspace, hands: Hands, submission: Callable[[], str], now: Callable[[], str]
    ) -> None:
        self._row, self._place, self._hands = row, place, hands
        self._submission, self._now = submission, now
        self._settings = msgspec.convert(row.settings, Settings)
        self._wishes = self._settings.wishes
        self._folder = os.path.join(place.path, FOLDER, row.id)
        self._lock = -1

    def go(self) -> Outcome:
        """Take steps until there is none, or a person is wanted; raises CampaignError, KeyboardInterrupt."""
        with _alone(self._folder, self._hands.tell) as self._lock:
            self._hands.keep(self._row, None)
            while True:
                steps = self._steps()
                waiting = steps[-1] if steps and steps[-1].state == OPEN else None
                found = next_step(self._wishes, self._taken(steps))
                if isinstance(found, End):
                    status = ExitStatus.PASSED if found.reached else ExitStatus.FAILED
                    return self._over(DONE, {"reached": found.reached, "why": found.why}, status)
                step = waiting or self._begin(len(steps) + 1, found)
                stop = self._take(step, again=waiting is not None)
                if stop is not None:
                    return stop

    # --- what is written down

    def _steps(self) -> list[StepRow]:
        with LedgerReader(self._place.ledger) as ledger:
            return ledger.steps(self._row.id)

    def _taken(self, steps: Sequence[StepRow]) -> list[Taken]:
        """What was done; the cells of campaigns that nothing asks about any more are not read again."""
        ended = [each for each in steps if each.state != OPEN]
        fulls = [number for number, each in enumerate(ended) if each.kind == FULL]
        asked_about = fulls[-2] if len(fulls) > 1 else 0  # how it stands, and how it stood before
        with LedgerReader(self._place.ledger) as ledger:
            return [_taken(ledger, each, asked=number >= asked_about) for number, each in enumerate(ended)]

    def _begin(self, number: int, found: Step) -> StepRow:
        """Write down what is about to be done; the spec of a campaign is there before."""
        carried = found.kind in CAMPAIGNS and not (found.kind == FULL and not found.round and self._settings.campaign)
        step = StepRow(
            iteration=self._row.id,
            number=number,
            round=found.round,
            kind=found.kind,
            settings={"spec": self._spec_of(number, found)} if carried else {},
            submission=self._submission() if carried else None,
            at=self._now(),
        )
        reach("iterate.begin.before")
        self._hands.keep(self._row, step)
        reach("iterate.begin.after")
        return step

    def _end(self, step: StepRow, *, ok: bool = True, campaign: str | None = None, **result: Any) -> None:
        ended = msgspec.structs.replace(
            step, state=DONE if ok else FAILED, campaign=campaign, ended_at=self._now(), result=result
        )
        reach("iterate.end.before")
        self._hands.keep(self._row, ended)
        reach("iterate.end.after")

    def _over(self, state: str, result: dict[str, Any], status: int) -> Outcome:
        ended = msgspec.structs.replace(
            self._row, state=state, ended_at=self._now(), result={**result, "status": int(status)}
        )
        reach("iterate.over.before")
        self._hands.keep(ended, None)
        reach("iterate.over.after")
        return Outcome(iteration=ended, status=int(status))

    # --- steps

    def _take(self, step: StepRow, *, again: bool) -> Outcome | None:
        """Take a step; what the command ends with where a person is wanted now."""
        if step.kind in CAMPAIGNS:
            return self._campaign(step)
        if step.kind == ANALYZE:
            self._write(step.round, "analysis.json", self._analysis())
            self._end(step)
            return None
        if step.kind == ASK:
            if again:
                self._end(step)
                return None
            return self._paused(f"round {step.round} waits for you")
        return self._commands(step)

    def _campaign(self, step: StepRow) -> Outcome | None:
        taken = self._taken(self._steps())
        if step.submission is None:
            assert self._settings.campaign is not None
            found = Carried(self._settings.campaign, 0)
        else:
            spec = step.settings["spec"]
            self._hands.tell(f"round {step.round}: {_CALLED[step.kind]}: {spec}" if step.round else f"{spec}")
            options = self._settings.options if step.kind == FULL else Options()
            asked = partial(self._hands.campaign, spec, options, step.submission)
            found = persistently(asked, {HELD, SILENT, GONE}, TURNS_S)
        with LedgerReader(self._place.ledger) as ledger:
            cells = cells_of(ledger, found.campaign)
        told = evaluation(taken, step.kind, cells)
        self._end(step, campaign=found.campaign, **told)
        if found.status == ExitStatus.CANCELED:
            return self._over(CANCELED, {"reached": False, "why": f"{found.campaign} was canceled"}, found.status)
        if found.status == ExitStatus.SAFETY:
            why = f"a safety limit stopped {found.campaign}"
            return self._over(CANCELED, {"reached": False, "why": why}, found.status)
        return None

    def _commands(self, step: StepRow) -> Outcome | None:
        """The hook, or what is to be done before a retry; the first that fails ends the round."""
        round_ = self._round_folder(step.round)
        log = os.path.join(round_, f"{step.kind}.log")
        given = None
        if step.kind == HOOK:
            with open(os.path.join(round_, "analysis.json"), "rb") as file:
                given = file.read()
        vectors = (self._settings.hook,) if step.kind == HOOK else self._settings.before
        self._hands.tell(f"round {step.round}: {step.kind}: {'; '.join(' '.join(each) for each in vectors)}")
        bad = self._run(vectors, log, given, step.round)
        if bad is None:
            self._end(step, log=log)
            return None
        self._end(step, ok=False, log=log, why=bad.why)
        steps = self._taken(self._steps())
        told = f"round {step.round} ended: {bad.why}; {log} ends with\n{bad.tail}"
        if not isinstance(next_step(self._wishes, steps), End):
            return self._paused(told)
        for line in told.split("\n"):  # nothing is paused that would say it
            self._hands.tell(line.expandtabs())
        return None

    def _run(self, vectors: Sequence[Sequence[str]], log: str, given: bytes | None, round_: int) -> Ran | None:
        """Carry commands out, one after the other; the first that failed, None where none did."""
        with open(log, "wb"):
            pass
        for argv in vectors:
            ran = carry_out(
                argv,
                folder=os.path.dirname(self._row.spec),
                log=log,
                given=given,
                timeout_s=self._settings.timeout_s,
                environment=self._environment(round_),
                keep=(self._lock,),
            )
            if ran.why:
                return ran
        return None

    def _environment(self, round_: int) -> dict[str, str]:
        return {
            "CAMPAIGN_ITERATION": self._row.id,
            "CAMPAIGN_ROUND": str(round_),
            "CAMPAIGN_SPEC": self._row.spec,
            "CAMPAIGN_WORKSPACE": self._place.path,
        }

    def _paused(self, why: str) -> Outcome:
        return Outcome(iteration=self._row, status=int(ExitStatus.FAILED), paused=why)

    # --- files

    def _spec_of(self, number: int, found: Step) -> str:
        """The spec of a campaign: the person's own, or one of some of its cells, which is written now."""
        if found.kind == FULL:
            return self._row.spec
        steps = self._steps()
        origin = next((each.campaign for each in reversed(steps) if each.campaign), None)
        kind = "more trials" if found.kind == MORE else "failing cells"
        remarks = [
            f"Step {number} of the iteration {self._row.id}, round {found.round}: {kind} of {origin}.",
            f"Made from {self._row.spec} as it was then; campaign exec runs it.",
        ]
        text = self._hands.excerpt(self._row.spec, self._settings.options, found.wanted, remarks)
        return self._write(found.round, f"{found.kind}-{number}.camp", text.encode())

    def _write(self, round_: int, name: str, data: bytes) -> str:
        """Write a file of a round, whole; its path."""
        folder = self._round_folder(round_)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            reach("iterate.file.before")
            write_synced(handle, name, data)
            reach("iterate.file.after")
        finally:
            os.close(handle)
        return os.path.join(folder, name)

    def _round_folder(self, round_: int) -> str:
        folder = os.path.join(self._folder, f"round-{round_}")
        os.makedirs(folder, 0o700, exist_ok=True)
        reach("iterate.folder.before")
        sync_directory(self._folder)
        reach("iterate.folder.after")
        return folder

    def _analysis(self) -> bytes:
        steps = [each for each in self._steps() if each.campaign]
        start = max((place for place, each in enumerate(steps) if each.kind == FULL), default=0)
        newest = steps[-1:] if steps[-1].kind not in (FULL, MORE) else steps[start:]
        return self._hands.analysis([each.campaign for each in newest if each.campaign])


_CALLED = {FULL: "the full campaign", MORE: "more trials", "retry": "retry of the failing cells"}


def _taken(ledger: LedgerReader, step: StepRow, *, asked: bool) -> Taken:
    """A step that is over; the cells of its campaign where something is ``asked`` about them."""
    campaign = step.campaign if asked else None
    cells = cells_of(ledger, campaign) if campaign else {}
    row = ledger.campaign(campaign) if campaign and step.kind == FULL else None
    planned = row.total if row is not None else None
    left_out = max(0, (planned or 0) - sum(len(cell.seeds) for cell in cells.values()))
    return Taken(kind=step.kind, round=step.round, ok=step.state == DONE, cells=cells, left_out=left_out)


def cells_of(ledger: LedgerReader, campaign: str) -> dict[str, Cell]:
    """The cells of a recorded campaign, quarantined failures aside."""
    row = ledger.campaign(campaign)
    spared = quarantined_in(ledger, row) if row is not None else {}
    chained: dict[str, bool] = {}
    for each in ledger.deciding_attempts(campaign):
        if each.instance not in chained:
            record = ledger.record(each.token)
            chained[each.instance] = record is not None and record.order.link is not None
    return added_up((each.cell, _run(each, spared, chained)) for each in ledger.deciding_attempts(campaign))


def _run(row: AttemptRow, spared: Container[str], chained: Mapping[str, bool]) -> Cell:
    """One run as a cell of its own; ``chained`` says of instances whether their seeds are chains."""
    held = row.fingerprint in spared
    return Cell(
        passes=int(row.verdict == Verdict.PASS),
        fails=int(row.verdict == Verdict.FAIL and not held),
        errors=int(row.verdict not in (Verdict.PASS, Verdict.FAIL, Verdict.SKIPPED) and not held),
        seeds=(row.seed,),
        chained=chained.get(row.instance, False),
    )


def evaluation(taken: Sequence[Taken], kind: str, cells: Cells) -> dict[str, Any]:
    """What a campaign came to, beside how it stood before: counts, and cells by name, at most so many of each."""
    found = totals(cells)
    told: dict[str, Any] = {"passes": found.passes, "fails": found.fails, "errors": found.errors}
    now = [*taken, Taken(kind=kind, round=0, cells=cells)]
    before = {} if kind == MORE else previous(now) if kind == FULL else standing(taken)
    if before:
        compared = compare({name: before[name] for name in before if kind == FULL or name in cells}, cells)
        names = msgspec.structs.asdict(compared)
        told |= {f"{name}_cells": len(each) for name, each in names.items()}
        told |= {name: list(each[:_MOST_NAMED]) for name, each in names.items() if name != "unchanged"}
    return told


@contextmanager
def _alone(folder: str, tell: Callable[[str], None]) -> Iterator[int]:
    """Hold an iteration for this process, by a lock that is given; what commands of a dead one left is waited for.

    Raises CampaignError where another process drives it, or it cannot be written.
    """
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        fd = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WorkspaceError(f"cannot write {folder}: {error.strerror}") from error
    if not _held(fd, tell):
        os.close(fd)
        name = os.path.basename(folder)
        summary, hint = f"another campaign iterate drives {name}", "wait for its end, or interrupt it there"
        raise CampaignError([Diagnostic("CAMP598", summary, hint=hint, status=ExitStatus.SETUP)])
    try:
        yield fd
    finally:
        os.close(fd)


def _held(fd: int, tell: Callable[[str], None]) -> bool:
    """Whether the lock is ours, after a while at the most."""
    for number in range(_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if number == 0:
                tell("waiting for whoever drives this iteration, or for what its commands left behind to end")
            time.sleep(_PAUSE_S)
        else:
            return True
    return False
