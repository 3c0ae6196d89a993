"""Who lives in the world: supervisors and planners as they are promised to behave, people, and the real daemon."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Raw

from campaign.engine import protocol, replay, wire
from campaign.engine.machine import Surroundings
from campaign.engine.planner import linked
from campaign.engine.prepare import is_aside
from campaign.engine.queue import Daemon
from campaign.engine.service import _Client
from campaign.engine.sidework import Ground, Sidework, Trial, Work
from campaign.engine.workspace import Workspace
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import FINISHED, AttemptRecord, CampaignRow, RequestRow
from campaign.proc import Process as Pid
from campaign.records import (
    Directories,
    Exit,
    OracleOrder,
    OracleRecord,
    Order,
    ProcessExit,
    RetryOrder,
    ServiceOrder,
    StepExit,
    StepOrder,
    Stop,
    order_digest,
)
from campaign.records.messages import (
    Clear,
    Cleared,
    Exited,
    Halt,
    Judge,
    Judged,
    Quit,
    Refused,
    Start,
    Started,
    ToSupervisor,
)
from campaign.supervise import claim, undo
from campaign.supervise.supervisor import refusal

from .truth import Attempt, Truth
from .world import Process, Sock, VirtualLoop, World

_encode = msgspec.json.Encoder().encode
_to_supervisor = msgspec.json.Decoder(ToSupervisor).decode
_from_engine = msgspec.json.Decoder(protocol.FromEngine).decode
_answer = msgspec.json.Decoder(wire.Answer).decode


def listen(sock: Sock, heard: Callable[[bytes], None], gone: Callable[[], None]) -> None:
    """Lines as they come, and the end."""
    rest = bytearray()

    def readable() -> None:
        try:
            data = sock.recv(1 << 20)
        except BlockingIOError:
            return
        if not data:
            sock.close()
            gone()
            return
        rest.extend(data)
        *lines, last = bytes(rest).split(b"\n")
        rest[:] = last
        for line in lines:
            heard(line)

    sock.readable = readable


def say(sock: Sock, message: msgspec.Struct) -> None:
    with suppress(BrokenPipeError):
        sock.send(_encode(message) + b"\n")


# --- supervisors ------------------------------------------------------------------------------------------------


class Supervisor(Process):
    """One attempt at a time; its tools live on when it is killed."""

    def __init__(self, world: World, truth: Truth, workspace: str, sock: Sock | None = None) -> None:
        super().__init__(world, f"supervisor {truth.count('supervisor')}")
        self.truth, self.workspace = truth, workspace
        self.me = Pid(world.number(), 1, truth.boot)
        self.waiting: deque[Start | Judge] = deque()
        self.attempt: Attempt | None = None
        self.claim: claim.Claim | None = None
        self.order: Order | None = None
        self.phase = "idle"
        self.leaving = self.goes_on = False
        self.chain: Chain | None = None
        truth.pids[self.me.pid] = self

    def attach(self, sock: Sock) -> None:
        self.sock = sock
        listen(sock, self._heard, lambda: self._leave("the engine is gone"))

    def died(self) -> None:
        held = [self.claim, self.chain.claim if self.chain else None]
        self.claim = self.chain = None
        for each in {id(each): each for each in held if each is not None}.values():
            each.release()

    def signalled(self, number: signal.Signals) -> None:
        """What the kernel delivers."""
        if number is signal.SIGKILL:
            self.thaw()
            self.kill()
        elif number is signal.SIGCONT:
            self.thaw()
        elif self.alive:
            self.world.later(0.0, self, self._terminate)

    def _terminate(self) -> None:
        if self.chain is not None:
            self.chain.stop()
        self._leave("the supervisor was terminated")
        self._stop(Stop.INTERRUPT)

    def _heard(self, line: bytes) -> None:
        message = _to_supervisor(line)
        match message:
            case Start() | Judge():
                self.waiting.append(message)
                self._next()
            case Halt():
                self._halt(message)
            case Clear():
                self.world.later(0.1, self, lambda: self._clear(message))
            case Quit():
                self._leave("the supervisor was told to leave")

    def _halt(self, halt: Halt) -> None:
        if self.order is not None and self.order.token == halt.token:
            self._stop(halt.reason)
            return
        for each in [each for each in self.waiting if each.order.token == halt.token]:
            self._refuse(each, "given back before it was started")
        if self.chain is not None:
            self._next()

    def _clear(self, message: Clear) -> None:
        failed = []
        for entry in undo.pending(message.private).entries:
            if self.world.random.random() < 0.1 and not self.world.calm:
                failed.append(entry.label)
            else:
                os.unlink(os.path.join(message.private, "undo", f"{entry.label}.json"))
        say(self.sock, Cleared(message.token, tuple(failed)))

    def _leave(self, why: str) -> None:
        self.leaving = True
        self._refuse_all([each for each in self.waiting if self.chain is None or not self.chain.is_of(each)], why)
        self._next()

    def _refuse(self, message: Start | Judge, why: str) -> None:
        if self.chain is not None and self.chain.is_of(message):
            self.chain.stop()
        else:
            head = _head(message.order)
            self._refuse_all(
                [each for each in self.waiting if each is message or (head and _head(each.order) == head)], why
            )

    def _refuse_all(self, messages: list[Start | Judge], why: str) -> None:
        for each in messages:
            self.waiting.remove(each)
            say(self.sock, Refused(each.order.token, why))

    def _next(self) -> None:
        if self.phase != "idle":
            return
        if self.chain is not None:
            self._look_at_chain(self.chain)
        chain = self.chain
        message = next((each for each in self.waiting if chain is None or chain.admits(each)), None)
        if message is not None:
            if chain is None and isinstance(message, Start) and message.order.link and message.order.link.number > 1:
                self._refuse(message, "its chain is over")
                self._next()
                return
            self.waiting.remove(message)
            reason = refusal(message.order, self.workspace)
            assert reason is None, reason
            self.order = message.order
            if isinstance(message, Start):
                self._begin(message.order)
            else:
                self.attempt = self.truth.attempts[message.order.token]
                self._judge(message.exit)
        elif self.leaving and chain is None:
            self.kill()

    def _look_at_chain(self, chain: Chain) -> None:
        """Between two links: whether one is to follow, else what serves them is ended, and then that is told."""
        if chain.served and chain.begun and chain.head not in self.truth.serving:
            chain.stop()
            self.truth.cut.add(chain.head)
        if self.leaving and not any(chain.is_of(each) for each in self.waiting):
            chain.stop()
        if chain.stopped and not chain.ending:
            chain.ending = True
            self.world.later(self.world.random.choice((0.0, 0.01, 1.0)), self, lambda: self._chain_over(chain))

    def _chain_over(self, chain: Chain) -> None:
        self.truth.unserve(chain.head)
        self.chain = None
        if chain.claim is not None:
            chain.claim.release()
        self._refuse_all([each for each in self.waiting if chain.is_of(each)], "an earlier link broke")
        self._next()

    def _begin(self, order: Order) -> None:
        self.phase, self.goes_on = "claimed", False
        if order.link is not None and self.chain is None:
            self.chain = Chain(order.link.head, served=bool(order.services))
        unwanted = self.truth.unwanted(order)  # before the claim, for the answer may come while it is being made
        try:
            self.claim = claim.take(order, self.me)
        except claim.ClaimedError as error:
            say(self.sock, Refused(order.token, str(error)))
            self._over()
            return
        except OSError as error:
            self.attempt = self.truth.claimed(order, self)
            self.attempt.stop, self.attempt.unset = None, True
            if self.chain is not None:
                self.truth.unserve(self.chain.head)
            self._record(order, setup_error=f"the run could not be set up: {error.strerror}")
            return
        if unwanted is not None:
            self.truth.wrong(unwanted)
        self.attempt = self.truth.claimed(order, self)
        say(self.sock, Started(order.token, self.world.wall()))
        self.world.later(self.world.random.choice((0.0, 0.01)), self, lambda: self._start(order))

    def _start(self, order: Order) -> None:
        if self.phase != "claimed" or self.order is not order:
            return
        attempt = self.attempt
        assert attempt is not None
        assert self.claim is not None
        self.phase = "running"
        if self.chain is not None and not self._served(order, attempt):
            return
        if attempt.fault:
            with suppress(OSError), _folder(self.claim.undo_folder()) as fd:
                undo.write(fd, undo.UndoEntry(label="f", fault="process.kill", undo={}))
        tool = self.truth.started(attempt)
        self.world.later(tool.seconds, self, lambda: self._ended(attempt))
        if tool.deadly:
            self.world.later(tool.seconds / 2, None, self.kill)
        if self.chain is not None and self.chain.served and self.world.random.random() < 0.05:
            self.world.later(tool.seconds / 2, self, lambda: self._service_lost(attempt))

    def _served(self, order: Order, attempt: Attempt) -> bool:
        """Start what serves a chain, or find it there; whether its link can be started."""
        chain = self.chain
        assert chain is not None
        if chain.served and not chain.begun:
            self.truth.serve(order)
        chain.begun = True
        if self.world.random.random() < 0.04:
            attempt.unset = True
            self.phase = "ending"
            self.world.later(0.001, self, lambda: self._end(attempt))
        elif chain.served and chain.head not in self.truth.serving:
            self._service_lost(attempt)
        else:
            return True
        return False

    def _service_lost(self, attempt: Attempt) -> None:
        if self.attempt is attempt and self.phase == "running" and self.chain is not None:
            self.truth.unserve(self.chain.head)
            self._stop(Stop.SERVICE)

    def _ended(self, attempt: Attempt) -> None:
        """Its natural end, or its time is over."""
        if self.attempt is attempt and self.phase == "running":
            attempt.stop = Stop.TIMEOUT if attempt.tool and attempt.tool.late else None
            self._end(attempt)

    def _stop(self, reason: Stop) -> None:
        attempt = self.attempt
        if attempt is None:
            return
        if self.phase in {"claimed", "running"}:
            attempt.stop = reason
            self.phase = "ending"
            self.world.later(self.world.random.choice((0.001, 0.5)), self, lambda: self._end(attempt))
        elif self.phase == "judging":
            attempt.hushed, attempt.broke, self.goes_on = True, True, False

    def _end(self, attempt: Attempt) -> None:
        assert self.order is not None
        self.phase = "ending"
        self.truth.ended(attempt)
        if self.chain is not None:
            served = not self.chain.served or self.chain.head in self.truth.serving
            breaks = self._exit(self.order, attempt, "no" if attempt.unset else None).breaks
            self.goes_on = (
                served and not breaks and not (self.order.link is None or self.order.link.number == self.order.link.of)
            )
            if not self.goes_on:
                self.truth.unserve(self.chain.head)
        if attempt.fault and self.claim is not None:
            with suppress(OSError), _folder(self.claim.undo_folder()) as fd:
                os.unlink("f.json", dir_fd=fd)
        self._record(self.order, "it could not be set up" if attempt.unset else None)

    def _record(self, order: Order, setup_error: str | None = None) -> None:
        attempt = self.attempt
        assert attempt is not None
        record = self._exit(order, attempt, setup_error)
        try:
            if self.claim is not None:
                self.claim.write_exit(record)
        except OSError as error:
            attempt.untold, self.goes_on = True, False
            record = msgspec.structs.replace(record, internal_error=f"the exit record could not be written: {error}")
        finally:  # also where it was killed after the deed
            attempt.durable = os.path.exists(f"{order.directories.private}/exit.json")
            attempt.broke = not self.goes_on
        say(self.sock, Exited(order.token, record))
        if order.oracles:
            self._judge(record)
        else:
            self._over()

    def _exit(self, order: Order, attempt: Attempt, setup_error: str | None) -> Exit:
        code = attempt.tool.code if attempt.tool else 0
        step = StepExit(label="s", tool="t", argv=("t",), exit=ProcessExit(code=code), ok=code == 0)
        return Exit(
            token=order.token,
            epoch=order.epoch,
            digest=order.digest,
            started_at=self.world.wall(),
            finished_at=self.world.wall(),
            duration_s=0.5,
            boot_id=self.truth.boot,
            steps=(step,) if attempt.tool else (),
            stopped=attempt.stop,
            setup_error=setup_error,
            tree_empty=not (attempt.tool and attempt.tool.sticky),
        )

    def _judge(self, record: Exit) -> None:
        self.phase = "judging"
        attempt, order = self.attempt, self.order
        assert attempt is not None
        assert order is not None

        def answer() -> None:
            oracle = OracleRecord("o", "text.contains", ok=attempt.agreeable, message="" if attempt.agreeable else "no")
            if attempt.hushed:
                oracle = OracleRecord("o", "text.contains", error="not asked: canceled")
            if order.oracles:
                say(self.sock, Judged(order.token, (oracle,)))
            self._over()

        self.world.later(self.world.random.choice((0.01, 0.3)), self, answer)

    def _over(self) -> None:
        chain, claim = self.chain, self.claim
        if chain is not None and self.goes_on and chain.claim is None:
            chain.claim = claim
        if claim is not None and (chain is None or chain.claim is not claim):
            claim.release()
        if self.attempt is not None:
            self.attempt.over = True
        if chain is not None:
            self._between(chain)
        self.claim, self.attempt, self.order, self.phase = None, None, None, "idle"
        self._next()

    def _between(self, chain: Chain) -> None:
        if not self.goes_on:
            chain.stop()
            return
        dice = self.world.random
        if chain.served and dice.random() < 0.03:
            self.truth.unserve(chain.head)
        pause = dice.choice((0.0, 0.0, 0.5))
        if pause:
            chain.rests = True

            def rested() -> None:
                chain.rests = False
                self._next()

            self.world.later(pause, self, rested)


class Chain:
    """What a supervisor knows of a chain under way."""

    def __init__(self, head: str, *, served: bool) -> None:
        self.head, self.served = head, served
        self.begun = self.stopped = self.ending = self.rests = False
        self.claim: claim.Claim | None = None

    def is_of(self, message: Start | Judge) -> bool:
        return _head(message.order) == self.head

    def admits(self, message: Start | Judge) -> bool:
        return self.is_of(message) and not (self.stopped or self.ending or self.rests)

    def stop(self) -> None:
        self.stopped = True


def _head(order: Order) -> str | None:
    return None if order.link is None else order.link.head


class _folder:
    """A descriptor, closed at the end."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> int:
        return self.fd

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


class Handle:
    """A supervisor as the daemon sees it."""

    def __init__(self, nursery: Nursery, supervisor: Supervisor, sock: Sock) -> None:
        self.nursery, self.supervisor, self.sock = nursery, supervisor, sock
        self.pid = supervisor.me.pid

    def send_signal(self, number: signal.Signals) -> None:
        self.nursery.world.later(0.0001, None, lambda: self.supervisor.signalled(number))

    def replace(self) -> Handle:
        return self.nursery.start()


class Nursery:
    """Makes supervisors and planners, as long as its daemon lives."""

    def __init__(self, world: World, truth: Truth, daemon: Process, workspace: Workspace) -> None:
        self.world, self.truth, self.daemon, self.workspace = world, truth, daemon, workspace
        self.supervisors: list[Supervisor] = []

    def start(self) -> Handle:
        supervisor = Supervisor(self.world, self.truth, self.workspace.path)
        ours, theirs = self.world.pair(self.daemon, supervisor)
        supervisor.attach(theirs)
        self.supervisors.append(supervisor)
        return Handle(self, supervisor, ours)

    def run(self, argv: list[str]) -> Sock:
        planner = Planner(self.world, self.truth, argv[-1], self.workspace)
        ours, theirs = self.world.pair(self.daemon, planner)
        planner.attach(theirs)
        self.truth.planners.append(planner)
        return ours

    def close(self) -> None: ...


class SimulatedMachine:
    """The processes as recovery finds them."""

    def __init__(self, world: World, truth: Truth, daemon: Process) -> None:
        self._world, self._truth, self._daemon = world, truth, daemon
        self.boot = truth.boot

    def signal(self, process: Pid, number: signal.Signals) -> None:
        found = self._truth.pids.get(process.pid)
        if found is not None:
            self._world.later(0.0001, None, lambda: found.signalled(number))

    def follow(self, loop: Any, process: Pid, ended: Callable[[], None]) -> bool:
        found = self._truth.pids.get(process.pid)
        if found is None or not found.alive:
            return False
        found.mourners.append((self._daemon, lambda: loop._call(ended)))
        return True

    def end_trees(self, orders: Any) -> set[str]:
        return {order.token for order in orders if self._truth.end_tree(order)}


# --- planners ---------------------------------------------------------------------------------------------------


class Planner(Process):
    """Expands a plan, renders its orders, closes its campaign."""

    def __init__(self, world: World, truth: Truth, campaign: str, workspace: Workspace) -> None:
        super().__init__(world, f"planner {truth.count('planner')} of {campaign}")
        self.truth, self.plan, self.workspace = truth, truth.plans[campaign], workspace
        self.known: frozenset[str] = frozenset()
        self.next: dict[int, int] = {}
        self.epoch = 0
        self.aside = False
        makers = {"replay": replay.work, "minimize": hunt}
        self.side = Sidework(self._ground, makers, workspace.ledger, lambda message: say(self.sock, message))

    def _ground(self, request: RequestRow, parent: AttemptRecord | None) -> Ground:
        nothing: Any = None
        ledger = self.workspace.ledger
        common = {"ledger": ledger, "find": nothing, "render": nothing, "note": nothing, "show": nothing}
        return Ground(request=request, parent=parent, campaign=self.plan.row, **common)

    def attach(self, sock: Sock) -> None:
        self.sock = sock
        listen(sock, self._heard, self.kill)

    def _heard(self, line: bytes) -> None:  # noqa: C901 - one line a message
        message = _from_engine(line)
        match message:
            case protocol.Ready():
                self.epoch = message.epoch
                self._open()
            case protocol.Opened():
                with LedgerReader(self.workspace.ledger) as reader:
                    self.known = frozenset(reader.known_keys(self.plan.row.id))
            case protocol.Want():
                for lane, count in message.lanes:
                    self._offer(lane, count)
            case protocol.Again():
                if message.origin == "plan":
                    self._repeat(message)
                else:
                    self.side.again(message)
            case protocol.Requested():
                self.side.start(message.requests)
            case protocol.Unwanted():
                self.side.unwanted(message.tokens)
            case protocol.Dismissed():
                self.side.dismissed(message.requests)
            case protocol.News():
                self._news(message)
            case protocol.Idle():
                self.side.plan_over()
                if self.side.open and message.places:
                    return
                state = FINISHED if message.places else "interrupted"
                say(self.sock, protocol.Close(state, 5 if message.canceled else 0))
            case protocol.Closed():
                self.world.later(0.01, self, self.kill)

    def _open(self) -> None:
        plan = self.plan
        lanes = tuple(lane for lane, _ in plan.lanes)
        with LedgerReader(self.workspace.ledger) as reader:
            row = reader.campaign(plan.row.id)
        aside = row is not None and is_aside(row)
        self.side.ready(self.epoch, self.workspace.attempts, self._token, range(len(plan.lanes)))
        more: Any = {"slots": plan.slots, "stop_on_fail": plan.stop_on_fail, "resume": True, "aside": aside}
        say(self.sock, protocol.Open(campaign=plan.row, lanes=() if aside else lanes, **more))

    def _token(self) -> str:
        return f"{self.epoch:06x}-{self.truth.count('token'):08x}"

    def _news(self, news: protocol.News) -> None:
        """As the real one: what became of attempts beside the plan."""
        done = {each.seq: each for each in news.finished}
        for event in news.events:
            if event.origin != "plan" and event.to_state == "lost":
                self.side.lost(event)
            elif event.origin != "plan" and event.seq in done:
                with LedgerReader(self.workspace.ledger) as reader:
                    record = reader.record(done[event.seq].token)
                assert record is not None
                assert record.decision is not None
                self.side.finished(record.order, record.exit, record.oracles, record.decision)

    def _offer(self, lane: int, count: int) -> None:
        firsts, orders = self.plan.firsts(lane), list[Raw]()
        while len(orders) < count and self.next.get(lane, 0) < len(firsts):
            number = firsts[self.next.get(lane, 0)]
            self.next[lane] = self.next.get(lane, 0) + 1
            if self.plan.key(lane, number) not in self.known:
                orders += self._orders(lane, number, 1)
        say(self.sock, protocol.Offer(lane, tuple(orders), len(orders) < count))

    def _repeat(self, again: protocol.Again) -> None:
        lane, number = self.plan.find(again.key)
        orders = self._orders(lane, number, again.attempt)
        say(self.sock, protocol.Repeat(lane, again.cause, orders, again.parent))

    def _orders(self, lane: int, number: int, attempt: int) -> tuple[Raw, ...]:
        """That of one run, or those of its chain."""
        epoch, truth, workspace = self.epoch, self.truth, self.workspace
        numbers = self.plan.together(lane, number)
        made = linked([make_order(self.plan, lane, each, attempt, epoch, truth, workspace) for each in numbers])
        truth.heads |= {each.token: (each.link.head, each.link.of) for each in made if each.link is not None}
        return tuple(Raw(_encode(each)) for each in made)


#: The most attempts that ``hunt`` wants.
MOST_CANDIDATES = 12


def hunt(ground: Ground) -> Work:
    """Like a minimizer: candidates by twos, each that failed once more, until four sizes were asked about."""
    assert ground.parent is not None
    parent, failed = ground.parent, []
    if ground.request.settings.get("patient"):
        yield []
    for size in range(4):
        order = msgspec.structs.replace(parent.order, tags=(f"size {size}",))
        other = msgspec.structs.replace(parent.order, tags=(f"other {size}",))
        wanted, waiting = [Trial(order=order, parent=parent, tag=size), Trial(order=other, parent=parent)], 2
        while waiting:
            came = yield wanted
            assert came is not None
            if came.decision.verdict == "canceled":
                return {"canceled": size}
            if came.decision.verdict == "error" or (came.decision.verdict == "fail" and came.trial.tag is None):
                return {"gave up": size}  # and what is under way of it ends for nobody
            again = came.decision.verdict == "fail" and came.trial.tag == size
            wanted = [Trial(order=order, parent=parent)] if again else []
            waiting += len(wanted) - 1
            failed += [size] if again else []
    return {"failed": failed}


def make_order(
    plan: Any, lane: int, number: int, attempt: int, epoch: int, truth: Truth, workspace: Workspace
) -> Order:
    """An attempt of a run, under a token that nothing else bears."""
    made, _ = plan.lanes[lane]
    token = f"{epoch:06x}-{truth.count('token'):08x}"
    public = f"{plan.row.run_root}/{made.label}/seed-{number}/attempt-{attempt}"
    links = plan.chains.get(lane)
    chain = f"{plan.row.run_root}/{plan.cell(lane, number)}/chain-{attempt}" if links else None
    order = Order(
        token=token,
        epoch=epoch,
        campaign=plan.row.id,
        campaign_name=plan.row.name,
        key=plan.key(lane, number),
        id=f"{plan.row.id}-{lane}-{number}",
        attempt=attempt,
        instance=made.label,
        cell=plan.cell(lane, number),
        seed=number,
        needs=dict(made.needs),
        prefers=dict(made.prefers),
        directories=Directories(
            public=public, private=f"{workspace.attempts}/{token}", work=f"{public}/work", chain=chain
        ),
        services=(ServiceOrder(label="srv", tool="srv", argv=("srv",)),) if links and links.served else (),
        timeout_s=20.0,
        retry=RetryOrder(attempts=plan.attempts, first_s=0.5, last_s=2.0) if plan.attempts > 1 else None,
        steps=(StepOrder(label="s", tool="t", argv=("t",)),),
        oracles=(OracleOrder(label="o", oracle="text.contains"),) if lane in plan.judged else (),
    )
    return msgspec.structs.replace(order, digest=order_digest(order))


# --- the daemon -------------------------------------------------------------------------------------------------


class Host(Process):
    """A process that is the real daemon."""

    def __init__(self, world: World, truth: Truth, workspace: Workspace, places: int, slots: str) -> None:
        super().__init__(world, f"daemon {truth.count('daemon')}")
        self.truth, self.workspace = truth, workspace
        self.nursery = Nursery(world, truth, self, workspace)
        self.places, self.slots = places, slots
        self.daemon = Daemon.__new__(Daemon)
        self.ready = self._settling = False

    def begin(self, seen: Callable[[Daemon], None]) -> None:
        """Take the workspace and whatever is left there."""
        handles: Any = [self.nursery.start() for _ in range(self.places)]
        loop: Any = VirtualLoop(self.world, self, self._turned)
        around = Surroundings(loop, SimulatedMachine(self.world, self.truth, self), self.world.wall)
        self.daemon.__init__(handles, self.workspace, around=around, environ={"CAMPAIGN_SLOTS": self.slots})  # type: ignore[misc]
        seen(self.daemon)
        self.daemon.open()
        self.daemon.take_over()
        self.ready = True
        self.daemon._advance()
        self.world.tell(f"{self.name} serves, epoch {self.daemon._shell.ledger.epoch}")

    def leave(self) -> None:
        """SIGTERM."""
        self.daemon._service.close()
        self.daemon._leave()
        self.kill()

    def client(self, process: Process) -> Sock | None:
        """A connection to it; None where it does not listen."""
        if not (self.alive and self.ready):
            return None
        ours, theirs = self.world.pair(process, self)
        service = self.daemon._service
        service._clients.add(_Client(service, theirs))  # type: ignore[arg-type]
        return ours

    def _turned(self) -> None:
        """Its loop goes round a moment later, with whatever came meanwhile."""
        if not self._settling:
            self._settling = True
            self.world.later(self.world.latency() if self.world.random.random() < 0.5 else 0.0, self, self._settle)

    def _settle(self) -> None:
        self._settling = False
        if self.ready:
            self.daemon._shell.settle()
            self.daemon._advance()
        else:
            self._turned()

    def died(self) -> None:
        """The kernel closes what it had open."""
        self.ready = False
        lock, shell = getattr(self.daemon, "_lock", None), getattr(self.daemon, "_shell", None)
        service = getattr(self.daemon, "_service", None)
        if service is not None and service._sock.fileno() >= 0:
            service._sock.close()
        if shell is not None:
            with suppress(Exception):
                shell.ledger.close()
        if lock is not None:
            with suppress(OSError):
                lock.release()


# --- people -----------------------------------------------------------------------------------------------------


class Person(Process):
    """Somebody who asks, one thing after the other, and asks again until there is an answer."""

    def __init__(self, world: World, truth: Truth, host: Callable[[], Host | None]) -> None:
        super().__init__(world, f"person {truth.count('person')}")
        self.truth, self._host = truth, host
        self.errands: deque[tuple[str, Any]] = deque()
        self._busy = False

    def ask(self, verb: str, args: Any) -> None:
        self.errands.append((verb, args))
        if not self._busy:
            self._busy = True
            self.world.later(0.0, self, self._try)

    @property
    def idle(self) -> bool:
        return not self._busy

    def _try(self) -> None:
        host = self._host()
        sock = host.client(self) if host else None
        if sock is None:
            self.world.later(0.5, self, self._try)
            return
        verb, args = self.errands[0]
        listen(sock, lambda line: self._answered(sock, line), lambda: self.world.later(0.5, self, self._try))
        self.truth.asked(verb, args)
        say(sock, wire.Request(wire.VERSION, 1, verb, Raw(_encode(args))))
        if verb == "submit" and self.world.random.random() < 0.1 and not self.world.calm:
            sock.close()  # it does not stay for the answer
            self.world.later(0.5, self, self._try)

    def _answered(self, sock: Sock, line: bytes) -> None:
        sock.close()
        found = _answer(line)
        verb, args = self.errands.popleft()
        done = None if found.ok == protocol.NULL else msgspec.json.decode(found.ok, type=wire.Done)
        self.world.tell(f"{self.name}: {verb} {_shown(args)} → {'refused' if done is None else 'done'}")
        if done is not None:
            self.truth.acknowledged(verb, args, done)
        elif any(each.code == "CAMP503" for each in found.error):
            self.errands.appendleft((verb, args))  # the disk: it is worth another try
        self._busy = bool(self.errands)
        if self._busy:
            self.world.later(0.5, self, self._try)


def _shown(args: Any) -> str:
    if isinstance(args, wire.Beside):
        return f"{args.request.id}: {args.request.kind} {args.request.parent} of {args.request.campaign}"
    if isinstance(args, wire.Submit):
        return args.campaign.id
    return " ".join(str(value) for value in msgspec.structs.astuple(args) if value)


def submitted(row: CampaignRow) -> wire.Submit:
    return wire.Submit(row, {})
