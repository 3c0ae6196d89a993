"""When what ran: attempts one by one while they are few, and counts by interval however many there are; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import heappop, heappush

from campaign.analysis.cells import label_of, tally_of
from campaign.ledger.rows import Glance
from campaign.records.overview import Bar, Lane, Timeline

#: Intervals of a timeline, half of them at least in use; lanes that are told apart; seconds of the finest interval.
INTERVALS, MOST_LANES, FINEST_S = 240, 64, 0.05
_PLACES = {"pass": 0, "fail": 1, "error": 2, "canceled": 3, "skipped": 4}


class Busy:
    """Seconds in use by interval."""

    def __init__(self) -> None:
        self.seconds = [0.0] * INTERVALS

    def add(self, start: float, end: float, width: float) -> None:
        """Spread the time from ``start`` to ``end`` over the intervals."""
        last = min(int(end / width), INTERVALS - 1)
        for index in range(int(start / width), last + 1):
            self.seconds[index] += max(0.0, min(end, (index + 1) * width) - max(start, index * width))

    def halve(self) -> None:
        """Make every two intervals one."""
        pairs = zip(self.seconds[::2], self.seconds[1::2], strict=True)
        self.seconds = [first + second for first, second in pairs] + [0.0] * (INTERVALS // 2)


class TimelineTally:
    """Takes attempts in any order; the intervals double in width whenever one ends beyond the last of them."""

    def __init__(self, start: str, now: str, bars: int) -> None:
        """``start`` is the campaign's, ``now`` the end of what still runs; both RFC 3339."""
        self._start, self._start_text = datetime.fromisoformat(start), start
        self._now = self._second(now)
        self._width = FINEST_S
        self._most_bars = bars
        self._attempts, self._last = 0, 0.0
        self._ended = [[0] * 5 for _ in range(INTERVALS)]
        self._running = Busy()
        self._slots: dict[str, Busy] = {}
        self._bars: list[tuple[float, float, str, str | None, tuple[str, ...]]] = []

    def add(self, glance: Glance) -> None:
        """Take an attempt that was started."""
        if glance.started_at is None:
            return
        start = max(0.0, self._second(glance.started_at))
        end = max(start, self._end(glance, start))
        while end >= self._width * INTERVALS:
            self._widen()
        self._attempts += 1
        self._last = max(self._last, end)
        self._running.add(start, end, self._width)
        place = _PLACES.get(glance.verdict or "")
        if place is not None:
            self._ended[int(end / self._width)][place] += 1
        slots = tuple(f"{name} {index}" for name, held in glance.granted.items() for index in held)
        for slot in slots:
            if slot in self._slots or len(self._slots) < MOST_LANES:
                self._slots.setdefault(slot, Busy()).add(start, end, self._width)
        if len(self._bars) <= self._most_bars:
            run = label_of(f"{glance.key}@{glance.attempt}")
            self._bars.append((start, end, run, glance.verdict, slots))

    def _second(self, at: str) -> float:
        return (datetime.fromisoformat(at) - self._start).total_seconds()

    def _end(self, glance: Glance, start: float) -> float:
        if glance.finished_at is None:
            return self._now
        if glance.duration_s is not None:
            return start + glance.duration_s
        return self._second(glance.finished_at)

    def _widen(self) -> None:
        self._width *= 2
        for busy in (self._running, *self._slots.values()):
            busy.halve()
        pairs = zip(self._ended[::2], self._ended[1::2], strict=True)
        merged = [[a + b for a, b in zip(first, second, strict=True)] for first, second in pairs]
        self._ended = merged + [[0] * 5 for _ in range(INTERVALS // 2)]

    def result(self) -> Timeline | None:
        """The timeline; None where nothing was started."""
        if not self._attempts:
            return None
        used = min(INTERVALS, int(self._last / self._width) + 1)
        return Timeline(
            start=self._start_text,
            length_s=self._last,
            interval_s=self._width,
            attempts=self._attempts,
            ended=tuple(tally_of(each) for each in self._ended[:used]),
            running=tuple(seconds / self._width for seconds in self._running.seconds[:used]),
            lanes=tuple(self._lanes(used)),
        )

    def _lanes(self, used: int) -> Iterable[Lane]:
        drawn = self._bars if len(self._bars) <= self._most_bars else []
        for slot in sorted(self._slots, key=_by_number):
            busy = tuple(min(1.0, seconds / self._width) for seconds in self._slots[slot].seconds[:used])
            bars = tuple(_bar(each) for each in drawn if slot in each[4])
            yield Lane(name=slot, bars=bars, busy=busy)
        if not self._slots:
            for number, bars in enumerate(_places(drawn), start=1):
                yield Lane(name=f"place {number}", bars=bars)


def _by_number(slot: str) -> tuple[str, int]:
    name, _, index = slot.rpartition(" ")
    return name, int(index)


def _bar(each: tuple[float, float, str, str | None, tuple[str, ...]]) -> Bar:
    return Bar(start_s=each[0], end_s=each[1], run=each[2], verdict=each[3])


def _places(drawn: Sequence[tuple[float, float, str, str | None, tuple[str, ...]]]) -> list[tuple[Bar, ...]]:
    """Attempts without slots, each in the lowest place that is free when it starts."""
    places: list[list[Bar]] = []
    free: list[int] = []
    taken: list[tuple[float, int]] = []
    for each in sorted(drawn, key=lambda one: one[:2]):
        while taken and taken[0][0] <= each[0]:
            heappush(free, heappop(taken)[1])
        if not free:
            heappush(free, len(places))
            places.append([])
        place = heappop(free)
        places[place].append(_bar(each))
        heappush(taken, (each[1], place))
    return [tuple(place) for place in places[:MOST_LANES]]
