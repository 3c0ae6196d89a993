"""Which attempt goes next: a pure machine, ``handle(event) -> [instruction]``, without clock or I/O.

Fair and orderly: campaigns take turns, and within a campaign its top-level groups: each backlogged one is served
before any is served twice; within a group higher priority goes first, then the order of the plan.  A run that waits for
a named slot, and a campaign that is paused, at its ``parallel``, or waits for its planner, do not hold up what fits
behind them.  Orders arrive in small windows, so that a plan of a million runs costs no more than one of ten.

``places`` are runs at a time.  One more order per place is placed ahead, so that no place waits for the ledger's sync;
not while several campaigns want a place, some lane needs named slots, or an earlier owner's attempt takes a place, for
what is ahead could not make way; nor where the campaign ends at the first failure, for what is ahead starts before
anyone has looked at what ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from campaign.engine.scheduling import (
    Adopted,
    Awaited,
    Busy,
    Detached,
    Dropped,
    Event,
    Free,
    Held,
    Instruction,
    Joined,
    Laned,
    Left,
    Offered,
    Parted,
    Paused,
    Placed,
    Released,
    Resized,
    Resting,
    Returned,
    Stopped,
    Wanted,
    Yielded,
)
from campaign.engine.shares import Profile, Queue, Share, matches

#: Orders kept ready, over all groups.
WINDOW = 64
#: Named slots by name, as indexes.
Grant: TypeAlias = "dict[str, tuple[int, ...]]"


def _units(units: Mapping[str, tuple[int, ...]]) -> set[tuple[str, int]]:
    return {(name, index) for name, indexes in units.items() for index in indexes}


class Scheduler:
    """Places, named slots, and the queues of orders by campaign and group.

    ``slots`` are the workspace's; with ``believe`` it has as many as any campaign says.
    """

    def __init__(self, places: int, slots: Mapping[str, int], *, believe: bool = False) -> None:
        self.places = places
        self._believe = believe
        self._capacity = dict(slots)
        self._free = {name: list(range(count)) for name, count in slots.items()}
        self._shares: dict[str, Share] = {}  # in the order of their turns
        self._placed: dict[str, tuple[str, Grant]] = {}  # by token: campaign and slots
        self._adopted: set[str] = set()
        self._resting: set[str] = set()
        self._held: set[tuple[str, int]] = set()  # units that only a person gives back
        self._busy: set[tuple[str, int]] = set()  # units that are in use in other workspaces
        self._paused: frozenset[tuple[str, str]] = frozenset()

    @property
    def capacity(self) -> Mapping[str, int]:
        """The named slots that there are."""
        return self._capacity

    @property
    def free(self) -> Mapping[str, int]:
        """The named slots that nobody holds."""
        return {name: len(indexes) for name, indexes in self._free.items()}

    @property
    def busy(self) -> Mapping[str, int]:
        """The named slots that are in use in other workspaces."""
        return Counter(name for name, _ in self._busy)

    def waits_for(self, campaign: str = "") -> tuple[str, ...]:
        """The named slots of which a campaign's runs that are here need more than are free."""
        share = self._shares.get(campaign)
        queues = share.queues.values() if share else ()
        profiles = {queue.profile for queue in queues if queue.tokens and not queue.paused}
        lacking = {name for profile in profiles for name, n in profile if len(self._free.get(name, ())) < n}
        return tuple(sorted(lacking))

    @property
    def crowded(self) -> bool:
        """Whether more was placed ahead than there are places, while it might have to make way."""
        return len(self._placed) > self.places and not self._ahead

    def idle(self, campaign: str = "") -> bool:
        """Whether nothing of a campaign is placed and nothing more will be."""
        share = self._shares.get(campaign)
        return share is None or (share.placed == share.resting and (share.stopped or share.drained))

    def drained(self, campaign: str = "") -> bool:
        """Whether every order of every lane of a campaign was placed."""
        share = self._shares.get(campaign)
        return share is None or share.drained

    def handle(self, event: Event) -> list[Instruction]:
        """Take one event in; what is to be done because of it."""
        self._take(event)
        placed: list[Instruction] = list(self._fill())
        return placed + list(self._wants())

    def _take(self, event: Event) -> None:  # noqa: C901, PLR0912 - one line an event
        match event:
            case Offered():
                self._offer(event)
            case Yielded():
                self._release(event.token)
            case Resting():
                self._rest(event.token)
            case Left():
                self._leave(event)
            case Held():
                self._withhold(event.units)
            case Released():
                self._give_back(event.units, self._held)
            case Busy():
                self._busy |= _units(event.units)
                self._remove(event.units)
            case Free():
                self._give_back(event.units, self._busy)
            case Awaited():
                self._await(event)
            case Returned():
                self._return(event)
            case Laned():
                self._add(event)
            case Joined():
                self._join(event)
            case Parted():
                self._part(event)
            case Adopted():
                self._adopt(event)
            case Resized():
                self.places = event.places
            case Stopped():
                self._stop(event)
            case Paused():
                self._pause(event)
            case Dropped():
                self._drop(event)
            case Detached():
                self._detach(event)

    # --- queues -------------------------------------------------------------------------------------------------

    def _share(self, campaign: str) -> Share:
        if campaign not in self._shares:
            self._shares[campaign] = Share(campaign)
        return self._shares[campaign]

    def _add(self, event: Laned) -> None:
        share = self._share(event.campaign)
        share.parallel, share.slots, share.ahead = event.parallel, event.slots, event.ahead
        if self._believe:
            self._grow(event.slots or {})
        first = {lane.group: lane.number for lane in reversed(event.lanes)}
        for group in sorted(first, key=lambda name: first[name]):
            share.group(group)
        here = self._here(share)
        for lane in event.lanes:
            queue = share.queues.setdefault(lane.number, Queue(lane, here))
            share.pause(queue, self._is_paused(share, queue))
            share.reopen(queue)

    def _join(self, event: Joined) -> None:
        share = self._share(event.campaign)
        queue = share.queues[event.lane.number] = Queue(event.lane, self._here(share))
        queue.exhausted = queue.beside = True
        queue.paused = self._is_paused(share, queue)

    def _part(self, event: Parted) -> None:
        share = self._share(event.campaign)
        for number in event.lanes:
            queue = share.queues.pop(number, None)
            if queue is not None:
                self._end(share, queue)

    def _stop(self, event: Stopped) -> None:
        share = self._share(event.campaign)
        if not event.plan:
            share.stopped = True
            return
        share.awaited = 0
        for queue in share.queues.values():
            if not queue.beside:
                self._end(share, queue)

    @staticmethod
    def _end(share: Share, queue: Queue) -> None:
        """It has nothing more to place, ever."""
        queue.tokens.clear()
        queue.exhausted = queue.dropped = True
        share.tidy(queue)

    def _await(self, event: Awaited) -> None:
        share = self._share(event.campaign)
        share.awaited = max(0, share.awaited + event.count)

    def _here(self, share: Share) -> Mapping[str, int]:
        """The slots that a campaign may use here."""
        limits = share.slots
        if limits is None:
            return self._capacity
        return {name: min(count, limits.get(name, 0)) for name, count in self._capacity.items()}

    def _grow(self, slots: Mapping[str, int]) -> None:
        for name, count in slots.items():
            have = self._capacity.get(name, 0)
            if count > have:
                self._capacity[name] = count
                self._free[name] = sorted({*self._free.get(name, ()), *range(have, count)} - self._taken(name))

    def _taken(self, name: str) -> set[int]:
        placed = {index for _, granted in self._placed.values() for index in granted.get(name, ())}
        return placed | {index for slot, index in self._held | self._busy if slot == name}

    def _offer(self, event: Offered) -> None:
        share = self._share(event.campaign)
        queue = share.queues[event.lane]
        queue.asked = 0
        share.touch(queue)
        if queue.dropped:
            return
        queue.exhausted = event.exhausted
        queue.tokens.extend(event.tokens)
        if queue.tokens:
            share.reopen(queue)
        share.tidy(queue)

    def _return(self, event: Returned) -> None:
        share = self._share(event.campaign)
        share.awaited = max(0, share.awaited - 1)
        queue = share.queues[event.lane]
        share.reopen(queue)
        queue.tokens.appendleft(event.token)

    def _pause(self, event: Paused) -> None:
        self._paused = event.prefixes
        for share in self._shares.values():
            for queue in share.queues.values():
                share.pause(queue, self._is_paused(share, queue))

    def _is_paused(self, share: Share, queue: Queue) -> bool:
        return any(
            campaign in {"", share.name} and matches(queue.lane.label or queue.lane.group, prefix)
            for campaign, prefix in self._paused
        )

    def _drop(self, event: Dropped) -> None:
        share = self._share(event.campaign)
        for queue in share.queues.values():
            if matches(queue.lane.label or queue.lane.group, event.prefix):
                self._end(share, queue)

    def _detach(self, event: Detached) -> None:
        share = self._share(event.campaign)
        share.forget()
        if not share.placed:
            del self._shares[event.campaign]

    # --- placing ------------------------------------------------------------------------------------------------

    def _fill(self) -> Iterator[Placed]:
        while len(self._placed) < self._limit:
            chosen = self._choose()
            if chosen is None:
                return
            share, queue = chosen
            token = queue.tokens.popleft()
            granted = self._hold(share, token, queue.slots)
            share.served(queue)
            self._shares[share.name] = self._shares.pop(share.name)  # to the end of the turns
            yield Placed(token, queue.lane.number, granted, queue.fallback, share.name)

    @property
    def _limit(self) -> int:
        return 2 * self.places if self._ahead else self.places

    @property
    def _ahead(self) -> bool:
        """Whether orders may be placed ahead: there is one campaign, which may fill every place, and nobody to wait."""
        wanting = [share for share in self._shares.values() if share.wanting]
        if self._adopted or len(wanting) > 1:
            return False
        return all(
            share.ahead and (share.parallel or self.places) >= self.places and not share.needy for share in wanting
        )

    def _choose(self) -> tuple[Share, Queue] | None:
        ahead = self._ahead
        for share in self._shares.values():
            full = not ahead and share.parallel is not None and share.placed >= share.parallel
            queue = None if share.stopped or full else self._first(share)
            if queue is not None:
                return share, queue
        return None

    def _first(self, share: Share) -> Queue | None:
        queue = share.first(lambda profile: self._fits(share, profile))
        # Where its orders are on their way, its turn waits for them: plan order and fairness are kept.
        return queue if queue is not None and queue.tokens else None

    def _fits(self, share: Share, profile: Profile) -> bool:
        free = self._free
        return share.allows(profile) and all(len(free.get(name, ())) >= count for name, count in profile)

    def _hold(self, share: Share, token: str, slots: Mapping[str, int]) -> Grant:
        granted = {name: tuple(self._free[name][:count]) for name, count in slots.items()}
        for name, count in slots.items():
            del self._free[name][:count]
        self._keep(share, token, granted)
        return granted

    def _keep(self, share: Share, token: str, granted: Grant) -> None:
        self._placed[token] = (share.name, granted)
        share.placed += 1
        share.held.update({name: len(indexes) for name, indexes in granted.items()})

    def _adopt(self, event: Adopted) -> None:
        self._adopted.add(event.token)
        self._keep(
            self._share(event.campaign), event.token, {name: tuple(held) for name, held in event.granted.items()}
        )
        self._remove(event.granted)

    def _remove(self, units: Mapping[str, tuple[int, ...]]) -> None:
        for name, indexes in units.items():
            self._free[name] = [index for index in self._free.get(name, ()) if index not in indexes]

    def _withhold(self, units: Mapping[str, tuple[int, ...]]) -> None:
        self._held |= _units(units)
        self._remove(units)

    def _give_back(self, units: Mapping[str, tuple[int, ...]], withheld: set[tuple[str, int]]) -> None:
        """What was withheld is free where nothing else speaks against it."""
        given = _units(units) & withheld
        withheld -= given
        for name, index in given:
            if index < self._capacity.get(name, 0) and index not in self._taken(name):
                self._free[name] = sorted({*self._free.get(name, ()), index})

    def _rest(self, token: str) -> None:
        self._resting.add(token)
        self._share(self._placed[token][0]).resting += 1

    def _leave(self, event: Left) -> None:
        if not event.holding:
            self._release(event.token)
        self._adopted.discard(event.token)
        campaign, granted = self._placed.pop(event.token, ("", None))
        if granted is not None:
            self._withhold(granted)
            share = self._share(campaign)
            share.placed -= 1
            share.resting -= event.token in self._resting
            share.held.subtract({name: len(indexes) for name, indexes in granted.items()})
        self._resting.discard(event.token)

    def _release(self, token: str) -> None:
        campaign, granted = self._placed.get(token, ("", {}))
        if granted:
            self._share(campaign).held.subtract({name: len(indexes) for name, indexes in granted.items()})
            self._placed[token] = (campaign, {})
        for name, indexes in granted.items():
            known = {index for index in indexes if index < self._capacity.get(name, 0)}  # its owner may have had more
            self._free[name] = sorted({*self._free.get(name, ()), *known} - self._taken(name))

    # --- the window ---------------------------------------------------------------------------------------------

    def _wants(self) -> Iterator[Wanted]:
        """Top the window of each group up, in the order in which its lanes will be served."""
        open_ = [share for share in self._shares.values() if not share.stopped]
        size = max(2, WINDOW // max(1, sum(len(share.groups) for share in open_)))
        for share in open_:
            for queue in share.top_up(size):
                yield Wanted(queue.lane.number, queue.asked, share.name)
