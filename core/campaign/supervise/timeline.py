"""What a watch saw, in little room however long it lasted: only what was new is kept, and of too much head and tail."""

from __future__ import annotations

from collections import deque

from campaign.records import Sample

#: Changes of ``ok`` kept from the beginning and from the end, changes of the message alone, characters of a message.
HEAD, TAIL, WORDS, LONGEST = 2000, 2000, 200, 200


class Timeline:
    """Takes the samples of one watch in order; instants are seconds from the attempt's start."""

    def __init__(self) -> None:
        self.samples = 0
        self.first_at_s: float | None = None
        self.last_at_s: float | None = None
        self.longest_s = 0.0
        self.last: Sample | None = None
        self._head: list[Sample] = []
        self._tail: deque[Sample] = deque(maxlen=TAIL)
        self._turns = self._reworded = self._left_out = 0
        self._dropped_at_s: float | None = None

    def add(self, at_s: float, ok: bool | None, message: str) -> bool:
        """Take a sample; whether it differs in ``ok`` from the one before."""
        new = Sample(round(at_s, 6), ok, _short(message))
        before, self.last = self.last, new
        self.longest_s = max(self.longest_s, at_s - (at_s if self.last_at_s is None else self.last_at_s))
        self.samples += 1
        self.first_at_s = new.at_s if self.first_at_s is None else self.first_at_s
        self.last_at_s = new.at_s
        turned = before is None or before.ok is not ok
        if turned:
            self._turned(new)
        elif before is not None and before.message != new.message:
            self._said(new)
        return turned

    @property
    def changes(self) -> tuple[Sample, ...]:
        """What is kept, in order; between head and tail what was left out stands as not known."""
        if self._dropped_at_s is None:
            return (*self._head, *self._tail)
        gap = Sample(self._dropped_at_s, None, f"{self._turns - HEAD - TAIL:,} changes are left out here")
        return (*self._head, gap, *self._tail)

    @property
    def left_out(self) -> int:
        """Changes that are not kept."""
        return self._left_out

    def _turned(self, new: Sample) -> None:
        self._turns += 1
        if self._turns <= HEAD:
            self._head.append(new)
            return
        if len(self._tail) == TAIL:
            self._left_out += 1
            if self._dropped_at_s is None:
                self._dropped_at_s = self._tail[0].at_s
        self._tail.append(new)

    def _said(self, new: Sample) -> None:
        """The same judgement in other words: told while they are few, and never between what matters and the end."""
        if self._reworded < WORDS and self._turns <= HEAD:
            self._reworded += 1
            self._head.append(new)
        else:
            self._left_out += 1


def _short(message: str) -> str:
    return message if len(message) <= LONGEST else message[: LONGEST - 1] + "…"
