"""Where orders are carried out: what the engine asks of an executor, and the one over supervisors on this machine."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, TypeAlias

import msgspec
from msgspec import Raw, Struct

from campaign.engine import recover
from campaign.engine.findings import Exited, Finding, Gone, Running, Unasked, Uncleared, Unknown
from campaign.engine.machine import Machine, ThisMachine
from campaign.engine.recover import Boot
from campaign.engine.turns import Turns
from campaign.engine.watchdog import Watchdog, carrying_out_s, ending_s, judging_s
from campaign.records import Exit, OracleRecord, Order, Stop
from campaign.records.messages import Clear, Cleared, Halt, Judge, Judged, Quit, Refused, Started, Waiting
from campaign.supervise.channel import Channel
from campaign.supervise.devices import is_taken, units, waiter
from campaign.supervise.launch import SupervisorHandle
from campaign.supervise.loop import Loop
from campaign.supervise.rescue import rescue

GRACE_S = 5.0
MUTE = Gone("its supervisor did not answer and was killed, and nothing of it runs")
#: A supervisor makes its claim a moment after its lock; who finds it between the two looks again after this.
_LOOK_AGAIN_S = 0.1
#: A supervisor that ends within this time without a word could not even begin; after so many a place is given up.
_STILLBORN_S, _MOST_STILLBORN = 1.0, 5
#: How often a device that another workspace uses is looked at, while there is one.
_DEVICES_S = 0.25


class Listener(Protocol):
    """Who is told what happens to the attempts."""

    def started(self, token: str, at: str) -> None:
        """The claim is on disk and the first process is about to start."""

    def exited(self, token: str, exit_: Exit, data: bytes) -> None:
        """The exit record is on disk; ``data`` is that record as JSON."""

    def judged(self, token: str, oracles: tuple[OracleRecord, ...], signature: str | None) -> None:
        """The oracles have answered."""

    def refused(self, token: str, why: str) -> None:
        """It was not started."""

    def found(self, token: str, finding: Finding) -> None:
        """What became of an attempt whose supervisor is gone."""

    def busy(self, token: str, units: Mapping[str, tuple[int, ...]]) -> None:
        """An attempt cannot start: these devices of it are in use in another workspace."""

    def free(self, units: Mapping[str, tuple[int, ...]]) -> None:
        """These devices are not in use elsewhere any more."""

    def crippled(self) -> None:
        """A place is gone for good."""


class Executor(Protocol):
    """What scheduling and recovery are written over; another one (a cluster) answers the same questions."""

    def capacity(self) -> int:
        """How many attempts it carries out at a time."""

    def start(self, order: Order, data: bytes) -> None:
        """Carry out an admitted order, as soon as a place is free."""

    def judge(self, order: Order, exit_: Exit) -> None:
        """Ask the oracles of an attempt whose exit record is there."""

    def stop(self, order: Order, reason: Stop) -> None:
        """End an attempt; it ends with an exit record like any other."""

    def recover(self, attempts: Sequence[tuple[Order, bool]], boot: Boot = Boot.PRESENT) -> list[Finding]:
        """What became of these, each with whether it is known to have started; those that run are followed.

        ``boot``: when they were admitted.
        """

    def fetch(self, order: Order) -> Exited | None:
        """The exit record of an attempt, None where it is missing or damaged."""


# An order and an exit record go from one process to the other as the bytes they came in.


class _Start(Struct, frozen=True, tag="start"):
    order: Raw


class _Exited(Struct, frozen=True, tag="exited"):
    token: str
    exit: Raw


_Message: TypeAlias = Waiting | Started | _Exited | Judged | Refused | Cleared
_decode = msgspec.json.Decoder(_Message).decode
_decode_exit = msgspec.json.Decoder(Exit).decode


class _Place:
    """A supervisor and the attempts it was given: the first is under way, a second one waits."""

    def __init__(self, handle: SupervisorHandle, executor: LocalExecutor, loop: Loop, stillborn: int = 0) -> None:
        self.handle = handle
        self.stillborn = stillborn  # how many in a row before this one could not even begin
        self.orders: dict[str, Order] = {}
        self.started: set[str] = set()
        self.judging: set[str] = set()
        self.waiting: set[str] = set()
        self.spoke, self.since = False, loop.now()
        self.watchdog = Watchdog(loop, handle.send_signal)
        self.channel = Channel(
            loop, handle.sock, lambda line: executor.received(self, line), lambda: executor.hung_up(self)
        )

    def add(self, order: Order, *, judge: bool) -> None:
        """Something more to do."""
        self.orders[order.token] = order
        if judge:
            self.judging.add(order.token)
        if len(self.orders) == 1:
            self._attend()

    def waits(self, token: str) -> None:
        """What it needs is another attempt's: its time does not run yet."""
        self.waiting.add(token)
        self._attend()

    def begun(self, token: str) -> None:
        """It is under way."""
        self.started.add(token)
        if token in self.waiting:
            self.waiting.remove(token)
            self._attend()

    def judged_next(self, token: str) -> None:
        """The exit record is there; the oracles are being asked."""
        self.judging.add(token)
        self._attend()

    def over(self, token: str) -> None:
        """That is done."""
        self.orders.pop(token, None)
        self.started.discard(token)
        self.judging.discard(token)
        self.waiting.discard(token)
        self._attend()

    def hurry(self, token: str) -> None:
        """That was told to end."""
        if token == next(iter(self.orders)):
            self.watchdog.hurry(ending_s(self.orders[token]))

    def _attend(self) -> None:
        """Expect of the supervisor what is first."""
        order = next((each for each in self.orders.values() if each.token not in self.waiting), None)
        if order is None:
            self.watchdog.rest()
        else:
            within_s = judging_s(order) if order.token in self.judging else carrying_out_s(order)
            self.watchdog.expect(within_s, ending_s(order))


class LocalExecutor:
    """Supervisors on this machine, one a place."""

    def __init__(
        self,
        loop: Loop,
        handles: Sequence[SupervisorHandle],
        listener: Listener,
        machine: Machine | None = None,
    ) -> None:
        self._loop, self._listener = loop, listener
        self._machine = machine or ThisMachine()
        self._places = [_Place(handle, self, loop) for handle in handles]
        self._clearing: dict[str, tuple[Order, _Place]] = {}
        self._followed: dict[str, Watchdog] = {}  # supervisors of earlier owners, by token
        self._busy: dict[tuple[str, int], str] = {}  # devices that other workspaces use, with their locks
        self._turns = Turns(loop.now)

    def capacity(self) -> int:
        """The supervisors that are there."""
        return len(self._places)

    def start(self, order: Order, data: bytes) -> None:
        """Give it to the place that has the least to do."""
        self._give(order, _Start(Raw(data)), judge=False)

    def judge(self, order: Order, exit_: Exit) -> None:
        """Give the evidence to the place that has the least to do."""
        self._give(order, Judge(order, exit_), judge=True)

    def stop(self, order: Order, reason: Stop) -> None:
        """Tell its supervisor; one of an earlier owner understands SIGTERM."""
        place = self._place_of(order.token)
        if place is not None:
            place.channel.send(Halt(order.token, reason, GRACE_S))
            place.hurry(order.token)
        elif (owner := recover.carrier(order)) is not None:
            self._machine.signal(owner, signal.SIGTERM)
            if order.token in self._followed:
                self._followed[order.token].hurry(ending_s(order))

    def recover(self, attempts: Sequence[tuple[Order, bool]], boot: Boot = Boot.PRESENT) -> list[Finding]:
        """What their private folders and ``/proc`` say."""
        found = recover.examine(attempts, self._machine, boot)
        return [self._go_into(order, each, started) for (order, started), each in zip(attempts, found, strict=True)]

    def fetch(self, order: Order) -> Exited | None:
        """What stands in its private folder."""
        found = recover.read_exit(order)
        return found if isinstance(found, Exited) else None

    def stuck(self) -> list[str]:
        """The tokens that wait behind a running attempt while another place has nothing to do."""
        if all(place.orders for place in self._places):
            return []
        waiting = (order for place in self._places for order in list(place.orders.values())[1:])
        started = {token for place in self._places for token in place.started}
        return [each.token for each in waiting if each.token not in started and _may_move(each)]

    def close(self) -> None:
        """Let the supervisors go: what is under way ends naturally."""
        for place in self._places:
            place.channel.send(Quit())
            place.channel.flush(1.0)
            place.channel.close()

    # --- supervisors --------------------------------------------------------------------------------------------

    def received(self, place: _Place, line: bytes) -> None:
        """A supervisor said something."""
        message, place.spoke = _decode(line), True
        match message:
            case Waiting():
                place.waits(message.token)
                self._look_for_devices(place, message.token)
            case Started():
                place.begun(message.token)
                self._had_its_turn(place.orders.get(message.token))
                self._listener.started(message.token, message.at)
            case _Exited():
                order = place.orders.get(message.token)
                if order is not None and order.is_judged:
                    place.judged_next(message.token)
                else:
                    place.over(message.token)
                data = bytes(message.exit)
                self._listener.exited(message.token, _decode_exit(data), data)
            case Judged():
                place.over(message.token)
                self._listener.judged(message.token, message.oracles, message.fingerprint)
            case Refused():
                place.over(message.token)
                self._listener.refused(message.token, message.why)
            case Cleared():
                self._cleared(message)

    def hung_up(self, place: _Place) -> None:
        """A supervisor is gone: another one takes its place, and what it had is examined."""
        self._places.remove(place)
        place.watchdog.rest()
        replaced = self._replace(place)
        left = list(place.orders.values())
        findings = self.recover([(order, order.token in place.started) for order in left])
        for order, finding in zip(left, findings, strict=True):
            self._listener.found(order.token, MUTE if place.watchdog.killed and finding == Gone() else finding)
        for order in [order for order, clearing in self._clearing.values() if clearing is place]:
            self._look_again(order)
        if not replaced:
            self._listener.crippled()

    def _replace(self, place: _Place) -> bool:
        stillborn = not place.spoke and self._loop.now() - place.since < _STILLBORN_S
        count = place.stillborn + 1 if stillborn else 0
        if count > _MOST_STILLBORN:
            return False  # so would the next one
        try:
            self._places.append(_Place(place.handle.replace(), self, self._loop, count))
        except OSError:
            return False
        return True

    def _give(self, order: Order, message: Struct, *, judge: bool) -> None:
        if not self._places:
            self._listener.found(order.token, Unasked() if judge else self._examine(order, False))
            return
        with_it = None if judge or order.link is None else self._place_of(order.link.head)
        place = with_it or min(self._places, key=lambda each: len(each.orders))
        place.add(order, judge=judge)
        place.channel.send(message)

    def _place_of(self, token: str) -> _Place | None:
        return next((place for place in self._places if token in place.orders), None)

    # --- devices that other workspaces use ----------------------------------------------------------------------

    def _look_for_devices(self, place: _Place, token: str) -> None:
        """Whether it is for a device that it waits, and for which one."""
        try:
            order = place.orders[token]
            if not _may_move(order):
                return  # its chain has its devices
            busy = {unit: path for unit, path in units(order) if is_taken(path, waiter(order))}
        except (KeyError, OSError):
            return  # its supervisor says what is wrong
        if busy:
            if not (self._busy or self._turns.wanted):
                self._loop.call_later(_DEVICES_S, self._look_at_devices)
            self._turns.want(waiter(order), frozenset(path for _, path in units(order)))
            self._busy |= busy
            self._listener.busy(token, _by_slot(busy))

    def _look_at_devices(self) -> None:
        """That a lock was let go is told to nobody who does not wait for it, and who waits would be given it."""
        self._turns.look()
        freed = [unit for unit, path in self._busy.items() if not self._turns.is_taken(path)]
        for unit in freed:
            del self._busy[unit]
        if self._busy or self._turns.wanted:
            self._loop.call_later(_DEVICES_S, self._look_at_devices)
        if freed:
            self._listener.free(_by_slot(freed))

    def _had_its_turn(self, order: Order | None) -> None:
        if order is not None and order.granted and self._turns.wanted:
            with suppress(OSError):
                self._turns.had({path for _, path in units(order)})

    # --- attempts of earlier owners -----------------------------------------------------------------------------

    def _examine(self, order: Order, started: bool) -> Finding:
        [finding] = self.recover([(order, started)])
        return finding

    def _go_into(self, order: Order, finding: Finding | Uncleared, started: bool) -> Finding:
        if isinstance(finding, Uncleared):
            return self._clear(order)
        return self._follow(order, started) if isinstance(finding, Running) else finding

    def _clear(self, order: Order) -> Finding:
        """Have what it left in force taken back by a supervisor's provider host; what became of it is told then."""
        if not self._places:
            return self._rescue(order)
        place = self._places[0]
        self._clearing[order.token] = (order, place)
        place.channel.send(Clear(order.token, order.directories.private))
        return Running()

    def _rescue(self, order: Order) -> Finding:
        """No supervisor is left to have it taken back: a process that does nothing else is started for it."""

        def over(cleared: Cleared | None) -> None:
            if cleared is None:
                self._look_again(order)  # it was killed, so another one is started
            else:
                self._tell_cleared(order, cleared)

        try:
            rescue(self._loop, Clear(order.token, order.directories.private), over)
        except OSError as error:
            return Unknown(f"its supervisor is dead, and nobody could be started to take its faults back: {error}")
        return Running()

    def _cleared(self, message: Cleared) -> None:
        order, _ = self._clearing.pop(message.token, (None, None))
        if order is not None:
            self._tell_cleared(order, message)

    def _tell_cleared(self, order: Order, message: Cleared) -> None:
        failed = "; ".join(message.failed)
        if failed:
            self._listener.found(message.token, Unknown(f"its faults could not be taken back: {failed}"))
        else:
            self._look_again(order)

    def _follow(self, order: Order, started: bool) -> Finding:
        """Examine it again when its supervisor, known by pid and start time, has ended."""
        owner = recover.carrier(order)
        if owner is None:
            self._loop.call_later(_LOOK_AGAIN_S, lambda: self._look_again(order, started))  # it may never make it
            return Running()
        try:
            if not self._machine.follow(self._loop, owner, lambda: self._ended(order, started)):
                return self._examine(order, started)
        except OSError as error:
            return Unknown(f"its supervisor {owner.pid} cannot be followed: {error.strerror}")
        send = self._machine.signal
        watchdog = self._followed[order.token] = Watchdog(self._loop, lambda number: send(owner, number))
        runs = 1 if order.link is None else order.link.of
        watchdog.expect(runs * (carrying_out_s(order) + judging_s(order)), ending_s(order))
        return Running()

    def _ended(self, order: Order, started: bool) -> None:
        self._followed.pop(order.token).rest()
        self._look_again(order, started)

    def _look_again(self, order: Order, started: bool = True) -> None:
        self._listener.found(order.token, self._examine(order, started))


def _may_move(order: Order) -> bool:
    """Whether another place may have it: a run of a chain goes where the first one went."""
    return order.link is None or order.link.number == 1


def _by_slot(units: Iterable[tuple[str, int]]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for slot, index in sorted(units):
        found[slot] = (*found.get(slot, ()), index)
    return found
