"""When a watchdog repairs: a machine without clock, process or network, which is told how the server is."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from campaign_redis.health import State

#: The pause between two repairs in a row doubles, up to this.
LONGEST_PAUSE_S = 5.0


class Policy(NamedTuple):
    """How a watchdog looks and acts; unless said, it is one to be proud of.

    It asks every ``interval_s``.  What does not answer within ``patience_s`` hangs, which it may or may not notice.  It
    repairs at most ``attempts`` times (0: as often as it takes), for the second time in a row after ``backoff_s``.
    Before the first it waits ``confirm_s``, in which trouble may go by itself.
    """

    interval_s: float = 0.05
    patience_s: float = 0.25
    notices_hangs: bool = True
    attempts: int = 0
    backoff_s: float = 0.5
    confirm_s: float = 0.0


def read_policy(path: Path) -> Policy:
    """The policy in a TOML file; what it does not say is as it is unless said.

    Raises OSError, and ValueError with one sentence for what is no policy.
    """
    try:
        said = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from None
    for name, value in said.items():
        kind = type(Policy._field_defaults.get(name))
        if name not in Policy._fields or not _fits(kind, value):
            known = ", ".join(Policy._fields)
            raise ValueError(f"{path}: {name} = {value!r} is nothing that a watchdog knows; it knows {known}")
    return Policy(**said)


def _fits(kind: type, value: Any) -> bool:
    if kind is bool or isinstance(value, bool):
        return kind is type(value)
    return isinstance(value, int | float if kind is float else int) and value >= 0


class Repairer:
    """Told how the server is, says whether to repair it: kill what is left of it, and start it anew."""

    def __init__(self, policy: Policy) -> None:
        self.detections = self.commands = 0
        self._policy = policy
        self._in_trouble = False
        self._not_before_s = 0.0
        self._pause_s = policy.backoff_s

    def decide(self, state: State, now_s: float) -> bool:
        """Whether to repair now; counts what it notices and what it orders."""
        if state is State.DOWN or (state is State.HUNG and self._policy.notices_hangs):
            if not self._in_trouble:
                self.detections += 1
                self._in_trouble, self._not_before_s = True, now_s + self._policy.confirm_s
            return self._repair(now_s)
        if state is State.WELL:
            self._in_trouble = False
            self._not_before_s, self._pause_s = 0.0, self._policy.backoff_s
        return False

    def _repair(self, now_s: float) -> bool:
        given_up = self._policy.attempts and self.commands >= self._policy.attempts
        if given_up or now_s < self._not_before_s:
            return False
        self.commands += 1
        self._not_before_s = now_s + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        return True
