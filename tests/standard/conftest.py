"""A campaign's record to report on."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from campaign.records import (
    FailureView,
    InstanceCounts,
    OracleView,
    ProcessExit,
    QuarantineView,
    RunView,
    StepView,
    Summary,
    UniqueFailure,
)


def make_run(cell: str, verdict: str, attempt: int = 1, **changes: Any) -> RunView:
    reason = changes.pop("reason", "" if verdict == "pass" else "row 7 missing")
    failure = FailureView(kind="oracle", message=reason, fingerprint="9f2c1a7be0d14c55") if reason else None
    step = StepView(label="writer", tool="w", argv=("w", "--x"), exit=ProcessExit(code=0), duration_s=0.5, ok=True)
    base: dict[str, Any] = {
        "id": "0123",
        "key": f"{cell}#1",
        "campaign": "crash-1",
        "instance": "crash.{journal}",
        "cell": cell,
        "axes": {"journal": cell},
        "settings": {},
        "seed": 1,
        "tier": None,
        "attempt": attempt,
        "state": "done",
        "verdict": verdict,
        "reason": reason,
        "failure": failure,
        "passed": verdict == "pass",
        "duration_s": 0.75,
        "steps": (step,),
        "oracles": (OracleView(name="o", label="o", ok=verdict == "pass", message=reason),),
    }
    return RunView(**{**base, **changes})


def make_summary(runs: Iterable[RunView] = (), **changes: Any) -> Summary:
    deciding = {run.key: run for run in runs}
    verdicts = dict.fromkeys(("pass", "fail", "error", "canceled", "skipped"), 0)
    for run in deciding.values():
        if run.verdict is not None:
            verdicts[run.verdict] += 1
    base: dict[str, Any] = {
        "campaign": "crash-20261120T100000Z-ab12",
        "name": "crash",
        "state": "finished",
        "exit_status": 1,
        "started_at": "2026-11-20T10:00:00Z",
        "finished_at": "2026-11-20T10:00:09Z",
        "duration_s": 9.0,
        "total": len(deciding),
        "verdicts": verdicts,
        "win_rate": 0.5,
        "win_rate_interval": (0.1, 0.9),
        "instances": (InstanceCounts(instance="crash.{journal}", verdicts=verdicts),),
        "failures": (
            UniqueFailure(
                fingerprint="9f2c1a7be0d14c55",
                kind="oracle",
                message="row 7 missing",
                count=2,
                first="off#1@1",
                classification="new",
                evidence="crash/off/seed-1/attempt-1",
            ),
        ),
        "next_steps": ("look at off#1@1",),
        "plan_hash": "0" * 32,
        "seed": 42,
    }
    return Summary(**{**base, **changes})


def make_spared() -> tuple[tuple[RunView, ...], dict[str, Any]]:
    """A run that passed, a failure and an error that are quarantined, and the changes of their summary."""
    mark = "9f2c1a7be0d14c55"
    known = FailureView(kind="oracle", message="row 7 missing", fingerprint=mark, classification="quarantined")
    view = QuarantineView(issue="DB-1", owner="storage", until="2999-01-01", rule_set="r")
    unique = UniqueFailure(
        fingerprint=mark,
        kind="oracle",
        message="row 7 missing",
        count=2,
        first="b#1@1",
        classification="quarantined",
        quarantine=view,
        evidence="e",
    )
    runs = (make_run("a", "pass"), make_run("b", "fail", failure=known), make_run("c", "error", failure=known))
    return runs, {"failures": (unique,), "quarantined": 2, "spared": {"fail": 1, "error": 1}, "exit_status": 0}


@pytest.fixture
def spared() -> tuple[tuple[RunView, ...], dict[str, Any]]:
    return make_spared()


@pytest.fixture
def run() -> Callable[..., RunView]:
    return make_run


@pytest.fixture
def summed() -> Callable[..., Summary]:
    return make_summary


@pytest.fixture
def written() -> Callable[..., str]:
    def report(reporter: Any, *runs: RunView, **changes: Any) -> str:
        pieces: list[str] = []
        reporter.report(make_summary(runs, **changes), iter(runs), pieces.append)
        return "".join(pieces)

    return report
