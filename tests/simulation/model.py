"""A simple model of what is fair, beside the real scheduler: it hears the same events and judges each choice."""

from __future__ import annotations

from collections import deque
from typing import Any

from campaign.engine import scheduler, scheduling, shares
from campaign.engine.protocol import Lane

from .world import Wrong


class Line:
    """A lane's orders that are here."""

    def __init__(self, lane: Lane, slots: dict[str, int]) -> None:
        self.lane, self.slots = lane, slots
        self.tokens: deque[str] = deque()
        self.open, self.dropped, self.beside = True, False, False


class Part:
    """A campaign."""

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}
        self.parallel: int | None = None
        self.slots: dict[str, int] | None = None
        self.stopped = False
        self.served = -1  # when, by the count of all services
        self.groups: dict[str, int | None] = {}  # when each was served; None: it has nothing more


class Model:
    """Wraps a scheduler; raises Wrong where it chooses what it must not."""

    def __init__(self, real: scheduler.Scheduler) -> None:
        self._real, self._handle = real, real.handle
        self._free = dict(real.capacity.items())
        self._parts: dict[str, Part] = {}
        self._placed: dict[str, tuple[str, dict[str, int]]] = {}
        self._paused: frozenset[tuple[str, str]] = frozenset()
        self._services = 0
        real.handle = self.handle  # type: ignore[method-assign]

    def handle(self, event: scheduling.Event) -> list[scheduling.Instruction]:
        self._hear(event)
        found = self._handle(event)
        for each in found:
            if isinstance(each, scheduling.Placed):
                self._judge(each)
        return found

    # --- bookkeeping ----------------------------------------------------------------------------------------------

    def _part(self, campaign: str) -> Part:
        if campaign not in self._parts:
            self._parts[campaign] = Part()
            self._parts[campaign].served = self._services  # who comes anew stands behind those that wait
        return self._parts[campaign]

    def _hear(self, event: Any) -> None:  # noqa: C901
        match event:
            case scheduling.Laned():
                part = self._part(event.campaign)
                part.parallel, part.slots = event.parallel, dict(event.slots) if event.slots is not None else None
                for lane in event.lanes:
                    part.lines.setdefault(lane.number, Line(lane, self._slots(part, lane)))
                    part.groups.setdefault(lane.group, -1)
            case scheduling.Joined():
                part = self._part(event.campaign)
                line = part.lines[event.lane.number] = Line(event.lane, self._slots(part, event.lane))
                line.open, line.beside = False, True
                part.groups.setdefault(event.lane.group, None)
            case scheduling.Parted():
                part = self._part(event.campaign)
                for number in event.lanes:
                    part.lines.pop(number, None)
                self._tidy(part)
            case scheduling.Offered():
                line = self._part(event.campaign).lines[event.lane]
                if not line.dropped:
                    line.tokens.extend(event.tokens)
                    line.open = not event.exhausted
                    self._tidy(self._part(event.campaign))
            case scheduling.Returned():
                line = self._part(event.campaign).lines[event.lane]
                line.tokens.appendleft(event.token)
                self._tidy(self._part(event.campaign))
            case scheduling.Adopted():
                held = {name: len(indexes) for name, indexes in event.granted.items()}
                self._part(event.campaign)
                self._take(event.token, event.campaign, held)
            case scheduling.Held() | scheduling.Released():
                sign = 1 if isinstance(event, scheduling.Released) else -1
                for name, indexes in event.units.items():
                    self._free[name] = self._free.get(name, 0) + sign * len(indexes)
            case scheduling.Yielded():
                self._give(event.token)
            case scheduling.Left():
                if not event.holding:
                    self._give(event.token)
                self._placed.pop(event.token, None)
            case scheduling.Stopped():
                self._part(event.campaign).stopped |= not event.plan
                for line in self._part(event.campaign).lines.values() if event.plan else ():
                    if not line.beside:
                        line.tokens.clear()
                        line.open, line.dropped = False, True
                self._tidy(self._part(event.campaign))
            case scheduling.Paused():
                self._paused = event.prefixes
            case scheduling.Dropped():
                for line in self._part(event.campaign).lines.values():
                    if shares.matches(line.lane.label, event.prefix):
                        line.tokens.clear()
                        line.open, line.dropped = False, True
                self._tidy(self._part(event.campaign))
            case scheduling.Detached():
                part = self._part(event.campaign)
                part.lines, part.groups, part.stopped = {}, {}, False
                if not any(campaign == event.campaign for campaign, _ in self._placed.values()):
                    del self._parts[event.campaign]

    def _tidy(self, part: Part) -> None:
        """A group that has nothing more loses its turn; one that gets something again stands behind the others."""
        full = {line.lane.group for line in part.lines.values() if line.open or line.tokens}
        for group, served in part.groups.items():
            part.groups[group] = (self._services if served is None else served) if group in full else None

    def _slots(self, part: Part, lane: Lane) -> dict[str, int]:
        wanted = {name: count for name, count in lane.needs.items() if count}
        for name, count in lane.prefers.items():
            here = self._real.capacity.get(name, 0)
            if part.slots is not None:
                here = min(here, part.slots.get(name, 0))
            if here >= count > 0:
                wanted[name] = count
        return wanted

    def _take(self, token: str, campaign: str, held: dict[str, int]) -> None:
        self._placed[token] = (campaign, held)
        for name, count in held.items():
            self._free[name] = self._free.get(name, 0) - count

    def _give(self, token: str) -> None:
        campaign, held = self._placed.get(token, ("", {}))
        for name, count in held.items():
            self._free[name] += count
        if held:
            self._placed[token] = (campaign, {})

    # --- judging --------------------------------------------------------------------------------------------------

    def _judge(self, placed: scheduling.Placed) -> None:
        part = self._parts[placed.campaign]
        line = part.lines[placed.lane]
        self._allowed(part, line, placed)
        self._fair(part, line, placed)
        self._services += 1
        part.served = part.groups[line.lane.group] = self._services
        line.tokens.remove(placed.token)
        self._tidy(part)
        self._take(placed.token, placed.campaign, {name: len(held) for name, held in placed.granted.items()})

    def _allowed(self, part: Part, line: Line, placed: scheduling.Placed) -> None:
        if placed.token not in line.tokens or part.stopped or self._held_back(placed.campaign, line):
            raise Wrong(f"{placed} was placed and must not be")
        if not self._fits(placed.campaign, part, line):
            raise Wrong(f"{placed} was placed and there are no slots: {self._free}")
        if len(self._placed) >= 2 * self._real.places:
            raise Wrong(f"{placed} was placed too far ahead")

    def _fair(self, part: Part, line: Line, placed: scheduling.Placed) -> None:
        for name, other in self._parts.items():
            if other is not part and self._ready(name, other) and other.served < part.served:
                raise Wrong(f"{placed.campaign} was served again before {name}, which waited")
        last = part.groups[line.lane.group]
        for group, served in part.groups.items():
            lines = [each for each in part.lines.values() if each.lane.group == group]
            if (
                None not in (last, served)
                and group != line.lane.group
                and served < last
                and self._all_ready(placed.campaign, part, lines)
            ):
                raise Wrong(f"{line.lane.group} was served again before {group} of {placed.campaign}, which waited")
        for each in part.lines.values():
            better = each.lane.group == line.lane.group and each.lane.priority > line.lane.priority
            if better and each.tokens and self._may(placed.campaign, part, each):
                raise Wrong(f"{line.lane.label} went before {each.lane.label}, which has priority")

    def _ready(self, campaign: str, part: Part) -> bool:
        """Whether it surely could have been served: nothing of it is on its way, paused, or waits for slots."""
        under_way = sum(name == campaign for name, _ in self._placed.values())
        if part.stopped or (part.parallel is not None and under_way >= part.parallel):
            return False
        return self._all_ready(campaign, part, list(part.lines.values()))

    def _all_ready(self, campaign: str, part: Part, lines: list[Line]) -> bool:
        waiting = [line for line in lines if line.open or line.tokens]
        return bool(waiting) and all(line.tokens and self._may(campaign, part, line) for line in waiting)

    def _may(self, campaign: str, part: Part, line: Line) -> bool:
        return not self._held_back(campaign, line) and self._fits(campaign, part, line)

    def _held_back(self, campaign: str, line: Line) -> bool:
        return any(name in {"", campaign} and shares.matches(line.lane.label, p) for name, p in self._paused)

    def _fits(self, campaign: str, part: Part, line: Line) -> bool:
        own: dict[str, int] = {}
        for name, held in self._placed.values():
            for slot, count in held.items() if name == campaign else ():
                own[slot] = own.get(slot, 0) + count
        return all(
            self._free.get(slot, 0) >= count
            and (part.slots is None or own.get(slot, 0) + count <= part.slots.get(slot, 0))
            for slot, count in line.slots.items()
        )
