"""Attempts on their way: placed, ended, taken back, and what follows; what the rest of the engine's core stands on.

Pure, as all of it: what is to be done comes out in ``out``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Raw, Struct
from msgspec.structs import asdict

from campaign.engine import policies, protocol, scheduler, scheduling
from campaign.engine.chain import CHAIN, Chain, cell_of
from campaign.engine.course import Course
from campaign.engine.findings import Gone
from campaign.engine.flight import Flight
from campaign.engine.outbox import Begin, Outbox
from campaign.engine.states import State
from campaign.judge.classify import decide, one_line
from campaign.judge.fingerprint.signature import fingerprint, grounds_of
from campaign.ledger.rows import INTERRUPTED, PLAN, REPEAT, CampaignState, Requested, RequestRow
from campaign.records import Decision, Exit, Failure, FailureKind, Order, Reason, Stop, Verdict


class _Left(Struct, frozen=True):
    campaign: str
    place: str
    holding: bool


class Attempts:
    """The campaigns under way and their attempts in flight.

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
        self._resting: dict[str, _Left | None] = {}  # in their cooldown, by token; None: still judged
        self._chains: dict[str, Chain] = {}  # under way, by the token of their first run

    def under_way(self, campaign: str | None = None) -> Iterator[Flight]:
        """The attempts in flight, of all campaigns or of one."""
        return (each for each in self._flights.values() if campaign is None or each.order.campaign == campaign)

    def expect(self, campaign: str, orphans: str, counts: dict[str, dict[str, int]] | None = None) -> Course:
        """A campaign is to be carried out, or left attempts in flight: they are its own."""
        course = self._courses.setdefault(campaign, Course(campaign, orphans))
        course.counts = counts or course.counts
        return course

    # --- ends ----------------------------------------------------------------------------------------------------

    def exited(self, token: str, exit_: Exit, data: bytes) -> None:
        """An attempt's exit record is on disk."""
        flight = self._flights.get(token)
        if flight is None or flight.state in {State.JUDGING, State.DONE}:
            return  # of an earlier owner, kept on disk but not counted
        flight.ended(exit_, data)
        if (chain := self._chain(flight)) is not None:
            chain.ended(exit_)
        if exit_.setup_error is not None and flight.state in {State.ADMITTED, State.STARTING}:
            self.out.changes += flight.catch_up(State.STARTING, self._now())
            self._judge(flight)
            return
        self.out.changes += flight.catch_up(State.JUDGING, exit_.finished_at)
        self._free_slots(flight, exit_)
        if not flight.order.is_judged:
            self._judge(flight)

    def _free_slots(self, flight: Flight, exit_: Exit) -> None:
        """Nothing of it runs any more: its slots are free, after its cooldown; a chain keeps them to its end."""
        chain, rest_s = self._chain(flight), flight.order.cooldown_s if exit_.steps or exit_.services else 0.0
        if chain is not None:
            chain.rest_s = rest_s
            if not chain.is_last(flight):
                return
        if rest_s:
            self._rest(flight, rest_s)
        elif exit_.cleared:
            self._schedule(flight.order.campaign, scheduling.Yielded(flight.place))

    def _rest(self, flight: Flight, seconds: float) -> None:
        """Its slots are free after its cooldown."""
        self._resting[flight.token] = None
        self.out.rests.append((seconds, flight.token))

    def _chain(self, flight: Flight) -> Chain | None:
        """The chain that it is a run of."""
        return None if flight.order.link is None else self._chains.get(flight.place)

    def _judge(self, flight: Flight) -> None:
        assert flight.exit is not None
        decision = decide(flight.order, flight.exit, flight.oracles, signature=flight.signature)
        if decision.reason == Reason.INTERRUPTED and self._course(flight).cancels(flight.order.instance):
            decision = Decision(Verdict.CANCELED, Reason.CANCELED)  # an earlier owner's, which knows one signal only
        self._end(flight, decision, self._follows(flight, flight.exit, decision))

    def _follows(self, flight: Flight, exit_: Exit, decision: Decision) -> policies.Again | None:
        """What follows by itself; beside the plan that is up to who asked for it."""
        course = self._course(flight)
        if not flight.planned or course.cancels(flight.order.instance):
            return None
        if exit_.stopped is Stop.INTERRUPT:
            return policies.Again("verb")  # resume goes on with it
        attempts = course.count(flight.order.key)
        made = attempts.get("plan", 1) + attempts.get("policy", 0) + attempts.get(CHAIN, 0)
        return policies.retry(flight.order.retry, decision, made)

    def _end(
        self, flight: Flight, decision: Decision, again: policies.Again | None = None, *, held: str | None = None
    ) -> None:
        """``held`` says why its slots stay held, where its exit record does not."""
        exit_ = flight.exit
        held = "; ".join(map(one_line, exit_.left)) if exit_ is not None and not exit_.cleared else held
        holding = held is not None
        cause = again.cause if again else None
        self.out.changes.append(flight.end(decision, self._now(), again=cause, held=held))
        course = self._course(flight)
        self._tell(flight, decision, cause)
        if again is not None:
            course.count_more(flight.order.key, again.cause)
            self._follow_up(course, flight, again)
        elif flight.planned and course.stops_for(decision):
            self.stop_plan(course.name)
        if again is None:
            self._ask_for_less(flight, decision)
        self._leave(flight, holding=holding)

    def _follow_up(self, course: Course, flight: Flight, again: policies.Again) -> None:
        """Have a further attempt made; of a chain when it is at its end, and then of all its runs."""
        chain = self._chain(flight)
        if chain is None:
            following = protocol.Again(flight.order.key, flight.order.attempt + 1, again.cause)
            self._await(course.name, following, again.after_s)
        else:
            course.wishes[flight.order.key] = again.cause
            chain.wants(again)

    def _ask_for_less(self, flight: Flight, decision: Decision) -> None:
        """Have a failure minimized where its spec wants that; the ledger takes it only where the failure is new."""
        wish, failure, order = flight.order.minimize, decision.failure, flight.order
        course = self._course(flight)
        own = order.origin in {PLAN, REPEAT}  # candidates and replays fail on purpose
        if wish is None or not own or decision.verdict is not Verdict.FAIL or failure is None:
            return
        if not failure.fingerprint or failure.fingerprint in course.minimized or course.cancels(order.instance):
            return
        course.minimized.add(failure.fingerprint)
        request = RequestRow(
            id=f"minimize-{order.token}",
            campaign=order.campaign,
            kind="minimize",
            parent=order.token,
            instance=order.instance,
            settings={**asdict(wish), "unasked": True},
            at=self._now(),
        )
        self.out.changes.append(Requested(request, fresh=failure.fingerprint))
        course.asking = True  # until the ledger has told, nobody may think that all is done

    def _orphaned(self, flight: Flight, policy: str, why: str) -> None:
        if flight.state is State.ADMITTED:
            self.out.changes += flight.catch_up(State.STARTING, self._now())
        if policy == "cancel":
            self._end(flight, Decision(Verdict.CANCELED, Reason.ORPHANED))
            return
        requeued = policy == "requeue" and flight.planned
        again = policies.requeue(self._course(flight).count(flight.order.key).get("orphan", 0)) if requeued else None
        poison = requeued and again is None
        reason = Reason.POISON if poison else Reason.ORPHANED
        self._end(flight, error_of(flight.order, reason, FailureKind.LOST, why), again)

    def _tell(self, flight: Flight, decision: Decision, again: str | None) -> None:
        finished = protocol.Finished(
            seq=0,
            token=flight.token,
            decision=decision,
            exit=Raw(flight.exit_data) if flight.exit_data is not None else protocol.NULL,
            oracles=flight.oracles,
            again=again,
            fallback=flight.order.fallback_reason,
            origin=flight.order.origin,
        )
        self.out.endings.append((flight.order.campaign, finished))

    def _take_back(self, flight: Flight) -> None:
        """It never ran: queued again, uncharged, under a new token."""
        if flight.state is not State.ADMITTED:
            self._orphaned(flight, "adopt", Gone().why)
            return
        if not flight.heads:
            self._skip(flight)
            return
        chain, course = self._chain(flight), self._course(flight)
        flights = [flight] if chain is None else chain.open
        for each in flights:
            if each is not flight:
                self._revoke(each.order)  # its supervisor starts no run of a chain whose first one it could not claim
            self.out.changes.append(each.move(State.QUEUED, self._now(), cause="revoked"))
            course.revoked[each.name] = each
        canceled = [each for each in flights if self._canceled(course, each)]
        if not canceled:  # of one instance, so all of them are or none
            order = flight.order
            again = protocol.Again(order.key, order.attempt, flight.cause, flight.parent, order.origin)
            self._await(course.name, again, 0.0)
        for each in flights:
            self._leave(each)

    def _skip(self, flight: Flight) -> None:
        """A run of a chain that never came to it; it is repeated with its chain unless that broke by itself."""
        chain, course, key = self._chain(flight), self._course(flight), flight.order.key
        self.out.changes.append(flight.move(State.QUEUED, self._now(), cause="revoked"))
        decision, again = Decision(Verdict.SKIPPED, Reason.CHAIN), None
        if course.cancels(flight.order.instance):
            decision = Decision(Verdict.CANCELED, Reason.CANCELED)
        elif course.stopping:
            again = policies.Again("verb")  # resume goes on with it
        elif chain is not None and not chain.broken:
            again = policies.requeue(course.count(key).get("orphan", 0))
        self._end(flight, decision, again)

    def _leave(self, flight: Flight, *, holding: bool = False) -> None:
        self._flights.pop(flight.token, None)
        campaign, chain = flight.order.campaign, self._chain(flight)
        if chain is not None:
            chain.leave(flight, holding=holding)
            if chain.open:
                return
            del self._chains[flight.place]
            holding = chain.holding
            if chain.rest_s and flight.token not in self._resting:  # it broke, so its last run was not known for that
                self._rest(flight, chain.rest_s)
            if chain.again is not None:
                following = protocol.Again(flight.order.key, flight.order.attempt + 1, chain.again.cause)
                self._await_chain(self._courses[campaign], following, chain.again.after_s)
        if flight.token in self._resting:
            self._resting[flight.token] = _Left(campaign, flight.place, holding)
            self._schedule(campaign, scheduling.Resting(flight.place))
        else:
            self._schedule(campaign, scheduling.Left(flight.place, holding))

    # --- stopping ------------------------------------------------------------------------------------------------

    def wind_down(self, campaign: str) -> None:
        """Start nothing more of a campaign."""
        course = self._courses[campaign]
        if course.stopping:
            return
        course.stopping = True
        self._schedule(campaign, scheduling.Stopped(campaign))
        self._revoke_all(self.under_way(campaign))

    def stop_plan(self, campaign: str) -> None:
        """Start nothing more of a campaign's plan; what is asked for beside it goes on."""
        course = self._courses[campaign]
        if course.plan_stopped:
            return
        course.plan_stopped = True
        self._schedule(campaign, scheduling.Stopped(campaign, plan=True))
        self._revoke_all(each for each in self.under_way(campaign) if each.planned)

    def _revoke_all(self, flights: Iterable[Flight]) -> None:
        for flight in [each for each in flights if each.state is State.ADMITTED and each.heads]:
            if self._revoke(flight.order):
                self._take_back(flight)

    def _canceled(self, course: Course, flight: Flight) -> bool:
        """Whether a further attempt is not wanted any more; its run, where it is queued, is at its end."""
        if not course.refuses(flight.order):
            return False
        if flight.name in course.revoked:
            self._drop(course, course.revoked[flight.name])
        return True

    def _drop(self, course: Course, flight: Flight) -> None:
        """A queued attempt is canceled."""
        del course.revoked[flight.name]
        decision = Decision(Verdict.CANCELED, Reason.CANCELED)
        self.out.changes.append(flight.end(decision, self._now()))
        self._tell(flight, decision, None)

    # --- scheduling ----------------------------------------------------------------------------------------------

    def _await(self, campaign: str, again: protocol.Again, after_s: float) -> None:
        """A further attempt is due; while nobody can render it the ledger knows, and whoever opens next asks for it."""
        course = self._courses[campaign]
        if not course.opened or (course.plan_stopped and again.origin == PLAN):
            return
        self._schedule(campaign, scheduling.Awaited(1, campaign))
        if not course.stopping:
            self.out.later.append((after_s, campaign, again))

    def _await_chain(self, course: Course, again: protocol.Again, after_s: float) -> None:
        """A further attempt of a run is due, and with it of its chain, once, and not before that is at its end."""
        cell, made = cell_of(again.key), again.attempt - 1
        for chain in self._chains.values():
            for flight in chain.open:
                if flight.order.campaign == course.name and (flight.order.cell, flight.order.attempt) == (cell, made):
                    chain.wants(policies.Again(again.cause, after_s))
                    return
        if course.opened and (cell, again.attempt) not in course.due:  # else whoever opens next asks for it
            course.due.add((cell, again.attempt))
            self._await(course.name, again, after_s)

    def _schedule(self, campaign: str, event: scheduling.Event) -> None:
        wanted: dict[str, list[tuple[int, int]]] = {}
        for instruction in self._scheduler.handle(event):
            if isinstance(instruction, scheduling.Wanted):
                wanted.setdefault(instruction.campaign, []).append((instruction.lane, instruction.count))
            else:
                self._admit(instruction)
        self.out.says += [(name, protocol.Want(tuple(lanes))) for name, lanes in wanted.items()]
        if campaign in self._courses:
            self._check_idle(self._courses[campaign])

    def _admit(self, placed: scheduling.Placed) -> None:
        first = self._offered.pop(placed.token)
        if first.order.link is not None:
            self._chains[first.token] = Chain((first, *first.links))
        for flight in (first, *first.links):
            self._flights[flight.token] = flight
            flight.grant(dict(placed.granted), placed.fallback)
            self._course(flight).revoked.pop(flight.name, None)
            self.out.changes.append(flight.admit(self._now()))
            self.out.commands.append(Begin(flight.order, flight.data))

    def _check_idle(self, course: Course) -> None:
        if course.told_idle or course.asking or not (course.begun or course.abandoned):
            return
        if not self._scheduler.idle(course.name):
            return
        if any(True for _ in self.under_way(course.name)):
            return
        course.told_idle = True
        if course.abandoned:
            if course.begun and not course.aside:
                self._record_campaign(course.name, INTERRUPTED, None)
            self._forget(course.name)
        else:
            complete = self._scheduler.drained(course.name) and not course.plan_stopped
            idle = protocol.Idle(complete, course.lost, self._places, canceled=bool(course.canceled))
            self.out.says.append((course.name, idle))

    def _forget(self, campaign: str) -> None:
        self._schedule(campaign, scheduling.Detached(campaign))
        self._courses.pop(campaign, None)
        self.out.over.append(campaign)

    def _record_campaign(self, campaign: str, state: str, status: int | None) -> None:
        at = None if state == INTERRUPTED else self._now()
        self.out.changes.append(CampaignState(campaign=campaign, state=state, at=at, exit_status=status))

    def _course(self, flight: Flight) -> Course:
        return self._courses[flight.order.campaign]


def error_of(order: Order, reason: str, kind: FailureKind, message: str) -> Decision:
    """The decision that campaign could not tell, with the fingerprint of why."""
    names = (order.token, order.key, order.cell, order.id)
    grounds = grounds_of(f"{Verdict.ERROR} {kind}", "engine", message, names)
    return Decision(Verdict.ERROR, reason, Failure(kind, message, fingerprint(grounds), grounds=grounds))
