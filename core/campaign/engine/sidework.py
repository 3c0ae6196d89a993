"""Attempts beside the plan: replays, repeats, candidates of a minimizer.

What is asked for is a row of the ledger; how it is carried out is a generator, a ``Work``: it yields the trials that it
wants next, several at once where they may run in parallel, and is sent what became of them, one after the other.  This
module drives such generators for the planner, which runs them in its process.  It remembers nothing: where the planner
is another one, the generator begins anew, and a trial that the ledger knows already is answered from there, so that a
work is carried out once however often it is interrupted.  Trials are known again by what they would execute.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from campaign.diagnostics import CampaignError
from campaign.engine import protocol
from campaign.engine.retrace import lay_out
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CANCELED, DONE, FAILED, AttemptRecord, AttemptRow, CampaignRow, RequestRow
from campaign.plan.matrix import Run
from campaign.records import Decision, Directories, Exit, OracleRecord, Order, Reason, Verdict, order_digest
from campaign.records.event import EventView

#: The group of all lanes beside the plan, which takes turns with those of the plan; no label is called so.
GROUP = "\0beside"
_encode = msgspec.json.Encoder().encode
_decode_order = msgspec.json.Decoder(Order).decode
#: Origin, key and number of an attempt.
Name: TypeAlias = "tuple[str, str, int]"


class Trial(Struct, frozen=True, eq=False, kw_only=True):
    """One attempt that a work wants: to carry out ``order``, of the plan's attempt ``parent``.

    ``order`` may be the parent's own, or one that was rendered or changed; its folders, token and names are put in.
    ``tag`` is the work's own, to know the trial again.
    """

    order: Order
    parent: AttemptRecord
    tag: Any = None


class Came(Struct, frozen=True, kw_only=True):
    """What became of a trial: ``order`` as it was carried out, and how that ended.

    A verdict ``canceled``: a person wants it no more.  ``error``: it could not be told, as of any attempt.
    """

    trial: Trial
    order: Order
    decision: Decision
    exit: Exit | None = None
    oracles: tuple[OracleRecord, ...] = ()


#: Yields trials, is sent what came of one; returns what it came to, as JSON.  Where it yields none and none is under
#: way, it waits for the end of the plan, and is sent None then.  The same answers must lead to the same trials.
Work: TypeAlias = Generator[Sequence[Trial], "Came | None", "dict[str, Any]"]


class Ground(Struct, frozen=True, kw_only=True):
    """What a work may use: its request, the attempt that this is about, the plan, and a way to tell a person.

    ``show`` writes down what the attempt was minimized to.
    """

    request: RequestRow
    parent: AttemptRecord | None
    campaign: CampaignRow
    ledger: str
    find: Callable[[str], Run | None]
    render: Callable[[Run, int], Order]
    note: Callable[[str], None]
    show: Callable[[dict[str, Any]], None]


#: Makes the work of a request; raises CampaignError where it cannot be carried out.
Maker: TypeAlias = Callable[[Ground], Work]


class _Job:
    """A request under way: ``recorded`` names the attempts that an earlier planner had, by what they executed."""

    def __init__(self, request: RequestRow, work: Work) -> None:
        self.request, self.work = request, work
        self.recorded: dict[bytes, deque[Name]] = {}
        self.arrived: deque[Came | None] = deque([None])
        self.under_way: dict[Name, Trial] = {}
        self.candidates: dict[bytes, tuple[int, int]] = {}  # of a minimizer: number, and attempts so far
        self.lanes: dict[Any, int] = {}
        self.over = False
        self._last: tuple[Order, bytes] | None = None

    def content(self, order: Order) -> bytes:
        """What it would execute; the same one is often asked about again."""
        if self._last is None or self._last[0] is not order:
            self._last = (order, _content(order))
        return self._last[1]


class Sidework:
    """The works of one campaign; ``send`` speaks to the engine."""

    def __init__(
        self,
        ground: Callable[[RequestRow, AttemptRecord | None], Ground],
        makers: Mapping[str, Maker],
        ledger: str,
        send: Callable[[protocol.ToEngine], None],
    ) -> None:
        self._ground, self._makers, self._ledger, self._send = ground, makers, ledger, send
        self._jobs: dict[str, _Job] = {}
        self._behind: list[RequestRow] = []  # each waits for another one about the same attempt
        self._orders: dict[Name, Order] = {}  # of those under way
        self.results: list[tuple[RequestRow, dict[str, Any]]] = []
        self._numbers: dict[tuple[str, str], int] = {}
        self._lane = 0
        self._token: Callable[[], str] = str
        self._epoch, self._attempts = 0, ""

    def ready(self, epoch: int, attempts: str, token: Callable[[], str], lanes: Iterable[int]) -> None:
        """Orders carry this epoch and such tokens, their private folders lie there; these lanes are the plan's."""
        self._epoch, self._attempts, self._token = epoch, attempts, token
        self._lane = max(lanes, default=-1)

    @property
    def open(self) -> bool:
        """Whether something is to be carried out still."""
        return bool(self._jobs or self._behind)

    # --- what the engine says -----------------------------------------------------------------------------------

    def start(self, requests: Iterable[RequestRow]) -> None:
        """Begin what is asked for."""
        known = {*self._jobs, *(each.id for each in self._behind)}
        self._behind += [request for request in requests if request.id not in known]
        self._next()

    def finished(self, order: Order, exit_: Exit | None, oracles: tuple[OracleRecord, ...], decision: Decision) -> None:
        """An attempt is done; one that was interrupted is begun anew by whoever goes on."""
        job = self._jobs.get(order.request or "")
        if decision.reason != Reason.INTERRUPTED and job is not None:
            trial = job.under_way.pop(_name(order), None)
            self._orders.pop(_name(order), None)
            if trial is not None:
                self._arrive(job, Came(trial=trial, order=order, decision=decision, exit=exit_, oracles=oracles))

    def lost(self, event: EventView) -> None:
        """It cannot be told what became of an attempt."""
        for job in list(self._jobs.values()):
            trial = job.under_way.pop((event.origin, event.key, event.attempt), None)
            if trial is not None:
                self._arrive(job, _untold(trial))

    def unwanted(self, tokens: Iterable[str]) -> None:
        """These will not be carried out: they were canceled."""
        found = {order.token: name for name, order in self._orders.items()}
        for name in [found[token] for token in tokens if token in found]:
            job = self._jobs.get(self._orders[name].request or "")
            trial = job.under_way.pop(name, None) if job is not None else None
            if job is not None and trial is not None:
                decision = Decision(Verdict.CANCELED, Reason.CANCELED)
                self._arrive(job, Came(trial=trial, order=self._orders[name], decision=decision))

    def dismissed(self, requests: Iterable[str]) -> None:
        """Nobody wants these any more, and that is recorded."""
        gone = set(requests)
        self._behind = [each for each in self._behind if each.id not in gone]
        for identity in gone:
            job = self._jobs.pop(identity, None)
            if job is not None:
                job.over = True
                job.work.close()
        self._next()

    def again(self, message: protocol.Again) -> None:
        """An attempt that never ran is to be carried out after all, under another token."""
        name: Name = (message.origin, message.key, message.attempt)
        order = self._orders.get(name) or self._recorded(name)
        job = self._jobs.get(order.request or "") if order is not None else None
        if order is None or job is None:
            self._send(protocol.Repeat(0, message.cause, run=name[:2]))
            return
        order = self._orders[name] = self._anew(order)
        lane = self._lane_of(job, order)
        self._send(protocol.Beside(lane, ()))  # it may be new
        self._send(protocol.Repeat(lane.number, message.cause, (Raw(_encode(order)),), message.parent))

    def _recorded(self, name: Name) -> Order | None:
        """An attempt that an earlier planner ordered, and that no work has asked for since."""
        origin, key, attempt = name
        campaign = next((job.request.campaign for job in self._jobs.values()), "")
        with LedgerReader(self._ledger) as ledger:
            record = ledger.attempt(campaign, key, origin, attempt)
        return record.order if record is not None else None

    def plan_over(self) -> None:
        """Nothing is left to do: whoever waits for that goes on; the others' orders are on their way."""
        for job in list(self._jobs.values()):
            if not job.under_way:
                self._arrive(job, None)
                if not (job.over or job.under_way):
                    self._settle(job, FAILED, {"why": "it waits for nothing"})

    def cancel(self) -> None:
        """A person interrupts what was asked for just now."""
        behind, self._behind = self._behind, []
        for request in behind:
            self._end(request, CANCELED, {})
        for job in list(self._jobs.values()):
            job.work.close()
            self._settle(job, CANCELED, {})

    # --- a job --------------------------------------------------------------------------------------------------

    def _start(self, request: RequestRow) -> None:
        with LedgerReader(self._ledger) as ledger:
            parent = ledger.record(request.parent) if request.parent is not None else None
        try:
            maker = self._makers.get(request.kind)
            if maker is None or (request.parent is not None and parent is None):
                self._end(request, FAILED, {"why": f"this campaign does not know how to {request.kind}"})
                return
            job = _Job(request, maker(self._ground(request, parent)))
        except CampaignError as error:
            self._end(request, FAILED, {"why": _why(error)})
            return
        self._jobs[request.id] = job
        with LedgerReader(self._ledger) as ledger:
            for row in ledger.asked_attempts(request.id):  # one after the other: there may be very many
                record = ledger.record(row.token)
                if record is not None:
                    self._remember(job, record)
        self._go_on(job)

    def _remember(self, job: _Job, record: AttemptRecord) -> None:
        content = _content(record.order)
        kind, _, number = record.row.origin.partition("/")
        if number.isdigit() and kind == job.request.kind:
            _, most = job.candidates.get(content, (0, 0))
            job.candidates[content] = (int(number), max(most, record.row.attempt))
        if record.row.reason != Reason.INTERRUPTED:
            job.recorded.setdefault(content, deque()).append(_name(record.order))

    def _arrive(self, job: _Job, came: Came | None) -> None:
        job.arrived.append(came)
        self._go_on(job)

    def _go_on(self, job: _Job) -> None:
        while job.arrived and not job.over:
            try:
                self._carry_out(job, job.work.send(job.arrived.popleft()))
            except StopIteration as end:
                self._settle(job, DONE, end.value)
            except CampaignError as error:
                self._settle(job, FAILED, {"why": _why(error)})

    def _settle(self, job: _Job, state: str, result: dict[str, Any]) -> None:
        job.over = True
        self._jobs.pop(job.request.id, None)
        self._end(job.request, state, result)
        if state == DONE:
            self._join(job.request, result)
        self._next()

    def _join(self, request: RequestRow, result: dict[str, Any]) -> None:
        """Whoever asked for the same meanwhile is told the same."""
        for other in [each for each in self._behind if _is_same(each, request)]:
            self._behind.remove(other)
            self._end(other, DONE, result)

    def _next(self) -> None:
        """Begin what waits for nothing that is under way."""
        while (request := next((each for each in self._behind if not self._waits(each)), None)) is not None:
            self._behind.remove(request)
            self._start(request)

    def _waits(self, request: RequestRow) -> bool:
        """Two minimizations of one attempt at once would take each other's results for their own."""
        return any(_is_same(each.request, request) or _is_alike(each.request, request) for each in self._jobs.values())

    def _end(self, request: RequestRow, state: str, result: dict[str, Any]) -> None:
        self.results.append((request, result))
        self._send(protocol.Settled(request.id, state, result))

    # --- its trials ---------------------------------------------------------------------------------------------

    def _carry_out(self, job: _Job, trials: Sequence[Trial]) -> None:
        orders: dict[int, tuple[protocol.Lane, list[Raw]]] = {}
        for trial in trials:
            order = self._ordered(job, trial)
            if order is not None:
                lane = self._lane_of(job, order)
                orders.setdefault(lane.number, (lane, []))[1].append(Raw(_encode(order)))
        for lane, those in orders.values():
            self._send(protocol.Beside(lane, tuple(those)))

    def _ordered(self, job: _Job, trial: Trial) -> Order | None:
        """The order to send, None where the ledger has the attempt already."""
        content = job.content(trial.order)
        names = job.recorded.get(content)
        if names:
            self._answer(job, trial, names.popleft())
            return None
        origin, attempt, below = self._place(job, trial, content)
        token = self._token()
        order = addressed(
            trial.order,
            f"{trial.parent.row.directory}/{below}",
            token=token,
            private=f"{self._attempts}/{token}",
            epoch=self._epoch,
            origin=origin,
            attempt=attempt,
            parent=trial.parent.row.name,
            request=job.request.id,
        )
        lay_out(order, trial.parent.row.directory)
        job.under_way[_name(order)] = trial
        self._orders[_name(order)] = order
        return order

    def _answer(self, job: _Job, trial: Trial, name: Name) -> None:
        """From what the ledger knows: it is done, lost, or still under way."""
        origin, key, attempt = name
        with LedgerReader(self._ledger) as ledger:
            record = ledger.attempt(job.request.campaign, key, origin, attempt)  # under another token, perhaps
        assert record is not None
        if record.decision is not None and record.row.state == "done":
            came = Came(
                trial=trial,
                order=record.order,
                decision=record.decision,
                exit=record.exit,
                oracles=record.oracles,
            )
            job.arrived.append(came)
        elif record.row.state == "lost":
            job.arrived.append(_untold(trial))
        else:
            self._orders[name] = record.order
            job.under_way[name] = trial

    def _place(self, job: _Job, trial: Trial, content: bytes) -> tuple[str, int, str]:
        """Origin, number and folder of a new attempt."""
        kind, key = job.request.kind, trial.order.key
        if kind != "minimize":
            number = self._number(job.request.campaign, key, kind)
            return kind, number, f"{kind}-{number}"
        candidate, attempts = job.candidates.get(content, (0, 0))
        candidate = candidate or self._number(job.request.campaign, key, kind)
        job.candidates[content] = (candidate, attempts + 1)
        return f"{kind}/{candidate:03}", attempts + 1, f"{kind}/{candidate:03}/attempt-{attempts + 1}"

    def _number(self, campaign: str, key: str, kind: str) -> int:
        """One more of its kind; the numbers of a run rise over all that is asked for."""
        if (key, kind) not in self._numbers:
            with LedgerReader(self._ledger) as ledger:
                rows = list(ledger.attempts(campaign, key, None))
            self._numbers[key, kind] = max((_number_of(row, kind) for row in rows), default=0)
        self._numbers[key, kind] += 1
        return self._numbers[key, kind]

    def _lane_of(self, job: _Job, order: Order) -> protocol.Lane:
        profile = (order.instance, tuple(order.needs.items()), tuple(order.prefers.items()), order.priority)
        if profile not in job.lanes:
            self._lane += 1
            job.lanes[profile] = self._lane
        return protocol.Lane(
            number=job.lanes[profile],
            group=GROUP,
            label=order.instance,
            priority=order.priority,
            needs=order.needs,
            prefers=order.prefers,
        )

    def _anew(self, order: Order) -> Order:
        token = self._token()
        places = replace(order.directories, private=f"{self._attempts}/{token}")
        fresh = replace(
            order, token=token, epoch=self._epoch, directories=places, granted={}, fallback_reason=None, digest=""
        )
        return replace(fresh, digest=order_digest(fresh))


def addressed(order: Order, public: str, *, private: str, **names: Any) -> Order:
    """The same attempt somewhere else: every text of the order that names its folders names the new ones.

    A chain's shared folder becomes one of its own.  ``names`` are the token and whatever else is to be another one.
    """
    before, chain = order.directories, f"{public}/chain" if order.directories.chain is not None else None
    new = {_text(before.public): _text(public)}
    if before.chain is not None and chain is not None:
        new[_text(before.chain)] = _text(chain)
    old = re.compile(b"|".join(re.escape(each) for each in sorted(new, key=len, reverse=True)))
    moved = _decode_order(old.sub(lambda found: new[found.group()], _encode(order)))
    places = Directories(public=public, private=private, work=f"{public}/work", chain=chain)
    moved = replace(moved, directories=places, link=None, granted={}, fallback_reason=None, digest="", **names)
    return replace(moved, digest=order_digest(moved))


def _content(order: Order) -> bytes:
    """What an order would execute, wherever: by this a trial is known again."""
    names = {"token": "", "epoch": 0, "origin": "", "attempt": 0, "parent": None, "request": None}
    bare = addressed(order, "\0", private="", **names)
    return blake2b(_encode(bare), digest_size=16).digest()


def _text(path: str) -> bytes:
    return _encode(path)[1:-1]


def _name(order: Order) -> Name:
    return order.origin, order.key, order.attempt


def _number_of(row: AttemptRow, kind: str) -> int:
    if row.origin == kind:
        return row.attempt
    name, _, number = row.origin.partition("/")
    return int(number) if name == kind and number.isdigit() else 0


def _is_alike(one: RequestRow, other: RequestRow) -> bool:
    return one.kind == other.kind == "minimize" and one.parent == other.parent


def _is_same(one: RequestRow, other: RequestRow) -> bool:
    """Whether what one comes to answers the other too: the same is wanted of the same attempt, whoever asked."""
    return one.parent is not None and _wanted(one) == _wanted(other)


def _wanted(request: RequestRow) -> tuple[str, str | None, bytes]:
    settings = {name: value for name, value in sorted(request.settings.items()) if name != "unasked"}
    return request.kind, request.parent, _encode(settings)


def _why(error: CampaignError) -> str:
    return "; ".join(each.summary for each in error.diagnostics)


def _untold(trial: Trial) -> Came:
    return Came(trial=trial, order=trial.order, decision=Decision(Verdict.ERROR, Reason.LOST))
