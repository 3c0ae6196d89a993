"""A synthetic recovery harness for the virtual clock: do faults recover in time, as drawn from the run's seed?

The model ``synthetic.recovery`` and the strategies ``compact`` and ``session`` follow a published harness bit for bit,
so that its reports and these can be compared: the generator, the two layouts, how a fault goes, and the two reports.
The kinds of faults, their times and their texts are the spec's (``specs/recovery-stress.camp``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, ClassVar

from campaign.plugins.api import (
    Dimension,
    Draw,
    Fault,
    Outcome,
    Placement,
    Quantity,
    Schedule,
    Schema,
    Simulated,
    Spread,
    Timeline,
    Value,
    hookimpl,
)

api = 1

_MASK = (1 << 64) - 1
_START = 0xD1B54A32D192ED03
_MULTIPLIER, _INCREMENT = 6364136223846793005, 1442695040888963407
_PER_SEQUENCE, _PER_ORDINAL = 0x9E3779B97F4A7C15, 0xA24BAED4963EE407
_HOUR_S = 3600
#: The virtual timeline begins here, so that equal seeds give equal bytes.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEFAULT_SLA_S = 60


class Generator:
    """A linear congruential generator of 64 bits, which wrap."""

    def __init__(self, seed: int) -> None:
        self._state = (seed + _START) & _MASK

    def bounded(self, bound: int) -> int:
        """The next number modulo ``bound``; 0, and nothing drawn, where that is 0."""
        if bound == 0:
            return 0
        self._state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK
        return self._state % bound


def recovery(seed: int, sequence: int, ordinal: int, sla_s: int) -> tuple[int, int]:
    """The seconds after which one fault is detected and recovered; ``sequence`` from 1, as laid out."""
    own = seed ^ (sequence + 1) * _PER_SEQUENCE & _MASK ^ ordinal * _PER_ORDINAL & _MASK
    draw = Generator(own).bounded
    detected = 1 + draw(max(2, sla_s // 5))
    if draw(12) == 0:
        return detected, sla_s + 5 + draw(max(5, sla_s // 3))
    floor = max(0, sla_s - max(5, sla_s // 3))
    return detected, floor + draw(max(1, sla_s - floor))


# --- layouts --------------------------------------------------------------------------------------------------------


def compact(kinds: int, total_s: int) -> list[tuple[int, int]]:
    """Each kind once, in order, in equal steps: kinds and seconds."""
    spacing = max(1, total_s // (kinds + 1))
    return [(kind, spacing * (kind + 1)) for kind in range(kinds)]


def session(kinds: int, total_s: int, seed: int) -> list[tuple[int, int]]:
    """Each kind once, then some more: kinds and seconds, by their instants."""
    draw = Generator(seed).bounded
    count = kinds + max(2, total_s // _HOUR_S)
    base = max(1, total_s // (count + 1))
    found: list[tuple[int, int]] = []
    for number in range(count):
        kind = number if number < kinds else draw(kinds)
        jitter = draw(max(1, base // (3 if number < kinds else 2)))
        found.append((kind, min(base * (number + 1) + jitter, total_s - 1)))
    return sorted(found, key=lambda each: each[1])


def session_length_s(over_s: Fraction | float) -> int:
    """A session lasts whole hours, one at least."""
    return max(1, int(over_s // _HOUR_S)) * _HOUR_S


class Compact(Schedule):
    """Ten minutes with each fault once."""

    name = "compact"
    about = "each fault once, in whole seconds, in equal steps: the synthetic harness's compact mode"
    over = "10m"

    def lay_out(self, spread: Spread) -> Sequence[Placement]:
        """Nothing is drawn."""
        return _placed(compact(len(spread.faults), int(spread.over.value)))


class Session(Schedule):
    """Hours with each fault once, and one more for each hour."""

    name = "session"
    about = "each fault once, and one more for each whole hour: the synthetic harness's long session"

    def lay_out(self, spread: Spread) -> Sequence[Placement]:
        """Drawn from the run's seed."""
        return _placed(session(len(spread.faults), session_length_s(spread.over.value), spread.seed))


def _placed(found: Iterable[tuple[int, int]]) -> list[Placement]:
    return [Placement(kind, Quantity(Fraction(at), Dimension.DURATION, "s")) for kind, at in found]


# --- the model ------------------------------------------------------------------------------------------------------


class Recovery(Fault):
    """A kind of fault that is noticed, and recovered from, after times drawn from the run's seed."""

    name = "recovery"
    about = "a fault on the virtual clock that recovers, most often within its sla"
    parameters: ClassVar[Schema] = {
        "ordinal": {"type": "int", "default": 0, "min": 0, "meta": {"help": "the number of its kind, from 0"}},
        "kind": {"type": "string", "default": "", "meta": {"help": "its kind in the reports; its label unless said"}},
        "description": {"type": "string", "default": "", "meta": {"help": "what happens, for the reports"}},
        "roadmap_anchor": {"type": "string", "default": "", "meta": {"help": "what it stands for, for the reports"}},
        "notes": {
            "type": "string",
            "default": "Synthetic {kind} injection on virtual timeline; detection {detected}s, recovery {recovered}s.",
            "meta": {"help": "what is noted of each: {kind}, {detected} and {recovered} are put in"},
        },
        "title": {"type": "string", "default": "Recovery", "meta": {"help": "the heading of recovery.md"}},
    }
    injects = False
    simulates = True

    def simulate(self, draw: Draw, settings: Mapping[str, Value]) -> Simulated:
        """Drawn from the run's seed and the fault's number; where no schedule numbered it, from its own draw."""
        seed, sequence = (draw.seed, draw.sequence) if draw.sequence else (draw.random, 0)
        detected, recovered = recovery(seed, sequence, _ordinal(settings), _sla_s(draw))
        words = {"{kind}": _kind(draw, settings), "{detected}": str(detected), "{recovered}": str(recovered)}
        notes = str(settings["notes"])
        for word, text in words.items():
            notes = notes.replace(word, text)
        return Simulated(detected_after_s=detected, recovered_after_s=recovered, notes=notes)

    def reports(self, timeline: Timeline, outcomes: Sequence[Outcome]) -> Mapping[str, str]:
        """``recovery.json`` and ``recovery.md``."""
        report = _report(timeline, outcomes)
        title = str(outcomes[0].settings["title"])
        return {
            "recovery.json": json.dumps(report, indent=2, ensure_ascii=False),
            "recovery.md": _markdown(title, report),
        }


def _ordinal(settings: Mapping[str, Value]) -> int:
    value = settings["ordinal"]
    return value if isinstance(value, int) else 0


def _kind(draw: Draw, settings: Mapping[str, Value]) -> str:
    return str(settings["kind"]) or draw.label


def _sla_s(draw: Draw) -> int:
    return _DEFAULT_SLA_S if draw.sla_s is None else int(draw.sla_s)


# --- reports --------------------------------------------------------------------------------------------------------


def _report(timeline: Timeline, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What ``recovery.json`` holds: fields in this order, seconds on the virtual timeline."""
    short = timeline.schedule is not None and timeline.schedule.rpartition(".")[2] == Compact.name
    length = int(timeline.over_s) if short else session_length_s(timeline.over_s)
    faults = [_fault(number, each) for number, each in enumerate(outcomes, start=1)]
    times = [each["recovery_time_secs"] for each in faults]
    passed = sum(each["passed_sla"] for each in faults)
    about = {"compact": short, "seed": timeline.seed, "virtual_duration_secs": length}
    summary = {
        **about,
        "total_faults": len(faults),
        "passed_faults": passed,
        "failed_faults": len(faults) - passed,
        "max_recovery_secs": max(times, default=0),
        "avg_recovery_secs": sum(times) / len(times) if times else 0.0,
    }
    generated = (_EPOCH + timedelta(seconds=length)).isoformat()
    return {"generated_at": generated, **about, "summary": summary, "faults": faults}


def _fault(number: int, outcome: Outcome) -> dict[str, Any]:
    draw, settings, went = outcome.draw, outcome.settings, outcome.simulated
    at, recovered = int(draw.at_s), int(went.recovered_after_s or 0)
    return {
        "sequence": draw.sequence or number,
        "kind": _kind(draw, settings),
        "description": str(settings["description"]),
        "roadmap_anchor": str(settings["roadmap_anchor"]),
        "injected_at_secs": at,
        "detected_at_secs": at + int(went.detected_after_s or 0),
        "recovered_at_secs": at + recovered,
        "recovery_time_secs": recovered,
        "sla_secs": _sla_s(draw),
        "passed_sla": recovered <= _sla_s(draw),
        "notes": went.notes or "",
    }


def _markdown(title: str, report: Mapping[str, Any]) -> str:
    return "\n".join((f"# {title}\n", *_summary(report), *_table(report["faults"]), *_notes(report["faults"]), ""))


def _summary(report: Mapping[str, Any]) -> Iterable[str]:
    summary = report["summary"]
    yield "## Summary\n"
    yield f"- Mode: {'compact' if report['compact'] else 'standard'}"
    yield f"- Seed: {report['seed']}"
    yield f"- Virtual duration: {report['virtual_duration_secs']}s"
    yield f"- Faults injected: {summary['total_faults']}"
    yield f"- SLA passed: {summary['passed_faults']}"
    yield f"- SLA failed: {summary['failed_faults']}"
    yield f"- Max recovery: {summary['max_recovery_secs']}s"
    yield f"- Avg recovery: {summary['avg_recovery_secs']:.1f}s\n"


def _table(faults: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    yield "## Faults\n"
    yield "| # | Fault | Injected | Recovered | Recovery | SLA | Status |"
    yield "|---|---|---:|---:|---:|---:|---|"
    for each in faults:
        times = ("injected_at_secs", "recovered_at_secs", "recovery_time_secs", "sla_secs")
        seconds = " | ".join(f"{each[name]}s" for name in times)
        yield f"| {each['sequence']} | {each['kind']} | {seconds} | {'pass' if each['passed_sla'] else 'fail'} |"


def _notes(faults: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    yield "\n## Notes\n"
    for each in faults:
        yield f'- `{each["kind"]}` mapped to roadmap item "{each["roadmap_anchor"]}": {each["notes"]}'


@hookimpl
def campaign_faults() -> Iterable[Fault]:
    """The model; its two strategies are in ``schedule``, where a spec finds them by their bare names."""
    return [Recovery()]
