"""Lanes as the scheduler keeps them: a campaign's part, its queues by group, and what they wait for; pure.

Whatever happens to one queue costs about the same among ten queues and among 10,000: what is looked for is kept sorted,
by the slots that it waits for, and what is counted is counted as it comes and goes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from campaign.engine.protocol import Lane
from campaign.records import FallbackReason

#: The named slots that a run waits for: names and counts, sorted.
Profile: TypeAlias = tuple[tuple[str, int], ...]


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
    """A lane and its orders that are here; ``slots`` are those a run of it waits for, here.

    It stands in its group from ``open`` to ``tidy``; ``rank`` is its place there.
    """

    def __init__(self, lane: Lane, capacity: Mapping[str, int]) -> None:
        self.lane = lane
        self.rank = -lane.priority, lane.number
        self.slots, self.fallback = wanted_slots(lane, capacity)
        self.profile: Profile = tuple(sorted(self.slots.items()))
        self.tokens: deque[str] = deque()
        self.asked = 0
        self.exhausted = self.dropped = self.paused = self.beside = self.standing = False

    @property
    def open(self) -> bool:
        """Whether it has, or may get, something to place."""
        return bool(self.tokens) or not self.exhausted


class Group:
    """Queues that take turns as one, at the place ``turn``; ``ready`` are those that are not paused, in order."""

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.standing = 0
        self.ready: dict[Profile, list[Queue]] = {}

    def top_up(self, size: int) -> list[Queue]:
        """The queues that further orders are asked of from now on, in order, so that ``size`` are here or will be.

        So many of each profile: none hides what is behind it, but what waits for nothing.
        """
        found: list[Queue] = []
        last: Queue | None = None
        for profile in sorted(self.ready, key=len):
            here = 0
            for queue in self.ready[profile]:
                if here >= size or (last is not None and queue.rank > last.rank):
                    break
                here += _top_up(queue, size, found)
                last = queue if not profile and here >= size else last
        return sorted(found, key=_rank)


def _top_up(queue: Queue, size: int, found: list[Queue]) -> int:
    """How many of its orders are here or will be, with those that are asked for now."""
    here = len(queue.tokens) + queue.asked
    if queue.exhausted or queue.asked or here > size // 2:
        return here
    queue.asked = size - here
    found.append(queue)
    return size


class Share:
    """A campaign's part: its queues by group, in the order of their turns, and what it may have at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parallel: int | None = None
        self.ahead = True
        self.slots: Mapping[str, int] | None = None
        self.placed = 0
        self.resting = 0
        self.held: Counter[str] = Counter()
        self.forget()

    def forget(self) -> None:
        """Its planner is gone: it has no queues any more."""
        self.queues: dict[int, Queue] = {}
        self.groups: dict[str, Group] = {}
        self.awaited = 0
        self.stopped = False
        self._turns = 0
        self._fronts: dict[Profile, list[Group]] = {}  # the groups that have such a queue ready, in order
        self._needing = 0  # queues that wait for named slots
        self._changed: set[str] = set()  # groups whose window may be short
        self._size = 0

    @property
    def drained(self) -> bool:
        """Whether every order of every lane was placed."""
        return not self.awaited and not self.groups

    @property
    def wanting(self) -> bool:
        """Whether it has, or may get, something to place."""
        return not self.stopped and bool(self._fronts)

    @property
    def needy(self) -> bool:
        """Whether something that is to be placed waits for named slots."""
        return self._needing > 0

    def allows(self, profile: Profile) -> bool:
        """Whether its own limit of named slots leaves room for these."""
        limits = self.slots
        return limits is None or all(self.held[name] + count <= limits.get(name, 0) for name, count in profile)

    # --- queues come and go

    def group(self, name: str) -> Group:
        """The group of that name; a new one has the last turn."""
        if name not in self.groups:
            self.groups[name] = Group(self._next_turn())
        return self.groups[name]

    def reopen(self, queue: Queue) -> None:
        """A queue is new, or gets an order (again): it stands among its group, in its order."""
        self.touch(queue)
        if not queue.standing:
            queue.standing = True
            self.group(queue.lane.group).standing += 1
            self._needing += bool(queue.slots)
            if not queue.paused:
                self._enter(queue)

    def tidy(self, queue: Queue) -> None:
        """Forget a queue that is empty for good, and its group with the last one."""
        self.touch(queue)
        if queue.open or not queue.standing:
            return
        if not queue.paused:
            self._withdraw(queue)
        queue.standing = False
        self._needing -= bool(queue.slots)
        group = self.groups[queue.lane.group]
        group.standing -= 1
        if not group.standing:
            del self.groups[queue.lane.group]

    def pause(self, queue: Queue, paused: bool) -> None:
        """What a queue holds is not to be placed, or is again."""
        self.touch(queue)
        if queue.standing and queue.paused is not paused:
            (self._withdraw if paused else self._enter)(queue)
        queue.paused = paused

    def touch(self, queue: Queue) -> None:
        """Something about a queue changed: more of its group may be wanted here."""
        self._changed.add(queue.lane.group)

    def _enter(self, queue: Queue) -> None:
        group = self.groups[queue.lane.group]
        if queue.profile not in group.ready:
            group.ready[queue.profile] = []
            insort(self._fronts.setdefault(queue.profile, []), group, key=_turn)
        insort(group.ready[queue.profile], queue, key=_rank)

    def _withdraw(self, queue: Queue) -> None:
        group, profile = self.groups[queue.lane.group], queue.profile
        _remove(group.ready[profile], queue, _rank)
        if not group.ready[profile]:
            del group.ready[profile]
            self._leave_front(profile, group)

    def _leave_front(self, profile: Profile, group: Group) -> None:
        _remove(self._fronts[profile], group, _turn)
        if not self._fronts[profile]:
            del self._fronts[profile]

    # --- whose turn it is

    def first(self, fits: Callable[[Profile], bool]) -> Queue | None:
        """Of what fits, the first queue of the group whose turn it is."""
        fitting = [profile for profile in self._fronts if fits(profile)]
        if not fitting:
            return None
        group = min((self._fronts[profile][0] for profile in fitting), key=_turn)
        return min((group.ready[profile][0] for profile in fitting if profile in group.ready), key=_rank)

    def served(self, queue: Queue) -> None:
        """An order of it was placed: its group goes to the end of the turns."""
        group = self.groups[queue.lane.group]
        for profile in group.ready:
            self._leave_front(profile, group)
        group.turn = self._next_turn()
        for profile in group.ready:
            self._fronts.setdefault(profile, []).append(group)
        self.tidy(queue)

    def _next_turn(self) -> int:
        self._turns += 1
        return self._turns

    # --- the window

    def top_up(self, size: int) -> Iterator[Queue]:
        """The queues that further orders are asked of, so that each group has ``size`` here, in the order of turns."""
        changed = self._changed if size == self._size else self.groups.keys()
        groups = sorted((self.groups[name] for name in changed if name in self.groups), key=_turn)
        self._changed, self._size = set(), size
        for group in groups:
            yield from group.top_up(size)


_Kept = TypeVar("_Kept", Queue, Group)


def _remove(kept: list[_Kept], each: _Kept, key: Callable[[_Kept], Any]) -> None:
    """Out of a sorted list in which no two are equal."""
    del kept[bisect_left(kept, key(each), key=key)]


def _rank(queue: Queue) -> tuple[int, int]:
    return queue.rank


def _turn(group: Group) -> int:
    return group.turn
