"""``ctrf``: a report in the Common Test Report Format, a test case a run with its attempts.

Format: https://github.com/ctrf-io/ctrf, ``schema/ctrf.schema.json``.  CTRF knows no «error»: a run of which campaign
could not tell is ``other``, with ``rawStatus`` ``error``.  One whose failure is quarantined is ``skipped``, with its
issue and ``rawStatus`` ``fail``: it does not fail the campaign, so it must not fail whoever reads this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec

from campaign.plugins.api import Reporter, RunView, StepView, Summary, hookimpl
from campaign_standard._plain import plain
from campaign_standard._spared import issues, quarantine_of

api = 1

_SPEC = "1.0.0"
_STATUS = {"pass": "passed", "fail": "failed", "skipped": "skipped", None: "pending"}
_encode = msgspec.json.Encoder().encode


class CtrfReporter(Reporter):
    """Writes one test a run, a run at a time, so that its size does not matter."""

    name = "ctrf"
    about = "a Common Test Report Format file, a test a run"
    filename = "ctrf.json"

    def report(self, summary: Summary, runs: Iterator[RunView], write: Callable[[str], None]) -> None:
        """Write the head with its counts, a test for each run, and the end."""
        results = {"tool": _tool(summary), "summary": _summary(summary), "environment": _environment(summary)}
        head = {"reportFormat": "CTRF", "specVersion": _SPEC, "runId": summary.campaign, "generatedBy": "campaign"}
        write(_json(head)[:-1] + ',"results":' + _json(results)[:-1] + ',"tests":[')
        known = issues(summary)
        for number, (_, attempts) in enumerate(groupby(runs, key=lambda run: run.key)):
            write((",\n" if number else "\n") + _json(_test(list(attempts), known)))
        write("\n]}}\n")


@hookimpl
def campaign_reporters() -> Iterable[Reporter]:
    """The reporter of this module."""
    return [CtrfReporter()]


def _json(value: object) -> str:
    return _encode(value).decode()


def _tool(summary: Summary) -> dict[str, Any]:
    version = summary.environment.campaign
    return {"name": "campaign", **({"version": version} if version else {})}


def _summary(summary: Summary) -> dict[str, Any]:
    count, spared = summary.verdicts.get, summary.spared.get
    decided = sum(summary.verdicts.values())
    start = _milliseconds(summary.started_at)
    return {
        "tests": max(summary.total, decided),
        "passed": count("pass", 0),
        "failed": count("fail", 0) - spared("fail", 0),
        "skipped": count("skipped", 0) + sum(summary.spared.values()),
        "pending": max(0, summary.total - decided),
        "other": count("error", 0) - spared("error", 0) + count("canceled", 0),
        "flaky": summary.flaky,
        "start": start,
        "stop": _milliseconds(summary.finished_at) if summary.finished_at else start,
        "extra": {"state": summary.state, "seed": summary.seed, "planHash": summary.plan_hash},
    }


def _environment(summary: Summary) -> dict[str, Any]:
    system = summary.environment.system
    return {
        "reportName": plain(summary.name),
        "appName": plain(summary.name),
        "osPlatform": "linux",
        **({"osRelease": system} if system else {}),
    }


def _test(attempts: Sequence[RunView], known: Mapping[str, str]) -> dict[str, Any]:
    """One run from its attempts, in order; the last one decides."""
    run = attempts[-1]
    spared = quarantine_of(run, known)
    retried = {"retries": len(attempts) - 1, "retryAttempts": [_attempt(each) for each in attempts]}
    return {
        "testId": run.id,
        "name": plain(run.key),
        **_outcome(run),
        **({"status": "skipped", "message": plain(f"{spared}: {run.reason or run.verdict}")} if spared else {}),
        "rawStatus": run.verdict or run.state,
        "suite": [plain(run.instance)],
        **({"tags": [plain(tag) for tag in run.tags]} if run.tags else {}),
        "flaky": run.flaky,
        "parameters": {plain(name): value for name, value in run.settings.items()},
        "labels": {plain(name): _label(value) for name, value in run.axes.items()},
        "steps": [_step(step) for step in run.steps],
        **(retried if len(attempts) > 1 else {}),
        "extra": {
            "seed": run.seed,
            "fingerprint": run.failure.fingerprint if run.failure else None,
            "class": run.failure.classification if run.failure else None,
            "duplicateOf": run.failure.duplicate_of if run.failure else None,
        },
    }


def _outcome(run: RunView) -> dict[str, Any]:
    found: dict[str, Any] = {
        "status": _STATUS.get(run.verdict, "other"),
        "duration": round((run.duration_s or 0.0) * 1000),
    }
    if run.started_at is not None:
        found["start"] = _milliseconds(run.started_at)
    if run.finished_at is not None:
        found["stop"] = _milliseconds(run.finished_at)
    if run.reason:
        found["message"] = plain(run.reason)
    return found


def _attempt(run: RunView) -> dict[str, Any]:
    return {"attempt": run.attempt, **_outcome(run)}


def _step(step: StepView) -> dict[str, Any]:
    label = step.label if step.index is None else f"{step.label}[{step.index}]"
    metrics = {"extra": {"metrics": step.metrics}} if step.metrics else {}
    return {"name": plain(label), "status": "passed" if step.ok else "failed", **metrics}


def _label(value: Any) -> Any:
    return plain(value) if isinstance(value, str) else value if isinstance(value, int | float) else _json(value)


def _milliseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)
