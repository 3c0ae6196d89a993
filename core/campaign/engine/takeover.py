"""What becomes of attempts that an earlier owner of the workspace left in flight: the takeover table."""

from __future__ import annotations

from collections.abc import Iterable

from campaign.engine import policies, protocol, scheduling
from campaign.engine.attempts import Attempts, error_of
from campaign.engine.chain import Chain
from campaign.engine.findings import Damaged, Exited, Finding, Gone, NeverStarted, Running, Unasked, Unknown
from campaign.engine.flight import Flight
from campaign.engine.outbox import Ask, Halt
from campaign.engine.states import State
from campaign.ledger.rows import AttemptRow
from campaign.records import FailureKind, Order, Reason, Stop

_KILLS_ITS_JUDGES = "the supervisor that asked its oracles died, again and again"


class Takeover(Attempts):
    """Goes on with what was left, once it is found out what that is."""

    def take_over(self, left: Iterable[tuple[AttemptRow, Order, bytes, Finding]]) -> None:
        """The attempts that an earlier owner left in flight, each with what became of it."""
        flights = [(Flight(order, data, row.cause, state=State(row.state)), each) for row, order, data, each in left]
        for flight, _ in flights:
            self._flights[flight.token] = flight
            self.expect(flight.order.campaign, "adopt")
            if flight.order.link is not None:
                self._chains.setdefault(flight.place, Chain(())).add(flight)
        placed: dict[str, bool] = {}
        for flight, finding in flights:
            yielded = flight.state is State.JUDGING and isinstance(finding, Exited) and finding.exit.cleared
            placed[flight.place] = placed.get(flight.place, True) and yielded
        for flight, _ in flights:
            if flight.place in placed:  # else what others may have by now would be freed with it
                granted = {} if placed.pop(flight.place) else flight.order.granted
                campaign = flight.order.campaign
                self._schedule(campaign, scheduling.Adopted(flight.place, granted, campaign))
        for flight, finding in sorted(flights, key=_number):
            self.found(flight.token, finding)

    def resume(self, campaign: str, again: protocol.Again, counts: dict[str, int], instance: str) -> None:
        """A run of an instance of that label is to be followed by a further attempt."""
        course = self._courses[campaign]
        course.counts[again.key] = counts
        if instance in course.chained:
            course.wishes[again.key] = again.cause
            self._await_chain(course, again, 0.0)
        else:
            self._await(campaign, again, 0.0)

    def requeue(self, row: AttemptRow, order: Order, data: bytes, counts: dict[str, int]) -> None:
        """An attempt that was queued again and has not started since."""
        course = self._courses[row.campaign]
        flight = Flight(order, data, row.cause, state=State.QUEUED)
        course.revoked[flight.name] = flight
        if self._canceled(course, flight):
            return
        again = protocol.Again(row.key, row.attempt, row.cause, row.parent, row.origin)
        if flight.planned:
            course.counts[again.key] = counts
        if flight.order.link is None:
            self._await(row.campaign, again, 0.0)
        else:
            self._await_chain(course, again, 0.0)

    def found(self, token: str, finding: Finding) -> None:  # noqa: C901 - one line a finding
        """What became of an attempt whose supervisor is gone or was another owner's: the takeover table."""
        flight = self._flights.get(token)
        if flight is None or flight.state in {State.DONE, State.LOST}:
            return
        policy, chain = self._course(flight).orphans, self._chain(flight)
        if chain is not None:
            chain.broken = chain.broken or _breaks(finding)
        match finding:
            case Exited() if flight.doomed and finding.exit.stopped is Stop.INTERRUPT:
                flight.ended(finding.exit, finding.data)  # it may say that something is left
                self._orphaned(flight, policy, "its command died, and it was ended")  # by us, for what it was
            case Exited():
                self._found_exit(flight, finding)
            case Unasked():
                self._leave(flight)  # the ledger says ``judging``
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
            if not flight.order.is_judged:
                self._judge(flight)
            elif self._course(flight).count_more(flight.order.key, "judging") > policies.MOST_REQUEUES:
                self._end(flight, error_of(flight.order, Reason.POISON, FailureKind.LOST, _KILLS_ITS_JUDGES))
        if flight.state is State.JUDGING:
            self.out.commands.append(Ask(flight.order, exit_))

    def _spoilt(self, flight: Flight, why: str) -> None:
        """It was carried out to its end, whatever the policy is for those that were not; how it ended is not known."""
        if flight.state is State.ADMITTED:
            self.out.changes += flight.catch_up(State.STARTING, self._now())
        self._end(flight, error_of(flight.order, why, FailureKind.INTERNAL, why))

    def _lose(self, flight: Flight, why: str) -> None:
        if flight.state is State.JUDGING:
            # Whether all of it was gone when its record was made, nobody knows any more.
            self._end(flight, error_of(flight.order, Reason.LOST, FailureKind.LOST, why), held=why)
            return
        if flight.state is State.ADMITTED:
            self.out.changes += flight.catch_up(State.STARTING, self._now())
        self.out.changes.append(flight.move(State.LOST, self._now(), cause="orphan", held=why))
        self._course(flight).lost += 1
        self._leave(flight, holding=True)


def _breaks(finding: Finding) -> bool:
    """Whether no run of a chain may follow the one that came to this."""
    if isinstance(finding, Exited):
        return finding.exit.breaks
    return not isinstance(finding, NeverStarted | Running | Unasked)


def _number(found: tuple[Flight, Finding]) -> int:
    """The place in a chain."""
    link = found[0].order.link
    return 0 if link is None else link.number
