"""``junit``: a JUnit XML report, with Surefire's elements for runs that were retried.

One test case a run: ``classname`` is the instance, ``name`` the run's key.  A run that passed on a retry is a test
case that passed, with a ``flakyFailure`` (or ``flakyError``) for each attempt before; one that never passed has its
first attempt as ``failure`` or ``error`` and the later ones as ``rerunFailure`` or ``rerunError``.  One whose failure
is quarantined is ``skipped``, its issue named: it does not fail the campaign, so it must not fail whoever reads this.
Runs without a verdict, not carried out or lost, are one ``error`` together: what is not there has not passed.
Format: maven-surefire-plugin, ``surefire-test-report-3.0.xsd`` and «Rerun Failing Tests».
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from junitparser import Error, Failure, Skipped
from junitparser.xunit2 import FlakyError, FlakyFailure, RerunError, RerunFailure, TestCase, TestSuite

from campaign.plugins.api import Reporter, RunView, Summary, hookimpl
from campaign_standard._spared import issues, quarantine_of

api = 1

#: What XML 1.0 forbids even as a reference (https://www.w3.org/TR/xml/#charsets).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BAD = ("fail", "error")
_LONGEST = 4000  # of a text in the report; the whole stands in the evidence


class JunitReporter(Reporter):
    """Writes one test suite; a run at a time, so that its size does not matter."""

    name = "junit"
    about = "JUnit XML for CI systems, with retried runs as Surefire tells them"
    filename = "junit.xml"

    def report(self, summary: Summary, runs: Iterator[RunView], write: Callable[[str], None]) -> None:
        """Write the suite's head, a test case for each run that has a verdict, and the end."""
        head, tail = _around(summary)
        quarantines = issues(summary)
        write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{head}\n')
        for _, attempts in groupby(runs, key=lambda run: run.key):
            decided = [run for run in attempts if run.verdict is not None]
            if decided:
                write(_xml(_test_case(decided, quarantines)) + "\n")
        if left := _untold(summary):
            case = TestCase("runs without a verdict", _clean(summary.name))
            case.result = [
                Error(f"{left:,} of {summary.total:,} runs have no verdict; the campaign is {summary.state}")
            ]
            write(_xml(case) + "\n")
        write(f"{tail}\n</testsuites>\n")


@hookimpl
def campaign_reporters() -> Iterable[Reporter]:
    """The reporter of this module."""
    return [JunitReporter()]


def _around(summary: Summary) -> tuple[str, str]:
    """The suite's start tag with its properties, and its end tag; the counts stand in front, as readers expect."""
    suite = TestSuite(_clean(summary.name))  # type: ignore[no-untyped-call]
    count = summary.verdicts.get
    untold = bool(_untold(summary))
    suite.tests = sum(summary.verdicts.values()) + untold
    suite.failures = count("fail", 0) - summary.spared.get("fail", 0)
    suite.errors = count("error", 0) - summary.spared.get("error", 0) + untold
    suite.skipped = count("skipped", 0) + count("canceled", 0) + sum(summary.spared.values())
    suite.time = summary.duration_s or 0.0
    suite.timestamp = summary.started_at.removesuffix("Z")
    for name, value in (("campaign", summary.campaign), ("seed", summary.seed), ("plan_hash", summary.plan_hash)):
        suite.add_property(name, _clean(str(value)))
    head, _, _ = _xml(suite).rpartition("</testsuite>")
    return head, "</testsuite>"


def _untold(summary: Summary) -> int:
    """How many runs have no verdict."""
    return max(0, summary.total - sum(summary.verdicts.values()))


def _test_case(attempts: Sequence[RunView], quarantines: Mapping[str, str]) -> TestCase:
    """One run from its attempts, in order; the last one decides."""
    run = attempts[-1]
    case = TestCase(_clean(run.key), _clean(run.instance), run.duration_s or 0.0)
    spared = quarantine_of(run, quarantines)
    if spared is not None:
        result = _told(Skipped(), run)
        result.message, result.type = _clean(f"{spared}: {run.reason or run.verdict}"), "quarantined"
        case.result = [result]
        return case
    first = _first_like(attempts)
    if run.verdict in _BAD:
        case.result = [_told(Error() if run.verdict == "error" else Failure(), first)]
    elif run.verdict in ("skipped", "canceled"):
        case.result = [Skipped(_clean(run.reason or run.verdict))]
    for attempt in attempts:
        if attempt.verdict in _BAD and attempt is not first:
            case.add_interim_result(_interim(attempt, passed=run.verdict == "pass"))
    return case


def _first_like(attempts: Sequence[RunView]) -> RunView:
    """The first attempt that ended as the deciding one did, so that the elements are those that the suite counts."""
    return next(attempt for attempt in attempts if attempt.verdict == attempts[-1].verdict)


def _interim(attempt: RunView, *, passed: bool) -> Any:
    """An attempt beside the one that the case is told by; its story has an element of its own."""
    error, failure = (FlakyError, FlakyFailure) if passed else (RerunError, RerunFailure)
    result = _told(error() if attempt.verdict == "error" else failure(), attempt)
    result.stack_trace, result.text = result.text, None
    return result


def _told(result: Any, run: RunView) -> Any:
    result.message = _clean(run.reason or "")
    result.type = run.failure.kind if run.failure else str(run.verdict)
    result.text = _clean("\n".join(_story(run)))
    return result


def _story(run: RunView) -> Iterator[str]:
    """What a reader of the report needs to go on: what failed, how it was started, where it ended."""
    yield run.reason or ""
    if run.failure and run.failure.fingerprint:
        known = f", first {run.failure.duplicate_of}" if run.failure.duplicate_of else ""
        yield f"fingerprint: {run.failure.fingerprint} ({run.failure.classification or 'new'}{known})"
    for oracle in run.oracles:
        if oracle.ok is False or oracle.error:
            yield f"oracle {oracle.label}: {oracle.error or oracle.message}"
    for step in run.steps:
        ending = f"signal {step.exit.signal}" if step.exit.signal else f"exit {step.exit.code}"
        yield f"step {step.label}: {ending} after {step.duration_s:.3f} s: {' '.join(step.argv)}"
    yield f"run {run.key}@{run.attempt} (id {run.id}) of {run.campaign}"


def _xml(element: TestCase | TestSuite) -> str:
    text: str = element.tostring().decode("utf-8")  # type: ignore[no-untyped-call]
    return text.partition("?>\n")[2] if text.startswith("<?xml") else text


def _clean(text: str) -> str:
    """``text`` without what XML forbids: junitparser would write it as it is, and no reader would take it."""
    return _FORBIDDEN.sub("", text[:_LONGEST])
