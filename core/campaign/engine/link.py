"""An engine's end of the conversation with one campaign's planner; news of what was committed goes in batches."""

from __future__ import annotations

import socket
from collections.abc import Callable

import msgspec

from campaign.engine import protocol
from campaign.records.event import EventView
from campaign.supervise.channel import Channel
from campaign.supervise.loop import Loop, Timer

_decode = msgspec.json.Decoder(protocol.ToEngine).decode
#: The planner hears of what was committed in batches, at the latest after this.
_NEWS_EVERY_S, _NEWS_AT_ONCE = 0.05, 64


class PlannerLink:
    """``campaign`` is empty until it is opened."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        received: Callable[[PlannerLink, protocol.ToEngine], None],
        closed: Callable[[PlannerLink], None],
    ) -> None:
        self.campaign = ""
        self.opened = self.gone = False
        self._loop, self._closed = loop, closed
        self._news: Timer | None = None
        self._events: list[EventView] = []
        self._endings: list[protocol.Finished] = []
        self._channel = Channel(loop, sock, lambda line: received(self, _decode(line)), self._hung_up)

    def send(self, message: protocol.FromEngine) -> None:
        """Say something, after everything that was committed before."""
        self._tell()
        self._channel.send(message)

    def later(self, after_s: float, message: protocol.FromEngine) -> None:
        """Say it in so many seconds."""
        if after_s <= 0:
            self.send(message)
        else:
            self._loop.call_later(after_s, lambda: self.send(message))

    def note(self, events: list[EventView], endings: list[protocol.Finished]) -> None:
        """Keep what was committed of its campaign; ``endings`` are those of the events that lead to ``done``."""
        done = (event.seq for event in events if event.to_state == "done")
        self._events += events
        self._endings += [msgspec.structs.replace(each, seq=seq) for each, seq in zip(endings, done, strict=True)]
        if len(self._endings) >= _NEWS_AT_ONCE:
            self._tell()
        elif self._events and self._news is None:
            self._news = self._loop.call_later(_NEWS_EVERY_S, self._tell)

    def flush(self, patience_s: float) -> None:
        """Wait until what was said is on its way, the last act before the process ends."""
        self._channel.flush(patience_s)

    def close(self) -> None:
        """Hang up."""
        self.gone = True
        self._channel.close()

    def _tell(self) -> None:
        """The news, many at once: waking the planner for each would cost more than what it does with them."""
        if self._news is not None:
            self._news.cancel()
            self._news = None
        if self._events:
            self._channel.send(protocol.News(tuple(self._events), tuple(self._endings)))
            self._events, self._endings = [], []

    def _hung_up(self) -> None:
        self.gone = True
        self._closed(self)
