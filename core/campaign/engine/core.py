"""The engine without its effects: events in, an outbox of ledger changes, commands and messages out.

The shell hands in what planners, clients and supervisors say, then empties the outbox in this order: the ledger's
transaction first, then what may only happen because it is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Raw

from campaign.engine import policies, protocol, releasing, scheduler
from campaign.engine.course import Course
from campaign.engine.findings import Damaged, Exited, Finding, Gone, NeverStarted, Running, Unknown
from campaign.engine.flight import Flight
from campaign.engine.outbox import Ask, Begin, Halt, Outbox
from campaign.engine.releasing import Held
from campaign.engine.states import State
from campaign.judge.classify import decide, one_line
from campaign.judge.fingerprint import fingerprint
from campaign.ledger.rows import INTERRUPTED, AttemptRow, CampaignState, Ending
from campaign.records import Decision, Exit, Failure, FailureKind, OracleRecord, Order, Reason, Stop, Verdict

_decode_order = msgspec.json.Decoder(Order).decode


class Core:
    """The campaigns under way, and whatever earlier owners of the workspace left.

    ``now`` gives the time of day as RFC 3339; ``revoke`` takes the claim of an order that was not started yet, and
    says whether that was still possible.  ``slots`` are the workspace's; None: as many as any campaign says.
    """

    def __init__(
        self,
        places: int,
        now: Callable[[], str],
        revoke: Callable[[Order], bool],
        slots: Mapping[str, int] | None = None,
    ) -> None:
        self.out = Outbox()
        self._places, self._now, self._revoke = places, now, revoke
        self._courses: dict[str, Course] = {}
        self._scheduler = scheduler.Scheduler(places, slots or {}, believe=slots is None)
        self._paused: frozenset[tuple[str, str]] = frozenset()
        self._offered: dict[str, Flight] = {}
        self._flights: dict[str, Flight] = {}

    # --- what is under way --------------------------------------------------------------------------------------

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

    def under_way(self, campaign: str | None = None) -> Iterator[Flight]:
        """The attempts in flight, of all campaigns or of one."""
        return (each for each in self._flights.values() if campaign is None or each.order.campaign == campaign)

    def knows(self, campaign: str) -> bool:
        """Whether a campaign is to be carried out here, or attempts of it are under way."""
        return campaign in self._courses

    def held_back(self, campaign: str) -> bool:
        """Whether a campaign is paused as a whole, so that nothing is to be planned of it; not if it was canceled."""
        course = self._courses.get(campaign)
        paused = not self._paused.isdisjoint({("", ""), (campaign, "")})
        return paused and course is not None and "" not in course.canceled

    def expect(self, campaign: str, orphans: str, counts: dict[str, dict[str, int]] | None = None) -> Course:
        """A campaign is to be carried out, or left attempts in flight: they are its own."""
        course = self._courses.setdefault(campaign, Course(campaign, orphans))
        course.counts = counts or course.counts
        return course

    # --- what the planners say ----------------------------------------------------------------------------------

    def open(self, message: protocol.Open) -> None:
        """A campaign begins or goes on."""
        course = self.expect(message.campaign.id, message.campaign.orphans)
        course.opened, course.stop_on_fail = True, message.stop_on_fail
        course.labels = {lane.number: lane.label for lane in message.lanes}

    def begin(self, message: protocol.Open) -> None:
        """Everything that was left is taken over: the first orders are asked for."""
        course = self._courses[message.campaign.id]
        course.begun = True
        laned = scheduler.Laned(
            message.lanes,
            course.name,
            message.campaign.parallel,
            message.slots,
            ahead=not message.stop_on_fail,
        )
        self._schedule(course.name, laned)
        for prefix in course.canceled:
            self._schedule(course.name, scheduler.Dropped(course.name, prefix))
        self._check_idle(course)

    def offer(self, campaign: str, message: protocol.Offer) -> None:
        """Orders arrived."""
        course = self._courses[campaign]
        flights = [self._flight(raw, "plan", message.lane) for raw in message.orders]
        if not course.stopping and not course.cancels(course.labels.get(message.lane, "")):
            self._offered.update((flight.token, flight) for flight in flights)
        tokens = tuple(flight.token for flight in flights)
        self._schedule(campaign, scheduler.Offered(message.lane, tokens, message.exhausted, campaign))

    def repeat(self, campaign: str, message: protocol.Repeat) -> None:
        """The order of a further attempt arrived, or the plan knows no such run any more."""
        if message.order == protocol.NULL:
            self._schedule(campaign, scheduler.Awaited(-1, campaign))
            return
        course = self._courses[campaign]
        flight = self._flight(message.order, message.cause, message.lane)
        flight.parent = message.parent
        if self._canceled(course, flight):
            self._schedule(campaign, scheduler.Awaited(-1, campaign))
            return
        self._offered[flight.token] = flight
        self._schedule(campaign, scheduler.Returned(message.lane, flight.token, campaign))

    def wind_down(self, campaign: str) -> None:
        """Start nothing more of a campaign."""
        course = self._courses[campaign]
        if course.stopping:
            return
        course.stopping = True
        self._schedule(campaign, scheduler.Stopped(campaign))
        self._revoke_all(self.under_way(campaign))

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
        self._schedule(campaign, scheduler.Detached(campaign))

    def leave(self) -> None:
        """The engine is about to go: take back what has not started, and let supervisors do what they do."""
        for course in self._courses.values():
            course.opened, course.stopping = False, True
            self._schedule(course.name, scheduler.Stopped(course.name))
        self._revoke_all(self.under_way())

    def close(self, campaign: str, message: protocol.Close) -> None:
        """The campaign came to its end."""
        self._record_campaign(campaign, message.state, message.exit_status)
        self.out.says.append((campaign, protocol.Closed()))
        self._forget(campaign)

    def _forget(self, campaign: str) -> None:
        self._schedule(campaign, scheduler.Detached(campaign))
        self._courses.pop(campaign, None)
        self.out.over.append(campaign)

    # --- what people say ----------------------------------------------------------------------------------------

    def pause(self, prefixes: frozenset[tuple[str, str]]) -> None:
        """These, (campaign, prefix) pairs, are paused now, and nothing else: what has not started is taken back."""
        self._paused = prefixes
        self._schedule("", scheduler.Paused(prefixes))
        hit = [each for each in self._flights.values() if _among(each, prefixes)]
        self._revoke_all(hit)

    def cancel(self, campaign: str, prefix: str) -> None:
        """Nothing more of these instances is started, and what runs of them is ended."""
        course = self._courses[campaign]
        course.canceled.append(prefix)
        self._schedule(campaign, scheduler.Dropped(campaign, prefix))  # first, or what is freed goes to one of them
        self._forget_offers(course, prefix)
        for flight in [each for each in course.revoked.values() if course.cancels(each.order.instance)]:
            self._drop(course, flight)
        for flight in [each for each in self.under_way(campaign) if course.cancels(each.order.instance)]:
            if flight.state is State.ADMITTED and self._revoke(flight.order):
                self._take_back(flight)
            elif flight.state is not State.JUDGING:
                self.out.commands.append(Halt(flight.order, Stop.CANCEL))
        self._check_idle(course)

    def _canceled(self, course: Course, flight: Flight) -> bool:
        """Whether a further attempt is not wanted any more; its run, where it is queued, is at its end."""
        if not course.cancels(flight.order.instance):
            return False
        if flight.order.key in course.revoked:
            self._drop(course, course.revoked[flight.order.key])
        return True

    def _drop(self, course: Course, flight: Flight) -> None:
        """A queued attempt is canceled."""
        del course.revoked[flight.order.key]
        decision = Decision(Verdict.CANCELED, Reason.CANCELED)
        self.out.changes.append(flight.end(decision, self._now()))
        self._tell(flight, decision, None)

    def hold(self, units: Mapping[str, tuple[int, ...]]) -> None:
        """These named slots stay held by attempts of earlier owners until a person releases them."""
        self._schedule("", scheduler.Held(units))

    def release(self, found: Held) -> None:
        """A person gives back what an attempt holds; a lost one is at its end by that."""
        for change in releasing.changes(found, self._now()):
            self.out.changes.append(change)
            if isinstance(change, Ending):
                self._tell(Flight(found.order, b"", change.cause), change.decision, None)
        self._schedule("", scheduler.Released(found.units))

    def _forget_offers(self, course: Course, prefix: str) -> None:
        offers = [each for each in self._offered.values() if each.order.campaign == course.name]
        for flight in offers:
            if scheduler.matches(flight.order.instance, prefix):
                del self._offered[flight.token]

    # --- what the executor says ---------------------------------------------------------------------------------

    def started(self, token: str, at: str) -> None:
        """The first process of an attempt is about to start."""
        flight = self._flights.get(token)
        if flight is not None and flight.state is State.ADMITTED:
            self.out.changes += flight.catch_up(State.RUNNING, at)

    def exited(self, token: str, exit_: Exit, data: bytes) -> None:
        """An attempt's exit record is on disk."""
        flight = self._flights.get(token)
        if flight is None or flight.state in {State.JUDGING, State.DONE}:
            return  # of an earlier owner, kept on disk but not counted
        flight.ended(exit_, data)
        if exit_.setup_error is not None and flight.state in {State.ADMITTED, State.STARTING}:
            self.out.changes += flight.catch_up(State.STARTING, self._now())
            self._judge(flight)
            return
        self.out.changes += flight.catch_up(State.JUDGING, exit_.finished_at)
        if exit_.cleared:
            self._schedule(flight.order.campaign, scheduler.Yielded(token))
        if not flight.order.oracles:
            self._judge(flight)

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
        course = self._course(flight)
        if (
            course.count_more(flight.order.key, "refused") <= policies.MOST_REQUEUES
            and flight.state is State.ADMITTED
            and self._revoke(flight.order)
        ):
            self._take_back(flight)  # its supervisor had to go; another one will have it
            return
        self.out.changes += flight.catch_up(State.STARTING, self._now())
        self._end(flight, _error(flight.order, why, FailureKind.INTERNAL, why))

    def busy(self, token: str, units: Mapping[str, tuple[int, ...]]) -> None:
        """Devices of an attempt are in use in another workspace: its place goes to what can run meanwhile."""
        flight = self._flights.get(token)
        if flight is None or flight.state is not State.ADMITTED or not self._revoke(flight.order):
            return
        self._schedule("", scheduler.Busy(units))
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
        self._schedule("", scheduler.Free(units))

    def crippled(self) -> None:
        """A place is gone for good; without any, nothing more can be done."""
        self._places -= 1
        self._schedule("", scheduler.Resized(self._places))
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

    def _revoke_all(self, flights: Iterable[Flight]) -> None:
        for flight in [each for each in flights if each.state is State.ADMITTED]:
            if self._revoke(flight.order):
                self._take_back(flight)

    # --- recovery -----------------------------------------------------------------------------------------------

    def take_over(self, row: AttemptRow, order: Order, data: bytes, finding: Finding) -> None:
        """An attempt that an earlier owner left in flight."""
        flight = Flight(order, data, row.cause, state=State(row.state))
        self._flights[flight.token] = flight
        self.expect(order.campaign, "adopt")
        yielded = flight.state is State.JUDGING and not (isinstance(finding, Exited) and not finding.exit.cleared)
        granted = {} if yielded else order.granted  # else what others may have by now would be freed with it
        self._schedule(order.campaign, scheduler.Adopted(flight.token, granted, order.campaign))
        self.found(flight.token, finding)

    def resume(self, campaign: str, again: protocol.Again, counts: dict[str, int]) -> None:
        """A run that is to be followed by a further attempt."""
        self._courses[campaign].counts[again.key] = counts
        self._await(campaign, again, 0.0)

    def requeue(self, row: AttemptRow, order: Order, data: bytes, counts: dict[str, int]) -> None:
        """An attempt that was queued again and has not started since."""
        course = self._courses[row.campaign]
        flight = course.revoked[row.key] = Flight(order, data, row.cause, state=State.QUEUED)
        if self._canceled(course, flight):
            return
        self.resume(row.campaign, protocol.Again(row.key, row.attempt, row.cause, row.parent), counts)

    def found(self, token: str, finding: Finding) -> None:  # noqa: C901 - one line a finding
        """What became of an attempt whose supervisor is gone or was another owner's: the takeover table."""
        flight = self._flights.get(token)
        if flight is None or flight.state in {State.DONE, State.LOST}:
            return
        policy = self._course(flight).orphans
        match finding:
            case Exited() if flight.doomed and finding.exit.stopped is Stop.INTERRUPT:
                flight.ended(finding.exit, finding.data)  # it may say that something is left
                self._orphaned(flight, policy, "its command died, and it was ended")  # by us, for what it was
            case Exited():
                self._found_exit(flight, finding)
            case NeverStarted():
                self._take_back(flight)
            case Running():
                if policy != "adopt" and not flight.doomed:
                    flight.doomed = True
                    self.out.commands.append(Halt(flight.order, Stop.INTERRUPT))
            case Gone() if flight.state is State.JUDGING:
                self._spoilt(flight, "its exit record is gone: how it ended cannot be told")
            case Gone():
                self._orphaned(flight, policy, finding.why)
            case Damaged():
                self._spoilt(flight, finding.why)
            case Unknown():
                self._lose(flight, finding.why)

    def _found_exit(self, flight: Flight, finding: Exited) -> None:
        exit_ = finding.exit
        if flight.state is not State.JUDGING:
            self.exited(flight.token, exit_, finding.data)
        else:
            flight.ended(exit_, finding.data)
            if not flight.order.oracles:
                self._judge(flight)
        if flight.state is State.JUDGING:
            self.out.commands.append(Ask(flight.order, exit_))

    def _orphaned(self, flight: Flight, policy: str, why: str) -> None:
        if flight.state is State.ADMITTED:
            self.out.changes += flight.catch_up(State.STARTING, self._now())
        if policy == "cancel":
            self._end(flight, Decision(Verdict.CANCELED, Reason.ORPHANED))
            return
        again = (
            policies.requeue(self._course(flight).count(flight.order.key).get("orphan", 0))
            if policy == "requeue"
            else None
        )
        poison = policy == "requeue" and again is None
        reason = Reason.POISON if poison else Reason.ORPHANED
        self._end(flight, _error(flight.order, reason, FailureKind.LOST, why), again)

    def _spoilt(self, flight: Flight, why: str) -> None:
        """It was carried out to its end, whatever the policy is for those that were not; how it ended is not known."""
        if flight.state is State.ADMITTED:
            self.out.changes += flight.catch_up(State.STARTING, self._now())
        self._end(flight, _error(flight.order, why, FailureKind.INTERNAL, why))

    def _lose(self, flight: Flight, why: str) -> None:
        if flight.state is State.JUDGING:
            self._end(flight, _error(flight.order, Reason.LOST, FailureKind.LOST, why))
            return
        if flight.state is State.ADMITTED:
            self.out.changes += flight.catch_up(State.STARTING, self._now())
        self.out.changes.append(flight.move(State.LOST, self._now(), cause="orphan", held=why))
        self._course(flight).lost += 1
        self._leave(flight, holding=True)

    # --- ends ---------------------------------------------------------------------------------------------------

    def _judge(self, flight: Flight) -> None:
        assert flight.exit is not None
        decision = decide(flight.order, flight.exit, flight.oracles, signature=flight.signature)
        if decision.reason == Reason.INTERRUPTED and self._course(flight).cancels(flight.order.instance):
            decision = Decision(Verdict.CANCELED, Reason.CANCELED)  # an earlier owner's, which knows one signal only
        self._end(flight, decision, self._follows(flight, flight.exit, decision))

    def _follows(self, flight: Flight, exit_: Exit, decision: Decision) -> policies.Again | None:
        course = self._course(flight)
        if course.cancels(flight.order.instance):
            return None
        if exit_.stopped is Stop.INTERRUPT:
            return policies.Again("verb")  # resume goes on with it
        attempts = course.count(flight.order.key)
        return policies.retry(flight.order.retry, decision, attempts.get("plan", 1) + attempts.get("policy", 0))

    def _end(self, flight: Flight, decision: Decision, again: policies.Again | None = None) -> None:
        exit_ = flight.exit
        held = "; ".join(map(one_line, exit_.left)) if exit_ is not None and not exit_.cleared else None
        holding = held is not None
        cause = again.cause if again else None
        self.out.changes.append(flight.end(decision, self._now(), again=cause, held=held))
        course = self._course(flight)
        self._tell(flight, decision, cause)
        if again is not None:
            following = protocol.Again(flight.order.key, flight.order.attempt + 1, again.cause)
            self._await(course.name, following, again.after_s)
            course.count_more(flight.order.key, again.cause)
        elif decision.verdict is Verdict.FAIL and course.stop_on_fail:
            self.wind_down(course.name)
        self._leave(flight, holding=holding)

    def _tell(self, flight: Flight, decision: Decision, again: str | None) -> None:
        finished = protocol.Finished(
            seq=0,
            token=flight.token,
            decision=decision,
            exit=Raw(flight.exit_data) if flight.exit_data is not None else protocol.NULL,
            oracles=flight.oracles,
            again=again,
            fallback=flight.order.fallback_reason,
        )
        self.out.endings.append((flight.order.campaign, finished))

    def _take_back(self, flight: Flight) -> None:
        """It never ran: queued again, uncharged, under a new token."""
        if flight.state is not State.ADMITTED:
            self._orphaned(flight, "adopt", Gone().why)
            return
        self.out.changes.append(flight.move(State.QUEUED, self._now(), cause="revoked"))
        order, course = flight.order, self._course(flight)
        course.revoked[order.key] = flight
        if not self._canceled(course, flight):
            self._await(course.name, protocol.Again(order.key, order.attempt, flight.cause, flight.parent), 0.0)
        self._leave(flight)

    def _leave(self, flight: Flight, *, holding: bool = False) -> None:
        self._flights.pop(flight.token, None)
        self._schedule(flight.order.campaign, scheduler.Left(flight.token, holding))

    # --- scheduling ---------------------------------------------------------------------------------------------

    def _await(self, campaign: str, again: protocol.Again, after_s: float) -> None:
        """A further attempt is due; while nobody can render it the ledger knows, and whoever opens next asks for it."""
        course = self._courses[campaign]
        if not course.opened:
            return
        self._schedule(campaign, scheduler.Awaited(1, campaign))
        if not course.stopping:
            self.out.later.append((after_s, campaign, again))

    def _schedule(self, campaign: str, event: scheduler.Event) -> None:
        wanted: dict[str, list[tuple[int, int]]] = {}
        for instruction in self._scheduler.handle(event):
            if isinstance(instruction, scheduler.Wanted):
                wanted.setdefault(instruction.campaign, []).append((instruction.lane, instruction.count))
            else:
                self._admit(instruction)
        self.out.says += [(name, protocol.Want(tuple(lanes))) for name, lanes in wanted.items()]
        if campaign in self._courses:
            self._check_idle(self._courses[campaign])

    def _admit(self, placed: scheduler.Placed) -> None:
        flight = self._flights[placed.token] = self._offered.pop(placed.token)
        flight.grant(dict(placed.granted), placed.fallback)
        self._course(flight).revoked.pop(flight.order.key, None)
        self.out.changes.append(flight.admit(self._now()))
        self.out.commands.append(Begin(flight.order, flight.data))

    def _check_idle(self, course: Course) -> None:
        if course.told_idle or not (course.begun or course.abandoned) or not self._scheduler.idle(course.name):
            return
        if any(True for _ in self.under_way(course.name)):
            return
        course.told_idle = True
        if course.abandoned:
            if course.begun:
                self._record_campaign(course.name, INTERRUPTED, None)
            self._forget(course.name)
        else:
            complete = self._scheduler.drained(course.name)
            idle = protocol.Idle(complete, course.lost, self._places, canceled=bool(course.canceled))
            self.out.says.append((course.name, idle))

    def _record_campaign(self, campaign: str, state: str, status: int | None) -> None:
        at = None if state == INTERRUPTED else self._now()
        self.out.changes.append(CampaignState(campaign=campaign, state=state, at=at, exit_status=status))

    def _course(self, flight: Flight) -> Course:
        return self._courses[flight.order.campaign]

    def _flight(self, raw: Raw, cause: str, lane: int) -> Flight:
        data = bytes(raw)
        return Flight(_decode_order(data), data, cause, lane=lane)


def _among(flight: Flight, prefixes: frozenset[tuple[str, str]]) -> bool:
    named = (prefix for campaign, prefix in prefixes if campaign in {"", flight.order.campaign})
    return any(scheduler.matches(flight.order.instance, prefix) for prefix in named)


def _error(order: Order, reason: str, kind: FailureKind, message: str) -> Decision:
    names = (order.token, order.key, order.cell, order.id)
    signature = fingerprint(f"{Verdict.ERROR} {kind}", "engine", message, names)
    return Decision(Verdict.ERROR, reason, Failure(kind, message, signature))
