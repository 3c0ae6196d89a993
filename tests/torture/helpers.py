"""The helper programs of faults: killed by somebody else while one is in force, which each run has to tell."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.gauntlet.processes import command_lines

from .ground import Ground

#: How their command lines are known.
_HELPERS = ("campaign_standard._hog", "campaign_standard._faultfs", "strace -qqq")
_MARK = b"CAMPAIGN_WORKDIR="
#: How long before the end of a fault, or of the tools, somebody may have been about to take it back.
_SLACK_S = 0.1


class Struck(NamedTuple):
    """A helper that was killed: when (seconds since 1970), of which attempt's folder, of the fault of which label."""

    at: float
    work: str
    label: str


def helpers(ground: Ground) -> list[int]:
    """Those that run for an attempt of this workspace."""
    return [pid for pid, line in command_lines() if any(each in line for each in _HELPERS) and _work(ground, pid)]


def whose(ground: Ground, pid: int) -> tuple[str, str] | None:
    """The attempt's folder and the fault's label, once the fault has noted its helper; None before and after that."""
    work = _work(ground, pid)
    for memo in Path(work).glob(".campaign-*.json") if work else ():
        with suppress(OSError, ValueError):
            if _first_pid(json.loads(memo.read_bytes())) in {pid, _parent(pid)}:
                return str(work), memo.name.removeprefix(".campaign-").rpartition("-")[0]
    return None


def _first_pid(memo: Any) -> int | None:
    """Of a memo that is a process, or a list of them; other faults note other things."""
    first = memo[0] if isinstance(memo, list) and memo else None
    number = first[0] if isinstance(first, list) and first else first
    return number if isinstance(number, int) else None


def untold(ground: Ground, struck: list[Struck]) -> Iterator[str]:
    """The kills that came while a fault was in force for certain, and of which its run says nothing."""
    works = {json.loads(path.read_bytes())["directories"]["work"]: path.parent for path in _orders(ground)}
    verdicts = _verdicts(ground)
    for each in struck:
        private = works[each.work]
        record = _record(private / "exit.json")
        if record is None or not _in_force(record, each):
            continue
        told = [one.get("error") or "" for one in _of(record, each.label)]
        if not any(one.startswith("ended early: its helper ") for one in told):
            yield f"the helper of {each.label} in {private} was killed, and nothing tells it: {told}"
        elif verdicts[private.name] == "pass":
            yield f"the helper of {each.label} in {private} was killed, and the run passed"


def told(ground: Ground) -> int:
    """How many faults and holds ended early, by their records."""
    records = filter(None, (_record(path.parent / "exit.json") for path in _orders(ground)))
    every = (one for record in records for one in (*record.get("faults", ()), *record.get("holds", ())))
    return sum((one.get("error") or "").startswith("ended early") for one in every)


def _in_force(record: dict[str, Any], struck: Struck) -> bool:
    """Whether it was for certain, and nobody was about to take it back."""
    if any(word in record for word in ("stopped", "internal_error", "setup_error")):
        return False
    at_s = struck.at - datetime.fromisoformat(record["started_at"]).timestamp()
    tools_s = max((one.get("started_at_s", 0.0) + one.get("duration_s", 0.0) for one in record["steps"]), default=0.0)
    spans = [
        (one.get("injected_at_s", one.get("put_on_at_s")), one.get("cleared_at_s", tools_s))
        for one in _of(record, struck.label)
    ]
    return any(start is not None and start <= at_s <= min(end, tools_s) - _SLACK_S for start, end in spans)


def _of(record: dict[str, Any], label: str) -> list[dict[str, Any]]:
    return [one for one in (*record.get("faults", ()), *record.get("holds", ())) if one["label"] == label]


def _orders(ground: Ground) -> list[Path]:
    return list(ground.workspace.glob("attempts/*/order.json"))


def _record(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found
    return None


def _verdicts(ground: Ground) -> dict[str, str]:
    with sqlite3.connect(f"file:{ground.workspace / 'ledger.sqlite'}?mode=ro", uri=True) as db:
        return dict(db.execute("SELECT token, verdict FROM attempt"))


def _work(ground: Ground, pid: int) -> str | None:
    with suppress(OSError):
        marks = [each for each in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if each.startswith(_MARK)]
        found = os.fsdecode(marks[0].removeprefix(_MARK)) if marks else ""
        return found if found.startswith(f"{ground.workspace}/") else None
    return None


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    return 0
