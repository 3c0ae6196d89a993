"""The planner of one campaign: expands the plan, renders orders, and has what the engine says written down.

It holds no lock and no writing connection, so that it may run plugin code: tools' commands, event hooks.  Everything
here is a reaction to one message of the engine; what people read of it is written in ``scribe.py``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec
from msgspec import Raw, Struct

from campaign.analysis.summarize import counted, exit_status
from campaign.diagnostics import CampaignError, ExitStatus
from campaign.engine import protocol, repeat
from campaign.engine.audience import Events, Watcher
from campaign.engine.chain import CHAIN
from campaign.engine.client import Connect, EngineDefectError
from campaign.engine.interrupts import listening_to_interrupts
from campaign.engine.lengthy import LOOK_S, Lengthy
from campaign.engine.project import Projector
from campaign.engine.releasing import all_held
from campaign.engine.scribe import Scribe
from campaign.engine.script import Signals
from campaign.engine.sidework import Ground, Maker, Sidework
from campaign.engine.telling import Facts, Teller, facts_of
from campaign.failpoints import reach
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import FINISHED, INTERRUPTED, PLAN, AttemptRecord, CampaignRow, RequestRow
from campaign.plan.matrix import Run
from campaign.records import Exit, LinkOrder, Order, Verdict
from campaign.records.event import EventView
from campaign.rules.structs import Quarantine, RuleBook
from campaign.supervise.loop import Loop

_encode = msgspec.json.Encoder().encode
_decode_exit = msgspec.json.Decoder(Exit | None).decode

#: Renders attempt ``attempt`` of a run; raises CampaignError for a run that cannot be rendered.
Renderer = Callable[[Run, int], Order]


class Errand(Struct, frozen=True, kw_only=True):
    """What a planner is to do: one campaign, new or to be gone on with.

    ``lanes`` expand lazily, by the number of their scenario: runs one by one, those of a chain together, which is what
    ``chain`` tells of one run.  ``renderer`` is made when the epoch is known.
    ``requests`` are what is asked for beside a new plan, ``makers`` how such things are carried out; ``aside``: nothing
    but that, the campaign itself stays what it is.
    """

    campaign: CampaignRow
    workspace: str
    ledger: str
    places: int
    lanes: Mapping[int, tuple[protocol.Lane, Iterator[tuple[Run, ...]]]]
    find: Callable[[str], Run | None]
    chain: Callable[[Run], tuple[Run, ...]]
    number: Callable[[Run], int]
    renderer: Callable[[int, Callable[[], str]], Renderer]
    blobs: Mapping[str, bytes] = {}
    slots: Mapping[str, int] = {}
    stop_on_fail: bool = False
    resume: bool = False
    requests: tuple[RequestRow, ...] = ()
    makers: Mapping[str, Maker] = {}
    aside: bool = False
    attempts: str = ""
    signals: Signals = lambda _fault: ()
    quarantined: Mapping[str, Quarantine] = {}
    book: RuleBook = RuleBook()


class Outcome(Struct, frozen=True):
    """How the campaign ended: its state and exit status."""

    state: str
    status: int


class Planner:
    """Runs one errand to its end."""

    def __init__(
        self, errand: Errand, projector: Projector, watcher: Watcher, events: Events, connect: Connect
    ) -> None:
        self._connect = connect
        self._seen = 0  # the number of the last event that was projected from the ledger
        self._errand, self._watcher = errand, watcher
        teller = Teller(errand.ledger, projector, errand.book, errand.quarantined)
        self._scribe = Scribe(projector, teller, events, signals=errand.signals, note=watcher.note)
        self._loop = Loop()
        self._render: Renderer | None = None
        self._iterators: dict[int, Iterator[tuple[Run, ...]]] = {}
        self._runs: dict[str, Run] = {}  # under way, by key
        self._orders: dict[str, tuple[Order, str, str | None]] = {}  # by token: with cause and parent
        self._known: frozenset[str] = frozenset()
        self._side = Sidework(self._ground, errand.makers, errand.ledger, self._send)
        self._lengthy = Lengthy(errand.ledger, errand.campaign.id, self._loop.now)
        self._interrupts = 0
        self._ready = False
        self._outcome: Outcome | None = None
        self._closed = False

    def run(self) -> Outcome:
        """Carry it out; raises CampaignError where that is impossible or the engine breaks down."""
        with listening_to_interrupts(self._loop, self._interrupted):
            self._link = self._connect(self._loop, self._heard)
            try:
                while not self._closed:
                    self._loop.run_once()
                    if self._link.gone and not self._closed:
                        raise self._link.ending()
            finally:
                self._link.close(wait=self._closed)
                self._watcher.end()
        assert self._outcome is not None
        return self._outcome

    # --- what the engine says -----------------------------------------------------------------------------------

    def _heard(self, message: protocol.FromEngine) -> None:  # noqa: C901, PLR0912 - one line a message
        match message:
            case protocol.Want():
                for lane, count in message.lanes:
                    self._offer(lane, count)
            case protocol.News():
                self._news(message)
            case protocol.Again():
                self._repeat(message)
            case protocol.Requested():
                self._side.start(message.requests)
            case protocol.Unwanted():
                self._side.unwanted(message.tokens)
            case protocol.Dismissed():
                self._side.dismissed(message.requests)
            case protocol.Ready():
                self._open(message.epoch)
            case protocol.Opened():
                self._opened()
            case protocol.Waiting():
                self._watcher.note(f"{message.owner} works in this workspace; waiting until it is done")
            case protocol.Note():
                self._watcher.note(message.text)
            case protocol.Idle():
                self._close(message)
            case protocol.Closed():
                reach("planner.closed")
                self._closed = True
            case protocol.Broken():
                if message.defect is not None:
                    raise EngineDefectError(message.defect)
                raise CampaignError(message.diagnostics)

    def _open(self, epoch: int) -> None:
        errand, self._ready = self._errand, True
        reach("planner.open")
        token = token_maker(epoch)
        self._render = errand.renderer(epoch, token)
        self._side.ready(epoch, errand.attempts, token, errand.lanes)
        self._warn()
        self._link.send(
            protocol.Open(
                campaign=errand.campaign,
                blobs=errand.blobs,
                lanes=tuple(lane for lane, _ in errand.lanes.values()),
                slots=errand.slots,
                requests=errand.requests,
                stop_on_fail=errand.stop_on_fail,
                quarantined=tuple(errand.quarantined),
                resume=errand.resume,
                aside=errand.aside,
            )
        )

    def _warn(self) -> None:
        """Say which named slots its runs want and cannot have until a person gives them back."""
        wanted = {name for lane, _ in self._errand.lanes.values() for name in (*lane.needs, *lane.prefers)}
        with LedgerReader(self._errand.ledger) as ledger:
            held = {name: units for name, units in all_held(ledger).items() if name in wanted}
        for name, units in held.items():
            indexes = ", ".join(map(str, units))
            self._watcher.note(
                f"{name} {indexes} stays held: campaign status says by which run, campaign release frees it"
            )

    def _opened(self) -> None:
        """The campaign is recorded; what it did before this point is known and left out."""
        self._look()
        errand, done = self._errand, 0
        if errand.resume:
            self._seen = self._scribe.catch_up(errand.campaign.id)
            with LedgerReader(errand.ledger) as ledger:
                self._known = frozenset(ledger.known_keys(errand.campaign.id))
                done = sum(1 for _ in ledger.done_keys(errand.campaign.id))
        if errand.aside:
            return
        self._iterators = {number: runs for number, (_, runs) in errand.lanes.items()}
        self._scribe.tell("campaign_planned", campaign=errand.campaign.id, runs=errand.campaign.total or 0)
        self._watcher.begin(errand.campaign.total, done)

    def _look(self) -> None:
        """Say now and then what is judged for long; where that cannot be read, whoever needs the ledger will tell."""
        with suppress(CampaignError):
            for text in self._lengthy.news():
                self._watcher.note(text)
        self._loop.call_later(LOOK_S, self._look)

    def _offer(self, lane: int, count: int) -> None:
        orders: list[Raw] = []
        for runs in self._iterators[lane]:
            if runs[0].key not in self._known:
                orders += self._rendered(runs, 1, "plan", None)
                if len(orders) >= count:
                    break
        reach("planner.offer")
        self._link.send(protocol.Offer(lane, tuple(orders), len(orders) < count))

    def _repeat(self, message: protocol.Again) -> None:
        reach("planner.repeat")
        if message.origin != PLAN:
            self._side.again(message)
            return
        run = self._runs.get(message.key) or self._errand.find(message.key)
        if run is None:
            self._watcher.note(f"{message.key} is no run of this plan any more; it is left as it is")
            self._link.send(protocol.Repeat(0, message.cause))
            return
        orders = self._rendered(self._errand.chain(run), message.attempt, message.cause, message.parent)
        self._link.send(protocol.Repeat(self._errand.number(run), message.cause, orders, message.parent))

    def _rendered(self, runs: Sequence[Run], attempt: int, cause: str, parent: str | None) -> tuple[Raw, ...]:
        """The orders of one run, or of all those of a chain."""
        assert self._render is not None
        orders = linked([self._render(run, attempt) for run in runs])
        for run, order in zip(runs, orders, strict=True):
            self._runs[run.key] = run
            self._orders[order.token] = (order, cause, parent)
        return tuple(Raw(_encode(order)) for order in orders)

    # --- what happened ------------------------------------------------------------------------------------------

    def _news(self, news: protocol.News) -> None:
        """Write down and pass on what was committed; the events last, for they say how far that has come."""
        reach("planner.news")
        finished = {each.seq: each for each in news.finished}
        events = [event for event in news.events if event.seq > self._seen]
        for event in events:
            if event.origin != PLAN:
                self._beside(event, finished.get(event.seq))
                continue
            self._watcher.moved(event)
            if event.to_state == "running":
                self._scribe.tell("campaign_run_started", campaign=event.campaign, key=event.key, attempt=event.attempt)
            elif event.seq in finished:
                self._finished(finished[event.seq])
        self._scribe.append(events)
        self._watcher.flush()

    def _send(self, message: protocol.ToEngine) -> None:
        self._link.send(message)

    def _ground(self, request: RequestRow, parent: AttemptRecord | None) -> Ground:
        assert self._render is not None
        return Ground(
            request=request,
            parent=parent,
            campaign=self._errand.campaign,
            ledger=self._errand.ledger,
            find=self._errand.find,
            render=self._render,
            note=self._watcher.note,
            show=lambda told: self._scribe.minimized(parent, told),
        )

    def _beside(self, event: EventView, message: protocol.Finished | None) -> None:
        """Something became of an attempt beside the plan: progress and hooks are those of the plan's runs."""
        if event.to_state == "lost":
            self._side.lost(event)
        if message is None:
            return
        with LedgerReader(self._errand.ledger) as ledger:
            record = ledger.record(message.token)
        if record is None:
            return
        self._scribe.told(facts_of(record))
        self._side.finished(record.order, record.exit, message.oracles, message.decision)

    def _finished(self, message: protocol.Finished) -> None:
        known = self._orders.pop(message.token, None) or self._recorded(message.token)
        if known is None:
            return
        order, cause, parent = known
        if message.fallback:
            order = msgspec.structs.replace(order, fallback_reason=message.fallback)
        facts = Facts(order, _decode_exit(message.exit), message.oracles, message.decision, cause, parent)
        final = message.again is None and cause != CHAIN  # what is repeated with its chain was at its end before
        view = self._scribe.told(facts)
        self._watcher.finished(view, final=final)
        if message.again is None:
            self._runs.pop(order.key, None)

    def _recorded(self, token: str) -> tuple[Order, str, str | None] | None:
        """The order of an attempt that an earlier planner rendered."""
        with LedgerReader(self._errand.ledger) as ledger:
            record = ledger.record(token)
        return (record.order, record.row.cause, record.row.parent) if record else None

    # --- the end ------------------------------------------------------------------------------------------------

    def _close(self, idle: protocol.Idle) -> None:
        self._side.plan_over()
        if self._side.open and idle.places and not self._interrupts:
            return  # what it wants is on its way
        reach("planner.close")
        self._outcome = self._judge(idle)
        if self._errand.aside and self._interrupts:
            self._side.cancel()
        self._link.send(protocol.Close(self._outcome.state, self._outcome.status))

    def _judge(self, idle: protocol.Idle) -> Outcome:
        """The state and the exit status that everything comes to."""
        if self._interrupts and (self._side.open or not idle.complete):
            return Outcome(INTERRUPTED, ExitStatus.INTERRUPTED)
        if not idle.places:
            self._watcher.note("no supervisor is left; campaign exec --resume goes on")
            return Outcome(INTERRUPTED, ExitStatus.SETUP)
        if self._errand.aside:
            return Outcome(FINISHED, 0)
        verdicts: dict[str, int] = {}
        with LedgerReader(self._errand.ledger) as ledger:
            for (_, verdict), count in ledger.counts(self._errand.campaign.id).items():
                verdicts[verdict or Verdict.ERROR] = verdicts.get(verdict or Verdict.ERROR, 0) + count
            failing = ledger.failing(self._errand.campaign.id)
            requests = [(row, row.result or {}) for row in ledger.requests(self._errand.campaign.id)]
        counts, unsafe = counted(verdicts, failing, self._errand.quarantined)
        status = exit_status(counts, unsafe=unsafe)
        if status == ExitStatus.PASSED and any(map(repeat.failed, (*requests, *self._side.results))):
            status = ExitStatus.FAILED
        return Outcome(FINISHED, ExitStatus.CANCELED if idle.canceled and not unsafe else status)

    # --- Ctrl-C -------------------------------------------------------------------------------------------------

    def _interrupted(self) -> None:
        self._interrupts += 1
        if not self._ready:
            self._link.kill()
            raise KeyboardInterrupt
        if self._interrupts == 1:
            self._watcher.note("winding down: nothing more is started; once more to end what runs")
            self._link.send(protocol.WindDown())
        elif self._interrupts == 2:
            self._watcher.note("ending what runs")
            self._link.send(protocol.HaltAll())


def linked(orders: Sequence[Order]) -> list[Order]:
    """The orders of a chain, each with its place in it; a single one of a run that is none as it is."""
    if len(orders) == 1 and orders[0].directories.chain is None:
        return list(orders)
    links = (LinkOrder(orders[0].token, number, len(orders)) for number in range(1, len(orders) + 1))
    return [msgspec.structs.replace(order, link=link) for order, link in zip(orders, links, strict=True)]


def token_maker(epoch: int) -> Callable[[], str]:
    """Names of attempts that no other owner makes; they rise, so that the ledger's index of them grows at its end.

    The planners of one daemon share its epoch and all count from one: 64 random bits keep millions of theirs apart.
    """
    number = 0

    def make() -> str:
        nonlocal number
        number += 1
        return f"{epoch:06x}-{number:08x}-{secrets.token_hex(8)}"

    return make
