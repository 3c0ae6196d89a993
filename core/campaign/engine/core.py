"""The engine without its effects: events in, an outbox of ledger changes, commands and messages out.

The shell hands in what planners, clients and supervisors say, then empties the outbox in this order: the ledger's
transaction first, then what may only happen because it is durable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from campaign.engine import policies, protocol, releasing, scheduling, shares
from campaign.engine.attempts import error_of
from campaign.engine.chain import CHAIN
from campaign.engine.course import Course
from campaign.engine.flight import Flight
from campaign.engine.outbox import Halt
from campaign.engine.releasing import Held
from campaign.engine.states import State
from campaign.engine.takeover import Takeover
from campaign.ledger.rows import INTERRUPTED, Ending, RequestEnded, RequestRow
from campaign.records import FailureKind, OracleRecord, Order, Stop

_decode_order = msgspec.json.Decoder(Order).decode


class Core(Takeover):
    """The campaigns under way, and whatever earlier owners of the workspace left."""

    # --- what is under way ---------------------------------------------------------------------------------------

    @property
    def slots(self) -> Mapping[str, tuple[int, int]]:
        """Named slots: how many are free, of how many."""
        free = self._scheduler.free
        return {name: (free.get(name, 0), count) for name, count in self._scheduler.capacity.items()}

    @property
    def busy_elsewhere(self) -> Mapping[str, int]:
        """Named slots that are in use in other workspaces: how many of each."""
        return self._scheduler.busy

    def waits_for(self, campaign: str) -> tuple[str, ...]:
        """The named slots that runs of a campaign wait for."""
        return self._scheduler.waits_for(campaign)

    @property
    def places(self) -> int:
        """How many runs at a time."""
        return self._places

    def knows(self, campaign: str) -> bool:
        """Whether a campaign is to be carried out here, or attempts of it are under way."""
        return campaign in self._courses

    def held_back(self, campaign: str) -> bool:
        """Whether a campaign is paused as a whole, so that nothing is to be planned of it; not if it was canceled."""
        course = self._courses.get(campaign)
        paused = not self._paused.isdisjoint({("", ""), (campaign, "")})
        return paused and course is not None and "" not in course.canceled

    def rested(self, token: str) -> None:
        """The cooldown of an attempt is over."""
        flight, left = self._flights.get(token), self._resting.pop(token)
        if left is not None:
            self._schedule(left.campaign, scheduling.Left(left.place, left.holding))
        elif flight is not None and flight.exit is not None and flight.exit.cleared:
            self._schedule(flight.order.campaign, scheduling.Yielded(flight.place))

    # --- what the planners say -----------------------------------------------------------------------------------

    def open(self, message: protocol.Open) -> None:
        """A campaign begins or goes on."""
        course = self.expect(message.campaign.id, message.campaign.orphans)
        course.canceled = [] if message.aside else course.canceled
        course.opened, course.stop_on_fail, course.aside = True, message.stop_on_fail, message.aside
        course.quarantined = frozenset(message.quarantined)
        course.labels = {lane.number: lane.label for lane in message.lanes}
        course.chained = frozenset(lane.label for lane in message.lanes if lane.chained)

    def begin(self, message: protocol.Open) -> None:
        """Everything that was left is taken over: the first orders are asked for."""
        course = self._courses[message.campaign.id]
        course.begun = True
        laned = scheduling.Laned(
            message.lanes,
            course.name,
            message.campaign.parallel,
            message.slots,
            ahead=not message.stop_on_fail and not any(lane.rests for lane in message.lanes),
        )
        self._schedule(course.name, laned)
        for prefix in course.canceled:
            self._schedule(course.name, scheduling.Dropped(course.name, prefix))
        if course.plan_stopped:
            self._schedule(course.name, scheduling.Stopped(course.name, plan=True))
        self._check_idle(course)

    def offer(self, campaign: str, message: protocol.Offer) -> None:
        """Orders arrived."""
        course = self._courses[campaign]
        flights = _gathered([self._flight(raw, "plan", message.lane) for raw in message.orders])
        stopped = course.stopping or course.plan_stopped
        if not stopped and not course.cancels(course.labels.get(message.lane, "")):
            self._offered.update((flight.token, flight) for flight in flights)
        tokens = tuple(flight.token for flight in flights)
        self._schedule(campaign, scheduling.Offered(message.lane, tokens, message.exhausted, campaign))

    def repeat(self, campaign: str, message: protocol.Repeat) -> None:
        """The orders of a further attempt arrived, or the plan knows no such run any more."""
        course = self._courses[campaign]
        if not message.orders:
            for flight in [
                each for each in course.revoked.values() if not each.planned and each.name[:2] == message.run
            ]:
                self._drop(course, flight)
            self._schedule(campaign, scheduling.Awaited(-1, campaign))
            return
        flights = [self._flight(raw, message.cause, message.lane) for raw in message.orders]
        for each in flights:
            each.parent = message.parent
            if each.order.link is not None:
                self._repeated(course, each)
        [flight] = _gathered(flights)
        if [each for each in flights if self._canceled(course, each)]:
            self._schedule(campaign, scheduling.Awaited(-1, campaign))
            return
        if flight.planned and course.plan_stopped:
            return
        if not flight.planned:
            course.told_idle = False
            course.beside.setdefault(flight.order.request or "", set()).add(message.lane)
        self._offered[flight.token] = flight
        self._schedule(campaign, scheduling.Returned(message.lane, flight.token, campaign))

    @staticmethod
    def _repeated(course: Course, flight: Flight) -> None:
        """Why a run of a chain is made once more: for its own sake, or because the chain is."""
        course.due.discard((flight.order.cell, flight.order.attempt))
        revoked = course.revoked.get(flight.name)
        flight.cause = revoked.cause if revoked else course.wishes.pop(flight.order.key, CHAIN)
        if flight.cause == CHAIN and not revoked:
            course.count_more(flight.order.key, CHAIN)

    def asked(self, campaign: str, requests: Sequence[RequestRow]) -> None:
        """Something is asked for beside the plan; it is recorded."""
        course = self._courses[campaign]
        course.requests.update({each.id: each.instance for each in requests})
        course.told_idle = course.asking = False
        if requests and course.opened:
            self.out.says.append((campaign, protocol.Requested(tuple(requests))))
        self._check_idle(course)

    def beside(self, campaign: str, message: protocol.Beside) -> None:
        """Orders beside the plan arrived."""
        course, lane = self._courses[campaign], message.lane
        flights = [self._flight(raw, "request", lane.number) for raw in message.orders]
        if lane.number not in course.labels:
            course.labels[lane.number] = lane.label
            self._schedule(campaign, scheduling.Joined(lane, campaign))
        for flight in flights:
            course.beside.setdefault(flight.order.request or "", set()).add(lane.number)
        unwanted = tuple(each.token for each in flights if course.refuses(each.order))
        if unwanted:
            self.out.says.append((campaign, protocol.Unwanted(unwanted)))
        wanted = [each for each in flights if each.token not in unwanted and not course.stopping]
        self._offered.update((each.token, each) for each in wanted)
        course.told_idle = False
        tokens = tuple(each.token for each in wanted)
        self._schedule(campaign, scheduling.Offered(lane.number, tokens, True, campaign))

    def settled(self, campaign: str, message: protocol.Settled) -> None:
        """What was asked for beside the plan is at its end; what of it has not started will not be."""
        course = self._courses[campaign]
        if course.requests.pop(message.request, None) is None:
            return
        ended = RequestEnded(request=message.request, state=message.state, at=self._now(), result=message.result)
        self.out.changes.append(ended)
        self._part(course, [message.request], halt=False)

    def _part(self, course: Course, requests: Sequence[str], *, halt: bool) -> None:
        """Take back what was to be carried out for these; ``halt``: what runs of it is ended, too."""
        lanes = [number for name in requests for number in course.beside.pop(name, ())]
        for number in lanes:
            course.labels.pop(number, None)
        self._schedule(course.name, scheduling.Parted(tuple(lanes), course.name))
        for flight in [each for each in self._offered.values() if each.order.request in requests]:
            del self._offered[flight.token]
        for flight in [each for each in course.revoked.values() if each.order.request in requests]:
            self._drop(course, flight)
        for flight in [each for each in self.under_way(course.name) if each.order.request in requests]:
            if flight.state is State.ADMITTED and self._revoke(flight.order):
                self._take_back(flight)
            elif halt and flight.state is not State.JUDGING:
                self.out.commands.append(Halt(flight.order, Stop.CANCEL))
        course.told_idle = False
        self._check_idle(course)

    def halt_all(self, campaign: str) -> None:
        """Start nothing more of a campaign and end what runs."""
        self.wind_down(campaign)
        self.out.commands += [Halt(flight.order, Stop.INTERRUPT) for flight in self.under_way(campaign)]

    def abandon(self, campaign: str) -> None:
        """The planner is gone for good: leave everything so that it can be resumed."""
        course = self._courses[campaign]
        course.abandoned, course.told_idle = True, False  # whoever was told is no more
        self.wind_down(campaign)
        self._check_idle(course)

    def detach(self, campaign: str) -> None:
        """The planner is gone and another one will come: what is under way goes on."""
        course = self._courses[campaign]
        self._forget_offers(course, "")
        course.detach()
        self._schedule(campaign, scheduling.Detached(campaign))

    def leave(self) -> None:
        """The engine is about to go: take back what has not started, and let supervisors do what they do."""
        for course in self._courses.values():
            course.opened, course.stopping = False, True
            self._schedule(course.name, scheduling.Stopped(course.name))
        self._revoke_all(self.under_way())

    def close(self, campaign: str, message: protocol.Close) -> None:
        """The campaign came to its end; not where something was asked for, or has begun, in the meantime."""
        course = self._courses[campaign]
        wanted = message.state != INTERRUPTED and course.requests
        if wanted or not self._scheduler.idle(campaign) or any(True for _ in self.under_way(campaign)):
            course.told_idle = False
            self._check_idle(course)
            return
        if not course.aside:
            self._record_campaign(campaign, message.state, message.exit_status)
        self.out.says.append((campaign, protocol.Closed()))
        self._forget(campaign)

    # --- what people say -----------------------------------------------------------------------------------------

    def pause(self, prefixes: frozenset[tuple[str, str]]) -> None:
        """These, (campaign, prefix) pairs, are paused now, and nothing else: what has not started is taken back."""
        self._paused = prefixes
        self._schedule("", scheduling.Paused(prefixes))
        hit = [each for each in self._flights.values() if _among(each, prefixes)]
        self._revoke_all(hit)

    def cancel(self, campaign: str, prefix: str) -> None:
        """Nothing more of these instances is started, and what runs of them is ended."""
        course = self._courses[campaign]
        if not course.aside:
            course.canceled.append(prefix)
        self._schedule(campaign, scheduling.Dropped(campaign, prefix))  # first, or what is freed goes to one of them
        self._forget_offers(course, prefix)
        dismissed = course.dismiss(prefix)
        if dismissed:
            self.out.says.append((campaign, protocol.Dismissed(tuple(dismissed))))
            self._part(course, dismissed, halt=True)
        for flight in [each for each in course.revoked.values() if course.cancels(each.order.instance)]:
            self._drop(course, flight)
        for flight in [each for each in self.under_way(campaign) if course.cancels(each.order.instance)]:
            if flight.token not in self._flights:
                continue  # it went with the first run of its chain
            revoked = flight.state is State.ADMITTED and self._revoke(flight.order)
            if revoked and flight.heads:
                self._take_back(flight)
            elif flight.state is not State.JUDGING:  # a run of a chain has left when nothing serves it any more
                self.out.commands.append(Halt(flight.order, Stop.CANCEL))
        self._check_idle(course)

    def hold(self, units: Mapping[str, tuple[int, ...]]) -> None:
        """These named slots stay held by attempts of earlier owners until a person releases them."""
        self._schedule("", scheduling.Held(units))

    def release(self, found: Held) -> None:
        """A person gives back what an attempt holds; a lost one is at its end by that."""
        for change in releasing.changes(found, self._now()):
            self.out.changes.append(change)
            if isinstance(change, Ending):
                self._tell(Flight(found.order, b"", change.cause), change.decision, None)
        self._schedule("", scheduling.Released(found.units))

    def _forget_offers(self, course: Course, prefix: str) -> None:
        offers = [each for each in self._offered.values() if each.order.campaign == course.name]
        gone = [each for each in offers if shares.matches(each.order.instance, prefix)]
        for flight in gone:
            del self._offered[flight.token]
        unwanted = tuple(each.token for each in gone if not each.planned)
        if unwanted and course.opened:
            self.out.says.append((course.name, protocol.Unwanted(unwanted)))

    # --- what the executor says ----------------------------------------------------------------------------------

    def started(self, token: str, at: str) -> None:
        """The first process of an attempt is about to start."""
        flight = self._flights.get(token)
        if flight is not None and flight.state is State.ADMITTED:
            self.out.changes += flight.catch_up(State.RUNNING, at)

    def judged(self, token: str, oracles: tuple[OracleRecord, ...], signature: str | None) -> None:
        """An attempt's oracles have answered."""
        flight = self._flights.get(token)
        if flight is not None and flight.state is State.JUDGING:
            flight.judged(oracles, signature)
            self._judge(flight)

    def refused(self, token: str, why: str) -> None:
        """A supervisor would not start an order: nothing ran under this token."""
        flight = self._flights.get(token)
        if flight is None:
            return  # revoked by us
        course, chain = self._course(flight), self._chain(flight)
        if chain is not None and not flight.heads and flight.state is State.ADMITTED and self._revoke(flight.order):
            chain.broken = True  # its supervisor found what served it gone
            self._skip(flight)
            return
        if (
            course.count_more(flight.order.key, "refused") <= policies.MOST_REQUEUES
            and flight.state is State.ADMITTED
            and self._revoke(flight.order)
        ):
            self._take_back(flight)  # its supervisor had to go; another one will have it
            return
        self.out.changes += flight.catch_up(State.STARTING, self._now())
        self._end(flight, error_of(flight.order, why, FailureKind.INTERNAL, why))

    def busy(self, token: str, units: Mapping[str, tuple[int, ...]]) -> None:
        """Devices of an attempt are in use in another workspace: its place goes to what can run meanwhile."""
        flight = self._flights.get(token)
        if flight is None or flight.state is not State.ADMITTED or not flight.heads or not self._revoke(flight.order):
            return  # of a chain the first run has the devices for all
        self._schedule("", scheduling.Busy(units))
        self.out.commands.append(Halt(flight.order, Stop.CANCEL))
        self._take_back(flight)
        course = self._course(flight)
        if not course.told_busy:
            course.told_busy, names = True, ", ".join(sorted(units))
            self.out.says.append(
                (course.name, protocol.Note(f"{names} is in use in another workspace, and waited for"))
            )

    def free(self, units: Mapping[str, tuple[int, ...]]) -> None:
        """These devices are not in use elsewhere any more."""
        self._schedule("", scheduling.Free(units))

    def crippled(self) -> None:
        """A place is gone for good; without any, nothing more can be done."""
        self._places -= 1
        self._schedule("", scheduling.Resized(self._places))
        if not self._places:
            for campaign in list(self._courses):
                self.wind_down(campaign)

    def rebalance(self, tokens: Sequence[str]) -> None:
        """These wait behind a running attempt while other places are free: they are queued anew, if still possible."""
        waiting = [self._flights[token] for token in tokens if token in self._flights]
        self._revoke_all(each for each in waiting if self._stays(each.order.campaign))

    def make_way(self) -> None:
        """What was placed ahead while nobody else wanted a place is taken back now that somebody does."""
        for flight in [each for each in reversed(self._flights.values()) if each.state is State.ADMITTED]:
            if not self._scheduler.crowded:
                return
            self._revoke_all([flight])

    def _stays(self, campaign: str) -> bool:
        """Whether a place that is free now stays so, because nothing more of a campaign comes."""
        return self._scheduler.drained(campaign) and not self._courses[campaign].stopping

    def _flight(self, raw: Raw, cause: str, lane: int) -> Flight:
        data = bytes(raw)
        return Flight(_decode_order(data), data, cause, lane=lane)


def _gathered(flights: Sequence[Flight]) -> list[Flight]:
    """Those that are placed by themselves; the others of a chain are with the first one."""
    heads = {flight.token: flight for flight in flights if flight.heads}
    for flight in flights:
        if not flight.heads:
            heads[flight.place].links.append(flight)
    return list(heads.values())


def _among(flight: Flight, prefixes: frozenset[tuple[str, str]]) -> bool:
    named = (prefix for campaign, prefix in prefixes if campaign in {"", flight.order.campaign})
    return any(shares.matches(flight.order.instance, prefix) for prefix in named)
