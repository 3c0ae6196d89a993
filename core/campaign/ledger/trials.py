"""Questions of an analysis: the attempt that decides each run, narrow, and its large parts one by one."""

# ruff: noqa: S608 - the queries are put together from names of our own; every value is bound

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from campaign.ledger.reading import DECIDES, Reading, decode_exit, decode_oracles, decode_order, kinds_of
from campaign.ledger.rows import Outcome, Trial, seed_of
from campaign.records import Exit, FaultExit, OracleRecord, Order

_COLUMNS = ", ".join(f"a.{name}" for name in Trial.__struct_fields__[:-2])


class Named(Struct, frozen=True):
    """Something with a label."""

    label: str


class MetricName(Struct, frozen=True):
    """A metric by its name."""

    name: str


class StepShape(Struct, frozen=True):
    """A step by its label and its metrics."""

    label: str
    metrics: tuple[MetricName, ...] = ()


class FaultShape(Struct, frozen=True):
    """A fault by its label and its model; its ``sla_s`` is the one of this run, others of the cell may have another."""

    label: str
    fault: str
    sla_s: float | None = None


class WatchShape(Struct, frozen=True):
    """A watch by its label, and which faults it judges, as of a ``WatchOrder``."""

    label: str
    faults: tuple[str, ...] | None = None
    advisory: bool = False

    def judges(self, fault: str) -> bool:
        """Whether it says when this fault was detected, and when recovered."""
        return not self.advisory and (self.faults is None or fault in self.faults)


class Shape(Struct, frozen=True):
    """What an analysis reads of an order: the same for every run of a cell."""

    axes: dict[str, Any] = {}
    group: str = ""
    steps: tuple[StepShape, ...] = ()
    faults: tuple[FaultShape, ...] = ()
    oracles: tuple[Named, ...] = ()
    watches: tuple[WatchShape, ...] = ()
    clock: str = "real"


class AxesOf(Struct, frozen=True):
    """What is read of an order where only its axes are asked about."""

    axes: dict[str, Any] = {}


class Metrics(Struct, frozen=True):
    """The metrics of a step."""

    metrics: dict[str, str] = {}


class Measured(Struct, frozen=True):
    """What is read of an exit record where only its metrics are asked about."""

    steps: tuple[Metrics, ...] = ()


class Faults(Struct, frozen=True):
    """What is read of an exit record where only its faults are asked about."""

    faults: tuple[FaultExit, ...] = ()


#: The ids are sorted alone, as ``LedgerReader.glances`` does; orders, the largest parts, are not read.
_TRIALS = f"""
WITH s AS MATERIALIZED (SELECT id FROM attempt WHERE campaign = ? AND origin = 'plan' ORDER BY id LIMIT -1)
SELECT {_COLUMNS}, a.order_blob, e.data FROM s CROSS JOIN attempt a ON a.id = s.id
LEFT JOIN blob e ON e.id = a.exit_blob
WHERE {DECIDES}
"""
#: The same with orders or without, and exit records of what passed.
_OUTCOMES = f"""
WITH s AS MATERIALIZED (SELECT id FROM attempt WHERE campaign = ?1 AND origin = 'plan' ORDER BY id LIMIT -1)
SELECT a.instance, a.cell, a.seed, a.attempt, a.cause, a.verdict, a.duration_s, o.data, e.data
FROM s CROSS JOIN attempt a ON a.id = s.id
LEFT JOIN blob o ON ?2 AND o.id = a.order_blob
LEFT JOIN blob e ON a.verdict = 'pass' AND e.id = a.exit_blob
WHERE {DECIDES}
"""
_ORDER = "SELECT data FROM blob WHERE id = ?"
_ORACLES = "SELECT oracles FROM judgement WHERE token = ? AND source = 'exec' ORDER BY id DESC LIMIT 1"

_BLOBS = frozenset((bytes, type(None)))
_TRIAL_KINDS = (*kinds_of(Trial, *Trial.__struct_fields__[:-1]), _BLOBS)
_OUTCOME_KINDS = (*kinds_of(Outcome, *Outcome.__struct_fields__[:-2]), _BLOBS, _BLOBS)
_shape = msgspec.json.Decoder(Shape).decode
_faults = msgspec.json.Decoder(Faults).decode
_axes = msgspec.json.Decoder(AxesOf).decode
_measured = msgspec.json.Decoder(Measured).decode


class TrialQueries(Reading):
    """What an analysis asks."""

    def trials(self, campaign: str) -> Iterator[Trial]:
        """The attempt that decides each run of the plan, in the order of admission; half the price of ``glances``."""
        return (Trial(*row) for row in self._sound(_TRIAL_KINDS, self._rows(_TRIALS, campaign)))

    def outcomes(self, campaign: str, *, axes: bool = False) -> Iterator[Outcome]:
        """What became of each run of the plan, in the order of admission; its axes only where they are wanted."""
        return map(self._outcome, self._sound(_OUTCOME_KINDS, self._rows(_OUTCOMES, campaign, axes)))

    def _outcome(self, row: tuple[Any, ...]) -> Outcome:
        instance, cell, seed, attempt, cause, verdict, duration_s, order, exit_ = row
        axes = {} if order is None else self._decoded(_axes, (order,)).axes
        steps = () if exit_ is None else self._decoded(_measured, (exit_,)).steps
        metrics = (
            steps[0].metrics if len(steps) == 1 else {k: text for each in steps for k, text in each.metrics.items()}
        )
        return Outcome(instance, cell, seed_of(seed), attempt, cause, verdict, duration_s, axes, metrics)

    def order_of(self, trial: Trial) -> Order:
        """What was to be done."""
        return self._decoded(decode_order, self._one(_ORDER, trial.order))

    def shape_of(self, trial: Trial) -> Shape:
        """The same, as far as it holds for every run of its cell."""
        return self._decoded(_shape, self._one(_ORDER, trial.order))

    def faults_of(self, trial: Trial) -> tuple[FaultExit, ...]:
        """The faults that it had."""
        return () if trial.exit is None else self._decoded(_faults, (trial.exit,)).faults

    def exit_of(self, trial: Trial) -> Exit | None:
        """What happened; None where nothing was started."""
        return None if trial.exit is None else self._decoded(decode_exit, (trial.exit,))

    def oracles_of(self, trial: Trial) -> tuple[OracleRecord, ...]:
        """What the oracles said when it was judged first."""
        row = self._one(_ORACLES, trial.token)
        return () if row is None else self._decoded(decode_oracles, row)
