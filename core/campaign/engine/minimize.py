"""A minimization carried out: candidates become attempts beside the plan, what they come to drives the next ones."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import msgspec

from campaign.analysis.beside import minimized
from campaign.analysis.minimizing import Bounds, Minimized, Step, minimizing
from campaign.analysis.minimizing import Trial as Asked
from campaign.analysis.smallest import counts, in_runs, in_words
from campaign.diagnostics import CampaignError
from campaign.engine.prepare import Prepared
from campaign.engine.sidework import Came, Ground, Trial, Work
from campaign.engine.subjects import Faults, Lines, Operations, Parameters, Subject, impossible
from campaign.failpoints import reach
from campaign.ledger.queries import LedgerReader
from campaign.plan.repro import FILE
from campaign.plugins.api import Minimizer, Value
from campaign.plugins.printing import printing_aside
from campaign.records import Decision, MinimizeOrder, Order, Reason, Verdict
from campaign.rules.failures import quarantined
from campaign.rules.structs import RuleBook

#: Where the clause, or the command, says nothing.
ATTEMPTS, SECONDS = MinimizeOrder().attempts, MinimizeOrder().seconds
#: Beside the attempts of a run: what candidates read instead of what the spec names.
INPUTS = "minimize-inputs"
#: What came of an attempt that says nothing about its candidate: it is carried out again, at most so often.
_NO_ANSWER = frozenset({Reason.ORPHANED, Reason.LOST, Reason.CANCELED, Reason.INTERRUPTED})
_TRIES = 3
_Course: TypeAlias = "Generator[list[Asked], Sequence[bool | None], Minimized]"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: ``by`` which minimizer, ``order`` of the parameters, at most so much.

    ``unasked``: the spec's clause did, so what is quarantined is left alone.
    """

    by: str = "parameters"
    order: tuple[str, ...] = ()
    attempts: int = ATTEMPTS
    seconds: float = SECONDS
    unasked: bool = False


def work(prepared: Prepared, ground: Ground) -> Work:
    """Minimize the attempt that the request is about; raises CampaignError where nothing of it can be."""
    try:
        return _Minimization(prepared, ground).work()
    except CampaignError as error:
        if ground.parent is not None and ground.request.settings.get("unasked"):
            ground.note(f"{ground.parent.row.name} is not minimized: {error.diagnostics[0].summary}")
        raise


def told(trials: Sequence[Trial]) -> Generator[Sequence[Trial], Came | None, dict[Any, Came]]:
    """Have trials carried out side by side; what became of each, by its tag.

    One that gives no answer is carried out again: that the engine crashed, say, tells nothing about a candidate.
    """
    ended: dict[Any, Came] = {}
    tries: Counter[Any] = Counter()
    wanted = trials
    while len(ended) < len(trials):
        came = yield wanted
        wanted = []
        if came is None:
            continue
        tag = came.trial.tag
        tries[tag] += 1
        if came.decision.reason in _NO_ANSWER and tries[tag] < _TRIES:
            wanted = [came.trial]
        else:
            ended[tag] = came
    return ended


class Guarded(Minimizer):
    """A minimizer of whomever, whose mistakes end its own work and nothing else."""

    def __init__(self, name: str, minimizer: Minimizer) -> None:
        self._name, self._minimizer = name, minimizer
        self.lists = minimizer.lists  # type: ignore[misc]  # a constant of the class elsewhere

    def size(self, candidate: tuple[Any, ...]) -> Any:
        """Its own order."""
        with self._blamed():
            return self._minimizer.size(candidate)

    def candidates(
        self, start: tuple[Any, ...], settings: Mapping[str, Value], slots: int
    ) -> Generator[Sequence[tuple[Any, ...]], Sequence[bool], None]:
        """Its own candidates, each batch looked at."""
        with self._blamed():
            theirs = iter(self._minimizer.candidates(start, settings, slots))
            batch = next(theirs, None)
        while batch is not None:
            if not _is_batch(batch, None if self.lists else len(start)):
                raise impossible(f"{self._name} yields what is no list of candidates")
            answers = yield batch
            with self._blamed():
                try:
                    batch = theirs.send(answers)
                except StopIteration:
                    return

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        try:
            with printing_aside():
                yield
        except (Exception, SystemExit) as error:
            raise impossible(f"the minimizer {self._name} raises {type(error).__name__}: {error}") from error


def _is_batch(batch: object, length: int | None) -> bool:
    if not isinstance(batch, list | tuple):
        return False
    return all(isinstance(each, tuple) and length in {None, len(each)} for each in batch)


class _Minimization:
    def __init__(self, prepared: Prepared, ground: Ground) -> None:
        assert ground.parent is not None
        self._prepared, self._ground, self._parent = prepared, ground, ground.parent
        failure = self._parent.decision.failure if self._parent.decision else None
        if failure is None or not failure.fingerprint or self._parent.row.verdict != Verdict.FAIL:
            raise impossible(f"{self._parent.row.name} did not fail")
        self._failure = failure
        self._wish = msgspec.convert(ground.request.settings, Wish)
        self._minimizer = self._found(self._wish.by)
        self._subject = self._chosen()
        book = prepared.plan.rules.book if prepared.plan.rules is not None else RuleBook()
        if self._wish.unasked and failure.fingerprint in quarantined(book, ground.campaign.created_at[:10]):
            raise impossible("its failure is quarantined")
        self._orders: dict[tuple[Any, ...], Order] = {}
        self._names: dict[int, Order] = {}

    def work(self) -> Work:
        """Trials out, what became of them in."""
        course: _Course = minimizing(
            self._minimizer,
            self._subject.start,
            {},
            bounds=Bounds(
                attempts=self._wish.attempts, slots=self._ground.campaign.parallel, seconds=self._wish.seconds
            ),
            clock=time.monotonic,
            refused=self._refused,
        )
        try:
            asked = next(course)
            while True:
                answers = yield from self._answers(asked)
                asked = course.send(answers)
        except StopIteration as end:
            told = self._told(end.value)
        self._ground.show(told)
        self._ground.note(self._summary(told))
        return told

    # --- what it is about

    def _chosen(self) -> Subject:
        run = self._ground.find(self._parent.row.key)
        if run is None:
            raise impossible(f"{self._parent.row.key} is no run of this plan any more")
        # Not in the attempt's own folder: what an order says of that one, it says of the candidate's.
        wish, folder = self._wish, os.path.join(os.path.dirname(self._parent.row.directory), INPUTS)
        if not self._minimizer.lists:
            return Parameters(self._ground, self._prepared, run, wish.order)
        if wish.order:
            return Lines(self._ground, self._prepared, run, wish.order, folder)
        if any(step.trace is not None and step.trace.replay for step in self._parent.order.steps):
            return Operations(self._ground, self._prepared, run, folder)
        return Faults(self._ground, self._prepared, run)

    def _found(self, by: str) -> Minimizer:
        name = by if "." in by else f"minimize.{by}"
        found = self._prepared.registry.find("minimizer", name)
        if not isinstance(found, Minimizer):
            raise impossible(f"no minimizer is called {by}")
        return Guarded(name, found)

    # --- candidates

    def _refused(self, candidate: tuple[Any, ...]) -> str | None:
        """Why a candidate may not be run: a limit, a range, an exclusion; None where it may."""
        try:
            self._orders[candidate] = self._subject.order(candidate)
        except CampaignError as error:
            return error.diagnostics[0].summary
        except OSError as error:
            return f"it cannot be written: {error.strerror or error}"
        return None

    def _answers(self, asked: Sequence[Asked]) -> Generator[Sequence[Trial], Came | None, list[bool | None]]:
        """What became of each of these, in their order."""
        came = yield from told([Trial(order=self._order(each), parent=self._parent, tag=each.number) for each in asked])
        self._names.update({number: each.order for number, each in came.items()})
        return [self._same(came[each.number].decision) for each in asked]

    def _order(self, asked: Asked) -> Order:
        if asked.candidate not in self._orders:
            self._orders[asked.candidate] = self._subject.order(asked.candidate)
        return self._orders[asked.candidate]

    def _same(self, decision: Decision) -> bool | None:
        """Whether it failed the same way; None where that could not be told.

        An error of the run's own, a fault that came too late say, is an answer: so it does not fail.
        """
        if decision.reason in _NO_ANSWER:
            return None
        return decision.failure is not None and decision.failure.fingerprint == self._failure.fingerprint

    # --- what came of it

    def _told(self, found: Minimized) -> dict[str, Any]:
        """As ``run.json`` has it under ``minimized``."""
        repeats = found.repeats
        told = {
            "steps": [self._step(each) for each in found.steps],
            "attempts": found.attempts,
            "result": self._subject.result(found.smallest),
            "by": self._wish.by,
            "smaller": found.found,
            "stopped": found.stopped.value,
            "needed": found.needed,
            "repeats": {
                "failed": repeats.failed,
                "runs": repeats.runs,
                "fails_after": repeats.fails_after if repeats.failed else None,
                "passes_after": repeats.passes_after if repeats.failed else None,
            },
            "confirmed": {"failed": found.confirmed.failed, "runs": found.confirmed.runs},
        }
        with LedgerReader(self._ground.ledger) as ledger:
            outdone = not counts(told, minimized(ledger, self._parent.row.token))
        return {**told, "outdone": outdone, "repro": None if outdone else self._repro(found)}

    def _summary(self, told: dict[str, Any]) -> str:
        name = self._parent.row.name
        if not told["smaller"]:
            enough = "" if told["needed"] is None else f"; to come to an end it takes about {told['needed']:,}"
            return f"{name} was not made smaller in {in_runs(told['attempts'])}: {told['stopped']}{enough}"
        return f"{name} was made smaller in {in_runs(told['attempts'])}: {in_words(told['result'])}"

    def _step(self, step: Step) -> dict[str, Any]:
        name, old, new = self._subject.change(step.before, step.candidate)
        orders = [self._names[number] for number in step.trials]
        told: dict[str, Any] = {"parameter": name, "from": old, "to": new, "still_fails": step.fails}
        told["run"] = orders[-1].origin if orders else None
        told["runs"] = len(orders)
        if step.refused is not None:
            told["refused"] = step.refused
        return told

    def _repro(self, found: Minimized) -> str | None:
        """Write ``repro.camp`` beside the evidence; its path, None where there is none."""
        if not found.found:
            return None
        path = os.path.join(self._parent.row.directory, FILE)
        try:
            text = self._subject.repro(found.smallest, self._remarks(found))
            with open(f"{path}.part", "w", encoding="utf-8") as file:
                file.write(text)
            reach("planner.repro.before")
            os.replace(f"{path}.part", path)
            reach("planner.repro.after")
        except (CampaignError, OSError) as error:
            self._ground.note(f"{FILE} of {self._parent.row.name} could not be written: {error}")
            return None
        return path

    def _remarks(self, found: Minimized) -> list[str]:
        repeats = found.repeats
        often = "" if repeats.reliable else f" (in {repeats.failed} of {repeats.runs} runs of the original)"
        said = self._failure.message.splitlines()[0] if self._failure.message else "no message"
        return [
            f"{self._parent.row.name} of {self._parent.row.campaign}, made smaller in {in_runs(found.attempts)} "
            f"({in_words(self._subject.result(found.smallest))}): {found.stopped.value}.",
            f"The original failed with: {said}{often}",
            "Run it: campaign exec repro.camp",
        ]
