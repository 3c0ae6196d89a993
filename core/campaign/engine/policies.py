"""Whether an attempt, or a round of an iteration, is followed by another one, and when: tenacity's strategies.

tenacity's ``stop``, ``retry`` and ``wait`` strategies are functions of a retry state; the engine asks them as pure
decisions and does the waiting itself, in its one event loop.  Only ``persistently`` waits, for a command without one.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from tenacity import (
    Future,
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
)

from campaign.diagnostics import CampaignError
from campaign.records import Decision, Verdict
from campaign.records.order import RetryOrder

#: After that many requeues of a run whose runner died, the run itself is suspected of killing it.
MOST_REQUEUES = 3
#: Somebody else is about to hold the workspace, or who held it is gone: soon it is another one's, or nobody's.
CHANGING_HANDS = frozenset({"CAMP524", "CAMP525", "CAMP526"})
_PERSISTENCE_S, _FIRST_S, _LONGEST_S = 30.0, 0.1, 3.0
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


def persistently() -> Retrying:
    """Ask again, ever more slowly, while a workspace changes hands; for half a minute, then its error is raised."""
    return Retrying(
        stop=stop_after_delay(_PERSISTENCE_S),
        wait=wait_exponential(multiplier=_FIRST_S, max=_LONGEST_S),
        retry=retry_if_exception(_changing_hands),
        reraise=True,
    )


def _changing_hands(error: BaseException) -> bool:
    return isinstance(error, CampaignError) and error.diagnostics[0].code in CHANGING_HANDS
