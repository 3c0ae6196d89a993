"""Questions of an analysis: the attempt that decides each run, narrow, and its large parts one by one."""

# ruff: noqa: S608 - the queries are put together from names of our own; every value is bound

from __future__ import annotations

from typing import Any

from msgspec import Struct

from campaign.ledger.rows import Trial
from campaign.records import FaultExit

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


class FaultName(Struct, frozen=True):
    """A fault by its provider."""

    fault: str


class Shape(Struct, frozen=True):
    """What an analysis reads of an order: the same for every run of a cell."""

    axes: dict[str, Any] = {}
    group: str = ""
    steps: tuple[StepShape, ...] = ()
    faults: tuple[FaultName, ...] = ()
    oracles: tuple[Named, ...] = ()
    watches: tuple[Named, ...] = ()


class Faults(Struct, frozen=True):
    """What is read of an exit record where only its faults are asked about."""

    faults: tuple[FaultExit, ...] = ()


#: The ids are sorted alone, as ``LedgerReader.glances`` does; orders, the largest parts, are not read.
TRIALS = f"""
WITH s AS MATERIALIZED (SELECT id FROM attempt WHERE campaign = ? AND origin = 'plan' ORDER BY id LIMIT -1)
SELECT {_COLUMNS}, a.order_blob, e.data FROM s CROSS JOIN attempt a ON a.id = s.id
LEFT JOIN blob e ON e.id = a.exit_blob
WHERE NOT EXISTS (SELECT 1 FROM attempt b WHERE b.campaign = a.campaign AND b.key = a.key AND b.origin = a.origin
                  AND b.attempt > a.attempt)
"""
ORDER = "SELECT data FROM blob WHERE id = ?"
ORACLES = "SELECT oracles FROM judgement WHERE token = ? AND source = 'exec' ORDER BY id DESC LIMIT 1"
#: The campaign whose attempt was the first, by admission, to fail with a fingerprint.
SEEN_FIRST = """
SELECT campaign FROM attempt WHERE fingerprint = ? AND origin IN ('plan', 'repeat') ORDER BY id LIMIT 1
"""
