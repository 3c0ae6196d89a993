"""The record of a run, as ``run.json`` holds it, by the names that a triage rule may ask: for examples of rule sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import msgspec

from campaign.records import FaultView, OracleView, RunView, StepView
from campaign.units import Dimension, Quantity, UnitError, Value, parse_number, parse_quantity

#: Of a record that an example names.
MOST_BYTES = 4 << 20
#: A process ended by a signal has the exit code that shells report.
_SIGNAL_BASE = 128
_decode = msgspec.json.Decoder(RunView).decode


def values_of(data: bytes) -> dict[str, Value]:
    """Every value of the run in ``data`` by its name; what a run lacks has none.  Raises ValueError for no record."""
    try:
        view = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    found: dict[str, Value | None] = {
        **{name: _value(value) for name, value in (view.settings | view.axes).items()},
        "verdict": view.verdict,
        "attempt": view.attempt,
        "seed": view.seed,
        "tier": view.tier,
        **_failure(view),
        **_steps(view.steps),
        **_oracles(view.oracles),
        **_faults(view.faults),
    }
    return {name: value for name, value in found.items() if value is not None}


def _failure(view: RunView) -> dict[str, Value | None]:
    failure = view.failure
    if failure is None:
        return {}
    return {
        "failure.kind": failure.kind,
        "failure.message": failure.message,
        "failure.fingerprint": failure.fingerprint,
    }


def _steps(steps: Iterable[StepView]) -> dict[str, Value | None]:
    """Later steps of a name come after earlier ones, and so stand for all of them."""
    found: dict[str, Value | None] = {}
    first, last = None, None
    for step in steps:
        first, last = first or step, step
        found |= _exit("exit", step)
        found |= {f"metrics.{name}": _value(value) for name, value in step.metrics.items()}
        for label in (step.label, f"{step.label}[{step.index}]"):
            before = found.get(f"step.{label}.exit.ok", True)
            found |= _exit(f"step.{label}.exit", step)
            found |= {f"step.{label}.metrics.{name}": _value(value) for name, value in step.metrics.items()}
            found[f"step.{label}.exit.ok"] = bool(before) and step.ok
    if first is not None and last is not None:
        found["elapsed"] = _seconds(last.started_at_s + last.duration_s - first.started_at_s)
    return found


def _exit(name: str, step: StepView) -> dict[str, Value | None]:
    ended = step.exit
    code = _SIGNAL_BASE + ended.signal if ended.signal else ended.code
    return {
        f"{name}.code": code,
        f"{name}.signal": ended.signal or 0,
        f"{name}.timeout": ended.timeout,
        f"{name}.ok": step.ok,
    }


def _oracles(oracles: Iterable[OracleView]) -> dict[str, Value | None]:
    found: dict[str, Value | None] = {"oracle.ok": True}
    for oracle in oracles:
        if oracle.ok is not None:
            found |= {f"oracle.{oracle.label}.ok": oracle.ok, f"oracle.{oracle.label}.message": oracle.message}
            found["oracle.ok"] = found["oracle.ok"] and (oracle.ok or oracle.advisory)
        elif oracle.error is not None and not oracle.advisory:
            return {**found, "oracle.ok": None}
    return found


def _faults(faults: Iterable[FaultView]) -> dict[str, Value | None]:
    found: dict[str, Value | None] = {}
    times: dict[str, list[Value]] = {"detect": [], "recovery": []}
    all_of = {"detected": True, "recovered": True, "within_sla": True}
    for fault in faults:
        for name, value in _fault(fault):
            found[f"fault.{fault.label}.{name}"] = value
            if name in all_of:
                all_of[name] &= value is True
            else:
                times[name.removesuffix("_time")].append(value)
    found |= {f"faults.{name}": value for name, value in all_of.items()}
    return found | {f"faults.{name}_times": tuple(values) for name, values in times.items()}


def _fault(fault: FaultView) -> Iterator[tuple[str, Value]]:
    began, detected, recovered = fault.injected_at_s, fault.detected_at_s, fault.recovered_at_s
    if began is None:
        return
    yield "detected", detected is not None
    yield "recovered", recovered is not None
    yield "within_sla", fault.within_sla is not False
    if detected is not None:
        yield "detect_time", _seconds(detected - began)
    if recovered is not None:
        yield "recovery_time", _seconds(recovered - began)


def _seconds(number: float) -> Quantity:
    return Quantity(Fraction(round(number * 10**9), 10**9), Dimension.DURATION, "s")


def _value(value: Any) -> Value | None:
    """A setting or a metric as a value: a text that is a number or a quantity is one."""
    if isinstance(value, list | tuple):
        return tuple(each for each in map(_value, value) if each is not None)
    if isinstance(value, float):
        return Fraction(str(value))
    if not isinstance(value, str):
        return value if isinstance(value, bool | int) else None
    for read in (parse_number, parse_quantity):
        try:
            return read(value)
        except (UnitError, ValueError):
            continue
    return value
