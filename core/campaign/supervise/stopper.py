"""Stop a tree of processes: TERM and CONT, after a grace KILL, again and again until nothing of it is left."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from campaign.proc import Entry, Process, send_all
from campaign.supervise.loop import Loop, Timer
from campaign.supervise.tree import Tree

#: How long KILL is repeated before a process that does not die (uninterruptible) is given up.
PATIENCE_S = 10.0
_ROUND_S = 0.02

_TERM = (signal.SIGTERM, signal.SIGCONT)


class Stopper:
    """Stops a tree; calls ``done`` once, with whether nothing is left of it.

    It is searched again each time, so that processes started meanwhile are found too.  They are stopped before they
    are killed, so that a tree that goes on forking comes to an end.
    """

    def __init__(self, loop: Loop, tree: Tree, done: Callable[[bool], None]) -> None:
        self._loop, self._tree, self._done = loop, tree, done
        self._timer: Timer | None = None
        self._killing_since: float | None = None
        self._over = False
        self._asked: set[tuple[int, int]] = set()

    def start(self, grace_s: float) -> None:
        """Ask everyone to end."""
        victims = self._tree.survivors()
        if not victims:
            self._finish(True)
        elif grace_s <= 0:
            self._kill()
        else:
            self._ask(victims)
            self._set(grace_s, self._kill)

    def hurry(self, grace_s: float) -> None:
        """Shorten the grace."""
        if self._killing_since is None and not self._over and self._timer is not None:
            remaining = self._timer.when - self._loop.now()
            self._set(min(remaining, grace_s), self._kill)

    def poke(self) -> None:
        """A process ended: perhaps it was the last one, perhaps it left one that was not asked yet."""
        if self._over:
            return
        victims = self._tree.survivors()
        if not victims:
            self._finish(True)
        elif self._killing_since is None:
            self._ask(victims)

    def _ask(self, victims: Sequence[Entry | Process]) -> None:
        """Ask each of them to end, once."""
        new = [each for each in victims if (each.pid, each.start_time) not in self._asked]
        self._asked |= {(each.pid, each.start_time) for each in new}
        send_all(new, *_TERM)

    def _kill(self) -> None:
        if self._over:
            return
        self._killing_since = self._killing_since or self._loop.now()
        self._tree.strike()
        victims = self._tree.survivors()
        if not victims:
            self._finish(True)
        elif self._loop.now() - self._killing_since > PATIENCE_S:
            self._finish(False)
        else:
            send_all(victims, signal.SIGSTOP)
            send_all(self._tree.survivors(), signal.SIGKILL)
            self._set(_ROUND_S, self._kill)

    def _set(self, delay: float, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, delay), callback)

    def _finish(self, empty: bool) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._done(empty)
