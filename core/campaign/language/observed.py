"""What an ``expect`` may ask of a run that has ended, beside its settings: names, types, and whom they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from campaign.language.items import Part
from campaign.language.names import meant, shown
from campaign.language.scopes import Condition
from campaign.language.typecheck import ANY, BOOL, DURATION, INT, OUTPUT, STRING, Type

EXIT: dict[str, Type] = {"code": INT, "signal": INT, "timeout": BOOL, "ok": BOOL}
ORACLE: dict[str, Type] = {"ok": BOOL, "message": STRING}
FAULT: dict[str, Type] = {
    "detected": BOOL,
    "recovered": BOOL,
    "within_sla": BOOL,
    "detect_time": DURATION,
    "recovery_time": DURATION,
}
FAULTS: dict[str, Type] = {"detected": BOOL, "recovered": BOOL, "within_sla": BOOL}
PLAIN: dict[str, Type] = {"output": OUTPUT, "elapsed": DURATION, "attempt": INT}
ROOTS = ("exit", "step", "oracle", "fault", "faults", "metrics", *PLAIN)
#: What a rule set's ``when`` may ask besides; the times are of every fault that was detected, recovered from.
VERDICT: dict[str, Type] = {
    "faults.detect_times": Type("list", DURATION),
    "faults.recovery_times": Type("list", DURATION),
    "verdict": STRING,
    "failure.kind": STRING,
    "failure.message": STRING,
    "failure.fingerprint": STRING,
}


class Observed(Struct, frozen=True):
    """The answer to a name: its type, and the axis values without which there is nothing to ask."""

    type: Type
    conditions: tuple[Condition, ...] = ()
    wrong: str | None = None
    hint: str | None = None


def wrong(summary: str, hint: str | None = None) -> Observed:
    """A name that asks for nothing, and why."""
    return Observed(ANY, (), summary, hint)


class Observations:
    """Answers what the names of one instance's expectations mean."""

    def __init__(self, parts: Sequence[Part], lost: bool, scheduled: bool = False) -> None:
        """Where something was ``lost``, a label or metric that is not there may have been there.

        What a schedule lays out may come more than once.
        """
        self._scheduled = scheduled
        self._steps = _by_label(parts, ("run",))
        self._oracles = _by_label(parts, ("oracle", "watch"))
        self._faults = _by_label(parts, ("fault",))
        self._metrics: dict[str, Type] = {}
        for part in parts:
            if part.kind == "run":
                self._metrics.update(part.facts.metrics)
        self._open = lost

    def is_observed(self, name: str) -> bool:
        """Whether a name speaks of the run's outcome rather than of a setting."""
        return name.partition(".")[0].partition("[")[0] in ROOTS

    def ask(self, name: str) -> Observed:
        """The type of a name that ``is_observed``."""
        root, _, rest = name.partition(".")
        if root in PLAIN:
            return wrong(f"{root} has no parts") if rest else Observed(PLAIN[root])
        if root == "exit":
            return self._field(rest, EXIT, "exit")
        if root == "faults":
            return self._field(rest, FAULTS, "faults")
        if root == "metrics":
            return self._metric(rest, self._metrics)
        if root == "oracle" and rest == "ok":
            return Observed(BOOL)
        table = {"step": self._steps, "oracle": self._oracles, "fault": self._faults}.get(root)
        if table is None or not rest:
            return wrong(f"{shown(name)} asks for nothing", f"expectations ask {', '.join(ROOTS)}")
        return self._labelled(root, rest, table)

    def missing_label(self, name: str) -> str | None:
        """The label that a name asks for and that no item of this instance bears; None where there is no such."""
        root, _, rest = name.partition(".")
        table = {"step": self._steps, "oracle": self._oracles, "fault": self._faults}.get(root)
        if table is None or rest == "ok" or longest(rest, table) is not None:
            return None
        return _label_in(root, rest)

    def _field(self, field: str, fields: Mapping[str, Type], root: str) -> Observed:
        if field in fields:
            return Observed(fields[field])
        hint = meant(field, fields) or f"{root} has {', '.join(fields)}"
        return wrong(f"{root} has no {shown(field) if field else 'value of its own'}", hint)

    def _metric(self, name: str, metrics: Mapping[str, Type]) -> Observed:
        if name in metrics:
            return Observed(metrics[name])
        if self._open:
            return Observed(ANY)
        declared = f"the metrics of this run are {', '.join(metrics)}" if metrics else "no step of this run has metrics"
        return wrong(f"no step of this run has the metric {shown(name)}", meant(name, metrics) or declared)

    def _labelled(self, root: str, rest: str, table: Mapping[str, list[Part]]) -> Observed:
        label = longest(rest, table)
        if label is None:
            if self._open:
                return Observed(ANY)
            named = _label_in(root, rest)
            hint = meant(named, table) or (f"there are {', '.join(table)}" if table else None)
            return wrong(f"this run has no {root} {shown(named)}", hint)
        parts, field = table[label], rest[len(label) :]
        index, field = _index(field)
        if index is not None and root == "fault" and self._scheduled and any("at" not in each.engine for each in parts):
            index = None
        if index is not None and root != "step":
            known = "only steps and the faults that a schedule lays out have an index"
            return wrong(f"{known}, {root} {shown(label)} has none")
        if index is not None and not any(_has_copy(part, index) for part in parts):
            return wrong(f"there is no step {shown(label)}[{shown(index)}]", _copies_hint(label, parts))
        answer = self._of_part(root, parts, field.removeprefix("."))
        conditions = tuple(part.placed.condition for part in parts if part.placed.condition is not None)
        always = any(part.placed.condition is None for part in parts)
        return Observed(answer.type, () if always else conditions, answer.wrong, answer.hint)

    def _of_part(self, root: str, parts: list[Part], field: str) -> Observed:
        if root == "oracle":
            return self._field(field, ORACLE, "an oracle")
        if root == "fault":
            return self._field(field, FAULT, "a fault")
        head, _, rest = field.partition(".")
        if head == "exit":
            return self._field(rest, EXIT, "exit")
        if head == "metrics":
            return self._metric(rest, {name: type_ for part in parts for name, type_ in part.facts.metrics.items()})
        return wrong(f"a step has no {shown(head) if head else 'value of its own'}", "ask its exit or its metrics")


def _label_in(root: str, rest: str) -> str:
    """What was probably meant as the label in ``write.exit.code``."""
    if root == "step":
        return rest.partition(".exit.")[0].partition(".metrics.")[0].partition("[")[0]
    return rest.rpartition(".")[0] or rest


def longest(rest: str, labels: Iterable[str]) -> str | None:
    """The longest of ``labels`` with which ``rest`` begins, as a whole: what follows is a dot or an index."""
    fitting = [
        label for label in labels if rest.startswith(label) and rest[len(label) : len(label) + 1] in ("", ".", "[")
    ]
    return max(fitting, key=len, default=None)


def _index(field: str) -> tuple[str | None, str]:
    if not field.startswith("["):
        return None, field
    index, _, rest = field[1:].partition("]")
    return index, rest


def _has_copy(part: Part, index: str) -> bool:
    """Whether a step has a repeat of this number; of one whose sweep could not be read, it may."""
    copies = part.copies
    return copies == 0 or (copies is not None and len(index) < 10 and 1 <= int(index) <= copies)


def _copies_hint(label: str, parts: Sequence[Part]) -> str:
    copies = max((part.copies or 0 for part in parts), default=0)
    if copies:
        return f"its repeats are {shown(label)}[1] to {shown(label)}[{copies}]"
    return f"{shown(label)} is not repeated: without an index, step.{shown(label)} means its one run"


def _by_label(parts: Sequence[Part], kinds: tuple[str, ...]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for part in parts:
        if part.kind in kinds:
            found.setdefault(part.label, []).append(part)
    return found
