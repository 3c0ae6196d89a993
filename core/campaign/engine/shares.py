"""Lanes as the scheduler keeps them: a campaign's part, its queues by group, and what they wait for; pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

from campaign.engine.protocol import Lane
from campaign.records import FallbackReason


def matches(label: str, prefix: str) -> bool:
    """Whether a label starts with the whole segments of ``prefix``; the empty prefix is everything."""
    return not prefix or label == prefix or label.startswith(f"{prefix}.")


def wanted_slots(lane: Lane, capacity: Mapping[str, int]) -> tuple[dict[str, int], str | None]:
    """The slots that a run of ``lane`` waits for on this host, and why a preferred one is not among them.

    A preferred slot is waited for where the host has it, however busy; it is done without only where there is none.
    """
    slots = {name: count for name, count in lane.needs.items() if count}
    fallback = None
    for name, count in lane.prefers.items():
        have = capacity.get(name, 0)
        if have >= count > 0:
            slots[name] = max(slots.get(name, 0), count)
        elif count > 0:
            fallback = fallback or (FallbackReason.TOO_FEW if have else FallbackReason.NONE_HERE).of(name)
    return slots, fallback


class Queue:
    """A lane and its orders that are here; ``slots`` are those a run of it waits for, here."""

    def __init__(self, lane: Lane, capacity: Mapping[str, int]) -> None:
        self.lane = lane
        self.slots, self.fallback = wanted_slots(lane, capacity)
        self.profile = tuple(sorted(self.slots.items()))
        self.tokens: deque[str] = deque()
        self.asked = 0
        self.exhausted = self.dropped = self.paused = self.beside = False

    @property
    def open(self) -> bool:
        """Whether it has, or may get, something to place."""
        return bool(self.tokens) or not self.exhausted

    @property
    def rank(self) -> tuple[int, int]:
        """Where it stands in its group."""
        return -self.lane.priority, self.lane.number


class Share:
    """A campaign's part: its queues by group, in the order of their turns, and what it may have at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parallel: int | None = None
        self.ahead = True
        self.slots: Mapping[str, int] | None = None
        self.queues: dict[int, Queue] = {}
        self.groups: dict[str, list[Queue]] = {}
        self.placed = 0
        self.resting = 0
        self.held: Counter[str] = Counter()
        self.awaited = 0
        self.stopped = False

    @property
    def drained(self) -> bool:
        """Whether every order of every lane was placed."""
        return not self.awaited and not self.groups

    @property
    def wanting(self) -> bool:
        """Whether it has, or may get, something to place."""
        return not self.stopped and any(not queue.paused for group in self.groups.values() for queue in group)

    @property
    def needy(self) -> bool:
        """Whether something that is to be placed waits for named slots."""
        return any(queue.slots for group in self.groups.values() for queue in group)

    def allows(self, profile: tuple[tuple[str, int], ...]) -> bool:
        """Whether its own limit of named slots leaves room for these."""
        limits = self.slots
        return limits is None or all(self.held[name] + count <= limits.get(name, 0) for name, count in profile)

    def reopen(self, queue: Queue) -> None:
        """A queue is new, or was emptied and gets an order again: it stands among its group, in its order."""
        group = self.groups.setdefault(queue.lane.group, [])
        if queue not in group:
            group.append(queue)
            group.sort(key=lambda each: each.rank)

    def tidy(self, queue: Queue) -> None:
        """Forget a queue that is empty for good, and its group with the last one."""
        group = self.groups.get(queue.lane.group, [])
        if queue.open or queue not in group:
            return
        group.remove(queue)
        if not group:
            del self.groups[queue.lane.group]
