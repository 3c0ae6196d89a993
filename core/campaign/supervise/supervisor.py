"""A supervisor: one slot's process, which carries out one attempt after the other and answers for its tree.

Single-threaded, with one loop; its engine may die while it works: then it carries the attempt under way to its natural
end, leaves the exit record, and goes.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from campaign.records import Order, Stop, order_digest
from campaign.records.messages import (
    Clear,
    Exited,
    FromSupervisor,
    Halt,
    Judge,
    Quit,
    Refused,
    Start,
    ToSupervisor,
    Waiting,
)
from campaign.supervise.attempt import Attempt
from campaign.supervise.chain import Chain
from campaign.supervise.channel import Channel
from campaign.supervise.clearing import Clearing
from campaign.supervise.devices import DeviceLocks
from campaign.supervise.limits import Limits
from campaign.supervise.loop import Timer
from campaign.supervise.resources import Busy, ResourceLocks
from campaign.supervise.station import Station
from campaign.supervise.steps import GRACE_S
from campaign.supervise.virtual import VirtualAttempt

_decode = msgspec.json.Decoder(ToSupervisor).decode
_TOKEN_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_FAREWELL_S = 5.0
#: How often a device or a resource that another attempt holds is looked at.
_BUSY_S = 0.1
#: How long what a dead attempt left in force may stay so: its own workspace takes it back as soon as it looks.
_LEFT_S = 60.0


class Supervisor:
    """Takes orders over ``sock``, one attempt at a time, until it is told to quit or its engine is gone."""

    def __init__(self, sock: socket.socket, workspace: str) -> None:
        self._station = Station()
        self._workspace = os.path.realpath(workspace)
        self._channel = Channel(self._station.loop, sock, self._received, self._abandoned)
        self._waiting: deque[Start | Judge] = deque()
        self._attempt: Attempt | VirtualAttempt | None = None
        self._chain: Chain | None = None
        self._devices = DeviceLocks()
        self._limits = Limits()
        self._resources = ResourceLocks()
        self._left_since: dict[str, float] = {}  # waiting for what a dead attempt left, by token
        self._told: set[str] = set()
        self._busy: Timer | None = None
        self._leaving = False
        self._station.children.changed = self._children_changed
        self._terminated = False
        signal.signal(signal.SIGTERM, self._on_term)

    def run(self) -> None:
        """Work until there is nothing left to do and no one left to ask."""
        while self._attempt is not None or self._chain is not None or not self._leaving:
            try:
                self._station.loop.run_once()
                self._heed_term()
                self._next()
            except Exception as error:
                self._recover(error)
        self._channel.flush(_FAREWELL_S)
        self._station.host.kill("the supervisor leaves")

    def _recover(self, error: Exception) -> None:
        """Each ``abort`` leaves the attempt a phase further, so that it ends even where everything fails."""
        while self._attempt is not None:
            try:
                self._attempt.abort(f"the supervisor failed: {type(error).__name__}: {error}")
                return
            except Exception as again:  # the same reason is likely to show again
                error = again

    def _received(self, text: bytes) -> None:
        try:
            message = _decode(text)
        except msgspec.DecodeError as error:
            self._send(Refused(_token_of(text), f"the order cannot be read: {error}"))
            return
        match message:
            case Start() | Judge():
                self._waiting.append(message)
            case Halt():
                self._halt(message)
            case Clear():
                Clearing(message, self._station, self._send).start()
            case Quit():
                self._leave("the supervisor was told to leave")

    def _halt(self, halt: Halt) -> None:
        if self._attempt is not None and self._attempt.order.token == halt.token:
            self._attempt.stop(halt.reason, halt.grace_s)
            return
        for waiting in [each for each in self._waiting if each.order.token == halt.token]:
            self._refuse(waiting, f"given back before it was started: {halt.reason}")

    def _next(self) -> None:
        """Start the next order once the one before is over and its tree is empty; a chain is not interrupted."""
        if self._attempt is None and self._chain is not None:
            self._look_at_chain(self._chain)
        for message in list(self._waiting):
            if self._attempt is not None:
                return
            if not self._in_turn(message) or all(each is not message for each in self._waiting):
                continue
            try:
                reason = refusal(message.order, self._workspace) or self._late(message)
                busy = self._lock(message) if reason is None else None
            except OSError as error:
                reason = f"its devices cannot be locked: {error.filename or message.order.token}: {error.strerror}"
                busy = None
            if busy is not None and not self._given_up(message, busy):
                self._wait(message, busy)
                continue
            if reason is None:
                self._waiting.remove(message)
                self._begin(message, None if busy is None else str(busy))
            else:
                self._refuse(message, reason)

    def _lock(self, message: Start | Judge) -> Busy | None:
        """Take what an attempt is to have for itself; what of it cannot be had now.  Raises OSError."""
        if isinstance(message, Judge):
            return None
        if self._chain is None and not self._devices.take(message.order):
            return Busy("a device")
        try:
            busy = self._resources.take(message.order)
        except KeyError:
            return None  # the attempt says so, at its place
        except OSError:
            self._resources.release()
            if self._chain is None:
                self._devices.release()
            raise
        if busy is not None and self._chain is None:
            self._devices.release()
        return busy

    def _given_up(self, message: Start | Judge, busy: Busy) -> bool:
        """Whether to wait no longer: a lock is let go some day, what a dead attempt left may stay for ever."""
        if busy.owner is None:
            self._left_since.pop(message.order.token, None)
            return False
        now = self._station.loop.now()
        return busy.ended or now - self._left_since.setdefault(message.order.token, now) > _LEFT_S

    def _wait(self, message: Start | Judge, busy: Busy) -> None:
        """Nothing tells when it is free, so it is asked now and then."""
        if message.order.token not in self._told:
            self._told.add(message.order.token)
            self._send(Waiting(message.order.token, str(busy)))
        self._look_again()

    def _look_again(self) -> None:
        """Once in a while."""
        if self._busy is None:
            self._busy = self._station.loop.call_later(_BUSY_S, self._looked)

    def _looked(self) -> None:
        self._busy = None

    def _begin(self, message: Start | Judge, blocked: str | None) -> None:
        self._told.discard(message.order.token)
        self._left_since.pop(message.order.token, None)
        kind = VirtualAttempt if message.order.clock == "virtual" else Attempt
        if isinstance(message, Start) and message.order.link is not None and self._chain is None:
            head = message.order.link.head
            self._chain = Chain(head, self._station, lambda: not self._leaving or bool(self._links(head)))
        chain = self._chain if isinstance(message, Start) else None
        if chain is not None and message.order.link is not None:
            chain.last = message.order.link.number == message.order.link.of
        self._attempt = kind(message.order, self._station, self._send, self._attempt_over, blocked, chain)
        if isinstance(message, Start):
            unsafe = self._limits.broken(message.order)
            if unsafe is not None:
                self._attempt.refuse(unsafe)
            self._attempt.begin()
        else:
            self._attempt.judge_again(message.exit)

    def _attempt_over(self) -> None:
        attempt, self._attempt = self._attempt, None
        self._resources.release()
        if attempt is not None and attempt.stuck:
            self._leave("processes of an earlier attempt are still there", at_once=True)
        elif self._chain is None:
            self._devices.release()
        elif attempt is not None and attempt.goes_on:
            self._chain.rest(attempt.order.cooldown_s)
        else:
            self._chain.stop("an earlier run of its chain did not come to its end")

    # --- chains -------------------------------------------------------------------------------------------------

    def _in_turn(self, message: Start | Judge) -> bool:
        """Nothing stands between the runs of a chain, and none of them goes before the first one."""
        if self._chain is not None:
            return self._chain.admits(message.order)
        head = _head(message.order)
        return head in {None, message.order.token} or all(each.order.token != head for each in self._waiting)

    def _links(self, head: str) -> list[Start | Judge]:
        """The runs of a chain that wait."""
        return [each for each in self._waiting if _head(each.order) == head]

    def _look_at_chain(self, chain: Chain) -> None:
        """Between two runs: whether one is to follow, and what serves it; else what still serves is stopped."""
        if chain.ending:
            return
        if chain.lost is not None:
            chain.stop(chain.lost)
        if not chain.follows():
            chain.stop("its chain is over")
        if chain.refusal is not None:
            chain.end(self._chain_over)

    def _chain_over(self, empty: bool) -> None:
        """Only now that nothing serves them are those refused that would have followed: their slots are free then."""
        chain, self._chain = self._chain, None
        if chain is None:
            return
        chain.close()
        if empty:
            self._devices.release()
            self._refuse_all(self._links(chain.head), chain.refusal or "its chain is over")
        else:
            for each in self._links(chain.head):
                self._waiting.remove(each)  # without a word: who looks for them looks for what served them, too
            self._leave("a served tool of a chain could not be ended")

    def _refuse(self, message: Start | Judge, why: str) -> None:
        """Do not carry an order out, nor what would follow it in its chain."""
        if self._chain is not None and self._chain.is_of(message.order):
            self._chain.stop(why)
        else:
            self._refuse_all([message], why)
            self._refuse_all(self._links(message.order.token), why)  # if it is the first one of a chain

    def _refuse_all(self, messages: Iterable[Start | Judge], why: str) -> None:
        for message in messages:
            self._waiting.remove(message)
            self._send(Refused(message.order.token, why))

    def _late(self, message: Start | Judge) -> str | None:
        """Why a run of a chain cannot be begun with."""
        link = message.order.link
        first = self._chain is not None or isinstance(message, Judge) or link is None or link.number == 1
        return None if first else "its chain is over"

    def _leave(self, why: str, *, at_once: bool = False) -> None:
        """Take no further order; a chain under way is carried to its end, unless it has to be ``at_once``."""
        self._leaving, chain = True, self._chain
        if at_once and chain is not None:
            chain.stop(why)
        self._refuse_all([each for each in self._waiting if chain is None or not chain.is_of(each.order)], why)

    def _abandoned(self) -> None:
        self._leave("the engine is gone")

    def _on_term(self, *_: object) -> None:
        """A handler only takes note, for it may run in the middle of anything; the signal has woken the loop too."""
        self._terminated = True

    def _heed_term(self) -> None:
        """SIGTERM: end what is under way as an interrupt would, leave its record, and go."""
        if not self._terminated:
            return
        self._terminated = False
        self._leave("the supervisor was terminated", at_once=True)
        if self._attempt is not None:
            self._attempt.stop(Stop.INTERRUPT, GRACE_S)

    def _children_changed(self) -> None:
        if self._attempt is not None:
            self._attempt.children_changed()
        elif self._chain is not None:
            self._chain.children_changed()

    def _send(self, message: FromSupervisor) -> None:
        served = self._chain is not None and self._chain.serves
        goes_on = served or (self._attempt is not None and self._attempt.goes_on)
        if isinstance(message, Exited) and message.exit.tree_empty and not goes_on:
            self._devices.release()  # before the slot can be granted anew
            self._resources.release()
        self._channel.send(message)


def _head(order: Order) -> str | None:
    return None if order.link is None else order.link.head


def refusal(order: Order, workspace: str) -> str | None:
    """Why an order must not be carried out, None where nothing speaks against it.

    Its token must be the name of its private folder inside the workspace, and what would be executed must be what was
    admitted.
    """
    folder, _, name = order.directories.private.rpartition("/")
    if not order.token or not _TOKEN_CHARS.issuperset(order.token) or name != order.token:
        return "its private folder does not bear its token"
    if os.path.basename(folder) != "attempts" or not _resolved(folder).startswith(f"{workspace}/"):
        return "its private folder is not one of this workspace"
    if order.digest != order_digest(order):
        return "it is not what was admitted: the digest differs"
    return None


@lru_cache(maxsize=8)
def _resolved(folder: str) -> str:
    """Asked about the one folder of a workspace, run after run."""
    return os.path.realpath(folder)


class _Named(msgspec.Struct, frozen=True):
    token: str = ""


class _Message(msgspec.Struct, frozen=True):
    order: _Named = _Named()
    token: str = ""


def _token_of(text: bytes) -> str:
    try:
        message = msgspec.json.decode(text, type=_Message)
    except msgspec.DecodeError:
        return ""
    return message.token or message.order.token
