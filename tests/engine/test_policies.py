"""Retries and requeues as decisions: how often, on what, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.engine.policies import MOST_REQUEUES, Again, requeue, retry
from campaign.records import Decision, Failure, FailureKind, RetryOrder, Verdict


def failed(kind: FailureKind = FailureKind.EXIT, verdict: Verdict = Verdict.FAIL) -> Decision:
    return Decision(verdict, "why", Failure(kind, "why"))


def test_without_a_policy_nothing_is_retried() -> None:
    assert retry(None, failed(), 1) is None


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.CANCELED, Verdict.SKIPPED])
def test_what_did_not_fail_is_not_retried(verdict: Verdict) -> None:
    assert retry(RetryOrder(attempts=9), Decision(verdict), 1) is None


def test_errors_are_retried_like_failures() -> None:
    assert retry(RetryOrder(attempts=2), failed(FailureKind.SETUP, Verdict.ERROR), 1) == Again("policy", 0.0)


@given(st.integers(1, 20), st.integers(1, 40))
def test_there_are_at_most_so_many_attempts(most: int, sofar: int) -> None:
    assert (retry(RetryOrder(attempts=most), failed(), sofar) is not None) == (sofar < most)


def test_only_the_kinds_that_are_named() -> None:
    policy = RetryOrder(attempts=3, on=("setup", "timeout"))
    assert retry(policy, failed(FailureKind.TIMEOUT), 1) is not None
    assert retry(policy, failed(FailureKind.EXIT), 1) is None


def test_the_pause_doubles_within_its_range() -> None:
    policy = RetryOrder(attempts=99, first_s=1.0, last_s=10.0)
    pauses = [again.after_s for n in range(1, 7) if (again := retry(policy, failed(), n))]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@given(st.floats(0.001, 100), st.floats(0, 1000), st.integers(1, 2000))
def test_no_pause_leaves_its_range(first: float, more: float, attempts: int) -> None:
    again = retry(RetryOrder(attempts=10_000, first_s=first, last_s=first + more), failed(), attempts)
    assert again is not None
    assert first <= again.after_s <= first + more


def test_a_run_that_kills_its_runner_is_requeued_three_times() -> None:
    assert [requeue(n) for n in range(5)] == [Again("orphan")] * MOST_REQUEUES + [None, None]
