"""The faults of a run and what its watches saw of them, as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from campaign.cli.tables import cut, table
from campaign.records import FaultView, RunView, WatchView

_WIDTH = 80
_MOST = 40


def watched_text(view: RunView) -> str:
    """Faults, watches, and both in the order of time; empty where a run has neither."""
    return "\n\n".join(part for part in (_faults(view), _watches(view), _timeline(view)) if part)


def _faults(view: RunView) -> str:
    watched = bool(view.watches) or view.clock == "virtual"
    rows = [
        [
            _name(each),
            each.name,
            "not injected" if each.injected_at_s is None else f"at {each.injected_at_s:.3f} s",
            *((_after(each, each.detected_at_s), _after(each, each.recovered_at_s), _sla(each)) if watched else ()),
            each.target,
            cut(each.error or each.notes or "", _WIDTH),
        ]
        for each in view.faults
    ]
    seen = ("detected", "recovered", "sla") if watched else ()
    return table(["fault", "model", "injected", *seen, "into", "notes"], rows) if rows else ""


def _name(fault: FaultView) -> str:
    return fault.label if fault.index is None else f"{fault.label}[{fault.index}]"


def _after(fault: FaultView, at_s: float | None) -> str:
    if fault.injected_at_s is None:
        return ""
    return "never" if at_s is None else f"after {at_s - fault.injected_at_s:.3f} s"


def _sla(fault: FaultView) -> str:
    if fault.sla_s is None:
        return ""
    kept = "" if fault.within_sla is None else ", kept" if fault.within_sla else ", not kept"
    return f"{fault.sla_s:g} s{kept}"


def _watches(view: RunView) -> str:
    rows = [
        [each.label, each.name, _says(each), each.samples, each.missed, cut(each.error or each.message, _WIDTH)]
        for each in view.watches
    ]
    return table(["watch", "oracle", "says", "samples", "missed", "message"], rows) if rows else ""


def _says(watch: WatchView) -> str:
    if watch.error is not None:
        return "cannot tell"
    return "skipped" if watch.ok is None else "ok" if watch.ok else "not ok"


def _timeline(view: RunView) -> str:
    """What happened and what was seen of it; a watch that always says the same is not told."""
    if not any(len(each.timeline) > 1 for each in view.watches):
        return ""
    told = sorted(_events(view), key=lambda each: each[0])
    more = sum(each.changes - len(each.timeline) for each in view.watches) + max(0, len(told) - _MOST)
    rows = [[f"{at_s:.3f} s", what, cut(says, _WIDTH)] for at_s, what, says in told[:_MOST]]
    left = f"\n… and {more:,} more: watch/LABEL.ldjson" if more else ""
    return table(["at", "timeline", "message"], rows) + left


def _events(view: RunView) -> Iterator[tuple[float, str, str]]:
    """Instant, what, message; at one instant what a watch saw before what follows from it."""
    for watch in view.watches:
        for seen in watch.timeline:
            word = "cannot tell" if seen.ok is None else "ok" if seen.ok else "not ok"
            yield seen.at_s, f"{watch.label} {word}", seen.message
    for fault in view.faults:
        instants = (fault.injected_at_s, fault.detected_at_s, fault.recovered_at_s)
        for at_s, what in zip(instants, ("injected", "detected", "recovered from"), strict=True):
            if at_s is not None:
                yield at_s, f"{_name(fault)} {what}", ""
