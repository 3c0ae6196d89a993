"""What a failure means, by the rules of the rule sets that bind a campaign."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from campaign.judge.metrics import seconds
from campaign.judge.observed import NotApplicable, Observation, Undecided
from campaign.language.expressions import Missing
from campaign.language.observed import ROOTS, longest
from campaign.plugins.names import canonical
from campaign.records import Decision, Exit, FaultExit, OracleRecord, Order, Verdict
from campaign.rules.failures import Triager
from campaign.rules.orders import read
from campaign.rules.structs import RuleBook, Triage
from campaign.units import UnitError, Value

#: Names of the run itself that are neither settings nor axes.
_OF_THE_RUN = frozenset((*ROOTS, "seed", "tier"))
_NOT_THERE = (Undecided, NotApplicable)


class Evidence(Protocol):
    """What was recorded of an attempt; whoever has many of them reads each part when it is asked for."""

    @property
    def order(self) -> Order:
        """What was to be done."""

    @property
    def exit(self) -> Exit | None:
        """What happened; None where nothing was started."""

    @property
    def faults(self) -> Sequence[FaultExit]:
        """The faults that happened, also part of ``exit``."""

    @property
    def oracles(self) -> Sequence[OracleRecord]:
        """What the oracles said."""


class Told(Struct, frozen=True):
    """Evidence that is all there."""

    order: Order
    exit: Exit | None
    oracles: Sequence[OracleRecord] = ()

    @property
    def faults(self) -> Sequence[FaultExit]:
        """The faults that happened."""
        return () if self.exit is None else self.exit.faults


class Lookup:
    """The values of one attempt by the names that ``when`` may ask: those of an ``expect``, the verdict, settings."""

    __slots__ = ("_evidence", "_observation", "_said", "_times")

    def __init__(self, said: Mapping[str, Value], evidence: Evidence) -> None:
        """``said`` are the verdict and the failure, by name (``said_of``)."""
        self._said, self._evidence = said, evidence
        self._observation: Observation | None = None
        self._times: dict[str, Value] = {}

    def __call__(self, name: str) -> Value:
        """The value of ``name``; raises Missing where the attempt has none."""
        if name in self._said:
            return self._said[name]
        if name.startswith("output "):
            return self._output(name)
        root, _, rest = name.partition(".")
        if root == "faults" and rest in ("detect_times", "recovery_times"):
            return self._time(rest)
        if root in _OF_THE_RUN:
            return self._observed(name)
        value = None if root in ("verdict", "failure") else _setting(self._evidence.order, name)
        if value is None:
            raise Missing(name)
        return value

    def _exit(self, name: str) -> Exit:
        found = self._evidence.exit
        if found is None:
            raise Missing(name)
        return found

    def _observed(self, name: str) -> Value:
        if self._observation is None:
            self._observation = Observation(self._evidence.order, self._exit(name), self._evidence.oracles)
        try:
            return self._observation(name)
        except _NOT_THERE as error:
            raise Missing(name) from error

    def _output(self, name: str) -> Value:
        """Whether the output held a pattern; what was not looked for when it was there cannot be told."""
        if all(each.id != name for each in self._evidence.order.patterns):
            raise Missing(name)
        return name in self._exit(name).matched

    def _time(self, which: str) -> Value:
        """How long after its injection each fault was detected, or recovered from, where it was."""
        if which not in self._times:
            late, faults = which == "recovery_times", self._evidence.faults
            ends = [(each.injected_at_s, each.recovered_at_s if late else each.detected_at_s) for each in faults]
            self._times[which] = tuple([seconds(b - a) for a, b in ends if a is not None and b is not None])
        return self._times[which]


def triage(
    book: RuleBook, order: Order, exit: Exit, oracles: Sequence[OracleRecord], decision: Decision
) -> list[Triage]:
    """The triage rules that know why an attempt did not pass, in the order of the rule sets; none for what passed."""
    if decision.verdict not in (Verdict.FAIL, Verdict.ERROR) or not book.triage:
        return []
    failure = decision.failure
    said = said_of(decision.verdict.value)
    if failure is not None:
        said = said_of(decision.verdict.value, failure.kind.value, failure.message, failure.fingerprint)
    return list(Triager(book.triage.values()).known(Lookup(said, Told(order, exit, oracles))))


def lacking(
    names: Iterable[str], metrics: Collection[str], steps: Collection[str], oracles: Collection[str]
) -> frozenset[str]:
    """Of the names that rules ask for, those that no run with only these metrics, steps and oracles can have."""
    return frozenset(name for name in names if _lacks(name, metrics, steps, oracles))


def _lacks(name: str, metrics: Collection[str], steps: Collection[str], oracles: Collection[str]) -> bool:
    root, _, rest = name.partition(".")
    if root == "metrics":
        return rest not in metrics
    if root == "step":
        return longest(rest, steps) is None
    return root == "oracle" and rest != "ok" and longest(rest, oracles) is None


#: What only faults, and only failures, have.
TIMES = frozenset(("faults.detect_times", "faults.recovery_times"))
OF_FAILURES = frozenset(("failure.kind", "failure.message", "failure.fingerprint"))


def said_of(
    verdict: str, kind: str | None = None, message: str | None = None, fingerprint: str | None = None
) -> dict[str, Value]:
    """A verdict and its failure by the names of the language."""
    failure = {"failure.kind": kind, "failure.message": message, "failure.fingerprint": fingerprint}
    return {"verdict": verdict, **{name: text for name, text in failure.items() if text is not None}}


def _setting(order: Order, name: str) -> Value | None:
    """A setting or an axis of the run, as a value of its type."""
    kinds = order.rules.kinds.get("", {}) if order.rules is not None else {}
    for known, value in {**order.settings, **order.axes}.items():
        if canonical(known) == canonical(name):
            try:
                return read(kinds.get(known), value)
            except UnitError:
                return None
    return None
