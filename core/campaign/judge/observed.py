"""What was observed of one attempt, asked by the dotted names of the language (``exit.code``, ``oracle.ok``).

A name that has no value raises: ``Missing`` makes the expectation false (a metric that was never printed),
``Undecided`` means that campaign cannot tell (an oracle crashed), ``NotApplicable`` that this cell has no such thing
(``fault.kill.recovered`` where the axis says ``none``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from signal import Signals

from msgspec.structs import replace

from campaign.judge.metrics import read_metric, seconds
from campaign.judge.recovery import blind, objection_of
from campaign.language.expressions import Missing
from campaign.records import (
    Exit,
    FaultExit,
    FaultOrder,
    OracleOrder,
    OracleRecord,
    Order,
    ProcessExit,
    StepExit,
    Stop,
    WatchOrder,
)
from campaign.units import Quantity, UnitError, Value

#: A process ended by a signal has the exit code that shells report, so that no comparison takes it for a success.
SIGNAL_BASE = 128

#: What only processes, and oracles about them, could have told.
_OF_PROCESSES = frozenset(("exit", "step", "output", "oracle", "metrics"))


class Undecided(Exception):  # noqa: N818 - an answer, not an error
    """The value exists in principle, but campaign could not find it out; the text says why."""


class NotApplicable(Exception):  # noqa: N818 - an answer, not an error
    """This cell has no such step, fault or oracle, so the expectation does not apply to it."""


class Observation:
    """The values of one attempt by name; a ``Lookup`` of ``language.expressions``."""

    __slots__ = ("_exit", "_matched", "_oracles", "_order")

    def __init__(self, order: Order, exit: Exit, oracles: Sequence[OracleRecord]) -> None:
        self._order = order
        self._exit = exit
        watched = (watch_record(each, exit) for each in order.watches)
        self._oracles = {record.label: record for record in (*oracles, *watched)}
        self._matched = frozenset(exit.matched)

    def __call__(self, name: str) -> Value:
        """The value of ``name``; raises Missing, Undecided or NotApplicable where there is none."""
        root, _, rest = name.partition(".")
        if self._exit.clock == "virtual" and root.partition(" ")[0] in _OF_PROCESSES:
            raise NotApplicable(f"{name}: nothing was started, the clock is virtual")
        if name.startswith("output "):
            return name in self._matched
        match root:
            case "exit":
                return self._exit_of(self._last(self._exit.steps, "no step was started"), rest)
            case "step":
                return self._step(rest)
            case "oracle":
                return self._all_oracles() if rest == "ok" else self._oracle(rest)
            case "fault":
                return self._fault(rest)
            case "faults":
                return all(self._of_fault(fault, rest) is True for fault in self._order.faults)
            case "metrics":
                return self._metric(self._exit.steps, rest)
            case _:
                return self._plain(name)

    def is_over_nothing(self, name: str) -> bool:
        """Whether what ``name`` says is true because there is nothing to ask: no fault, no oracle that judged."""
        if name == "oracle.ok":
            return all(self._oracles[label].ok is None for label in self._counting if label in self._oracles)
        return name.startswith("faults.") and not self._order.faults

    def _plain(self, name: str) -> Value:
        known: dict[str, Value | None] = {
            "elapsed": seconds(elapsed_s(self._exit)),
            "attempt": self._order.attempt,
            "seed": self._order.seed,
            "tier": self._order.tier,
        }
        value = known.get(name)
        if value is None:
            raise Missing(name)
        return value

    # --- steps ---

    def _step(self, rest: str) -> Value:
        label, field = _split(rest, (step.label for step in self._order.steps))
        index, field = _index(field)
        started = [step for step in self._exit.steps if step.label == label and index in (None, step.index)]
        if field == "exit.ok" and index is None:
            wanted = sum(step.label == label for step in self._order.steps)
            return len(started) == wanted and all(step.ok for step in started)
        if field.startswith("metrics."):
            return self._metric(started, field.removeprefix("metrics."))
        return self._exit_of(self._last(started, f"step {label} was not started"), field.removeprefix("exit."))

    def _last(self, steps: Sequence[StepExit], otherwise: str) -> StepExit:
        if not steps:
            raise Missing(otherwise)
        return steps[-1]

    def _exit_of(self, step: StepExit, field: str) -> Value:
        match field:
            case "ok":
                return step.ok
            case "timeout":
                return timed_out(self._exit, step)
            case "signal":
                return step.exit.signal or 0
            case _:
                return self._code(step)

    def _code(self, step: StepExit) -> int:
        if step.exit.signal:
            return SIGNAL_BASE + step.exit.signal
        if step.exit.code is None:
            raise Missing(f"the exit code of step {step.label}")
        return step.exit.code

    def _metric(self, steps: Sequence[StepExit], name: str) -> Value:
        giver = next((step for step in reversed(steps) if name in step.metrics), None)
        if giver is None:
            raise Missing(f"metric {name} was not printed")
        try:
            return read_metric(giver.metrics[name], metric_type(self._order, giver.label, name))
        except UnitError as error:
            raise Missing(f"metric {name}: {error}") from error

    # --- oracles ---

    def _all_oracles(self) -> bool:
        undecided: Undecided | None = None
        for label in self._counting:
            try:
                if not self._judged(label):
                    return False
            except NotApplicable:
                continue
            except Undecided as reason:
                undecided = undecided or reason
        if undecided is not None:
            raise undecided
        return True

    def objections(self, name: str) -> list[str]:
        """What the oracles that ``name`` (``oracle.ok``, ``oracle.LABEL.ok``) speaks of object to, label first."""
        labels = self._counting
        if name != "oracle.ok":
            labels = [_split(name.removeprefix("oracle."), (each.label for each in self._asked))[0]]
        records = [self._oracles[label] for label in labels if label in self._oracles]
        return [f"{record.label}: {record.message}".rstrip(": ") for record in records if record.ok is False]

    @property
    def _counting(self) -> list[str]:
        return [each.label for each in self._asked if not each.advisory]

    @property
    def _asked(self) -> tuple[OracleOrder | WatchOrder, ...]:
        """Everything that ``oracle.LABEL`` may mean: watches too, which no oracle shares its label with."""
        return (*self._order.oracles, *self._order.watches)

    def endings(self, name: str) -> list[str]:
        """How the steps that ``name`` (``exit.ok``, ``step.LABEL.exit.ok``) speaks of ended, where not well."""
        steps = self._exit.steps[-1:]
        if name != "exit.ok":
            label, field = _split(name.removeprefix("step."), (step.label for step in self._order.steps))
            index, _ = _index(field)
            steps = tuple(step for step in self._exit.steps if step.label == label and index in (None, step.index))
        return [f"{ending(step.exit)} of step {named(step)}" for step in steps if not step.ok]

    def _oracle(self, rest: str) -> Value:
        label, field = _split(rest, (each.label for each in self._asked))
        ok = self._judged(label)
        return self._oracles[label].message if field == "message" else ok

    def _judged(self, label: str) -> bool:
        record = self._oracles.get(label)
        if record is None:
            raise Undecided(f"oracle {label} was not asked")
        if record.error is not None:
            raise Undecided(f"oracle {label}: {record.error}")
        if record.ok is None:
            raise NotApplicable(f"oracle {label} was not judged: {record.skipped}")
        return record.ok

    # --- faults ---

    def _fault(self, rest: str) -> Value:
        """Of what came more than once, without an index: whether it holds of all, and the longest of the times."""
        label, field = _split(rest, (fault.label for fault in self._order.faults))
        index, field = _index(field)
        asked = [fault for fault in self._order.faults if fault.label == label and index in {None, fault.index or 1}]
        if not asked:
            raise NotApplicable(rest)
        answers = [self._of_fault(fault, field) for fault in asked]
        times = [each for each in answers if isinstance(each, Quantity)]
        return max(times, key=lambda time: time.value) if times else all(each is True for each in answers)

    def _of_fault(self, order: FaultOrder, field: str) -> Value:
        seen = next((fault for fault in self._exit.faults if fault.name == order.name), None)
        if seen is None or seen.injected_at_s is None:
            raise Missing(f"fault {order.name} was not injected")
        untold = blind(self._order, self._exit, order.label)
        if untold is not None:
            raise Undecided(untold)
        match field:
            case "detected":
                return seen.detected_at_s is not None
            case "recovered":
                return seen.recovered_at_s is not None
            case "within_sla":
                return within_sla(order, seen)
            case "detect_time":
                return self._since(seen, seen.detected_at_s, "detected")
            case _:
                return self._since(seen, seen.recovered_at_s, "recovered from")

    def _since(self, fault: FaultExit, instant: float | None, what: str) -> Value:
        if instant is None or fault.injected_at_s is None:
            raise Missing(f"fault {fault.name} was never {what}")
        return seconds(instant - fault.injected_at_s)


def watch_record(watch: WatchOrder, exit: Exit) -> OracleRecord:
    """A watch as ``oracle.LABEL`` asks for it: ok unless it objects to what no fault explains, in the words it used."""
    seen = next((each for each in exit.watches if each.label == watch.label), None)
    blank = OracleRecord(label=watch.label, oracle=watch.oracle, advisory=watch.advisory)
    if seen is None or seen.error is not None:
        return replace(blank, error="it was not asked" if seen is None else seen.error)
    if not seen.changes:
        return replace(blank, skipped=seen.skipped, error=None if seen.skipped else "it was not asked")
    objection = objection_of(watch, seen, exit.faults)
    if objection is None:
        return replace(blank, ok=True, message=seen.changes[-1].message)
    if objection.ok is None:
        return replace(blank, error=objection.message)
    return replace(blank, ok=False, message=objection.message)


def within_sla(order: FaultOrder, seen: FaultExit) -> bool:
    """Whether a fault recovered in time, counted from its injection; without an ``sla`` there is none to break."""
    if order.sla_s is None:
        return True
    if seen.injected_at_s is None or seen.recovered_at_s is None:
        return False
    return seen.recovered_at_s - seen.injected_at_s <= order.sla_s


def elapsed_s(exit: Exit) -> float:
    """What ``elapsed`` says: seconds from the start of the first step to the end of the last one; all of a timeline."""
    if exit.clock == "virtual":
        return exit.duration_s
    if not exit.steps:
        return 0.0
    return max(step.started_at_s + step.duration_s for step in exit.steps) - exit.steps[0].started_at_s


def timed_out(exit: Exit, step: StepExit) -> bool:
    """Whether a step was ended for its time, its own or the attempt's."""
    return step.exit.timeout or (exit.stopped is Stop.TIMEOUT and step is exit.steps[-1])


def ending(exit: ProcessExit) -> str:
    """``exit 1`` or ``signal 9 (SIGKILL)``."""
    if exit.signal:
        return f"signal {signal_name(exit.signal)}"
    return "no exit status" if exit.code is None else f"exit {exit.code}"


def signal_name(number: int) -> str:
    """``9 (SIGKILL)``; the bare number where it has no name."""
    try:
        return f"{number} ({Signals(number).name})"
    except ValueError:
        return str(number)


def named(step: StepExit) -> str:
    """A step as the language writes it: ``write[2]`` where it is repeated."""
    return step.label if step.index is None else f"{step.label}[{step.index}]"


def metric_type(order: Order, label: str, name: str) -> str:
    """The declared type of a metric of the step ``label``."""
    found = (
        metric.type for step in order.steps if step.label == label for metric in step.metrics if metric.name == name
    )
    return next(found, "decimal")


def _split(rest: str, labels: Iterable[str]) -> tuple[str, str]:
    """The longest of ``labels`` that ``rest`` starts with, and what follows; raises NotApplicable for none."""
    fitting = [label for label in labels if rest.startswith(label) and rest[len(label) : len(label) + 1] in (".", "[")]
    if not fitting:
        raise NotApplicable(rest)
    label = max(fitting, key=len)
    return label, rest[len(label) :].removeprefix(".")


def _index(field: str) -> tuple[int | None, str]:
    """``[1].exit.ok`` as its index and the rest; without an index None."""
    if not field.startswith("["):
        return None, field
    number, _, rest = field[1:].partition("]")
    return int(number), rest.removeprefix(".")
