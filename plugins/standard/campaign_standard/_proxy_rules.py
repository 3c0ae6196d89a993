"""What faults do to the connections of a ``net.proxy``: rules, put on and taken off while bytes pass.

Directions are seen from the client: ``up`` goes to what the proxy stands in front of, ``down`` comes back from there.
Nothing is opened or sent here; the program is ``_proxy.py``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

UP, DOWN = "up", "down"
KINDS = ("latency", "bandwidth", "blackhole", "partition", "reset", "half-open")
#: With a bandwidth, bytes go on in portions of so many seconds, so that a slow link does not come in bursts.
_PORTION_S = 0.02


class Rule(NamedTuple):
    """One fault in force; ``share`` of the connections, drawn from ``seed``, are hit.

    ``delay_s`` and ``jitter_s`` are a latency's, ``rate`` a bandwidth's in bytes a second; ``lasting`` says of a reset
    that new connections are reset too; ``keep`` is the end of a half-open connection that is not told.
    """

    id: str
    kind: str
    seed: int = 0
    share: float = 1.0
    direction: str = "both"
    delay_s: float = 0.0
    jitter_s: float = 0.0
    rate: float = 0.0
    lasting: bool = False
    keep: str = "client"

    def hits(self, connection: int) -> bool:
        """Whether it hits the connection of this number, the same for a seed every time."""
        return self.share >= 1 or random.Random(f"{self.seed}/{connection}").random() < self.share

    def covers(self, direction: str) -> bool:
        """Whether it is for this direction."""
        return self.direction in {"both", direction}


def rule_of(asked: Mapping[str, Any]) -> Rule:
    """A rule from JSON.  Raises TypeError or ValueError."""
    rule = Rule(**asked)
    if rule.kind not in KINDS:
        raise ValueError(f"no rule is called {rule.kind}")
    return rule


class Rules:
    """All rules in force, and a way to wait until they change."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._rules: dict[str, Rule] = {}
        self._removed: set[str] = set()
        self._changed = asyncio.Event()
        self._free_at = {UP: 0.0, DOWN: 0.0}  # when the link has room again, of a bandwidth

    def add(self, rule: Rule) -> bool:
        """Put it in force; not where it was removed already: whoever asked for it was slower than who undid it."""
        if rule.id in self._removed:
            return False
        self._rules[rule.id] = rule
        self._announce()
        return True

    def remove(self, rule_id: str) -> None:
        """Take it out of force; once more does no harm."""
        self._removed.add(rule_id)
        if self._rules.pop(rule_id, None) is not None:
            self._announce()

    def _announce(self) -> None:
        self._free_at = {UP: 0.0, DOWN: 0.0}
        self._changed.set()
        self._changed = asyncio.Event()

    def of(self, kind: str, connection: int, direction: str) -> list[Rule]:
        """Those of a kind that hit this direction of this connection."""
        if not self._rules:
            return []
        found = (each for each in self._rules.values() if each.kind == kind)
        return [each for each in found if each.covers(direction) and each.hits(connection)]

    def cut(self, direction: str) -> bool:
        """Whether packets of this direction are dropped."""
        return any(each.kind == "partition" and each.covers(direction) for each in self._rules.values())

    def resets(self, connection: int) -> bool:
        """Whether a new connection is reset."""
        return bool(self.of("reset", connection, UP))

    def blocked(self, connection: int, direction: str) -> bool:
        """Whether nothing passes in this direction."""
        return bool(self._rules) and (self.cut(direction) or bool(self.of("blackhole", connection, direction)))

    async def passage(self, connection: int, direction: str) -> None:
        """Wait until something passes in this direction."""
        while self.blocked(connection, direction):
            await self._changed.wait()

    async def gone(self, rule_id: str) -> None:
        """Wait until a rule is out of force."""
        while rule_id in self._rules:
            await self._changed.wait()

    def due(self, connection: int, direction: str, draws: dict[str, random.Random]) -> float:
        """When what is read now is to arrive; ``draws`` keeps, by rule, the chance of this direction."""
        late = 0.0
        for rule in self.of("latency", connection, direction):
            if rule.id not in draws:
                draws[rule.id] = random.Random(f"{rule.seed}/{connection}/{direction}")
            late += max(0.0, rule.delay_s + draws[rule.id].uniform(-1, 1) * rule.jitter_s)
        return self._now() + late

    async def arrival(self, due: float, connection: int, direction: str) -> None:
        """Wait until then, or until there is no latency any more."""
        while (left := due - self._now()) > 0 and self.of("latency", connection, direction):
            await self._change_within(left)

    def portion(self, direction: str, size: int) -> int:
        """How many of ``size`` bytes go on at once."""
        rate = self._rate(direction)
        return size if rate is None else max(1, min(size, int(rate * _PORTION_S)))

    async def pace(self, direction: str, size: int) -> None:
        """Wait until the link, which all connections share, has carried ``size`` more bytes."""
        rate = self._rate(direction)
        if rate is None:
            return
        done = self._free_at[direction] = max(self._now(), self._free_at[direction]) + size / rate
        while (left := done - self._now()) > 0 and self._rate(direction) == rate:
            await self._change_within(left)

    def _rate(self, direction: str) -> float | None:
        rates = [each.rate for each in self._rules.values() if each.kind == "bandwidth" and each.covers(direction)]
        return min(rates, default=None)

    async def _change_within(self, left: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._changed.wait()
