"""Whether an attempt, or a round of an iteration, is followed by another one, and when: tenacity's strategies.

tenacity's ``stop``, ``retry`` and ``wait`` strategies are functions of a retry state; the engine asks them as pure
decisions and does the waiting itself, in its one event loop.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from tenacity import (
    Future,
    RetryCallState,
    Retrying,
    retry_if_result,
    stop_after_attempt,
    wait_exponential,
)

from campaign.records import Decision, Verdict
from campaign.records.order import RetryOrder

#: After that many requeues of a run whose runner died, the run itself is suspected of killing it.
MOST_REQUEUES = 3
#: The reason of a run that was requeued too often.
POISON = "poison"


class Again(Struct, frozen=True):
    """Another attempt is due ``after_s`` from now; ``cause`` is ``policy``, ``orphan`` or ``verb``."""

    cause: str
    after_s: float = 0.0


def retry(policy: RetryOrder | None, decision: Decision, attempts: int) -> Again | None:
    """What follows an attempt that came to ``decision``, ``attempts`` of the policy's own so far; None: nothing."""
    if policy is None or decision.verdict not in {Verdict.FAIL, Verdict.ERROR}:
        return None
    strategies = Retrying(
        stop=stop_after_attempt(policy.attempts),
        retry=retry_if_result(lambda kind: not policy.on or kind in policy.on),
        wait=wait_exponential(multiplier=policy.first_s, min=policy.first_s, max=policy.last_s),
    )
    state = RetryCallState(strategies, None, (), {})
    state.attempt_number = attempts
    state.outcome = Future(attempts)
    state.outcome.set_result(decision.failure.kind if decision.failure else None)
    if not strategies.retry(state) or strategies.stop(state):
        return None
    return Again("policy", float(strategies.wait(state)))


def requeue(requeues: int) -> Again | None:
    """What follows an attempt whose runner died under ``orphans requeue``; None: too often, it is poison."""
    return Again("orphan") if requeues < MOST_REQUEUES else None


def rounds(most: int) -> Callable[[int], bool]:
    """Whether a round, counted from 1 (0 before the first), is the last one."""
    stop = stop_after_attempt(most)
    strategies = Retrying(stop=stop)

    def is_last(number: int) -> bool:
        state = RetryCallState(strategies, None, (), {})
        state.attempt_number = number
        return stop(state)

    return is_last
