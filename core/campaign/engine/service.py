"""``daemon.sock``: many clients at once, each request carried out in the holder's one loop."""

from __future__ import annotations

import os
import resource
import socket
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine import protocol, wire
from campaign.engine.desk import Desk
from campaign.engine.shell import Shell
from campaign.engine.workspace import BEAT_S, Workspace, WorkspaceError, WorkspaceLock
from campaign.failpoints import reach
from campaign.ledger.opening import LedgerError
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CANCEL, PLAN, CampaignRow
from campaign.records.event import EventView
from campaign.supervise.channel import Channel
from campaign.supervise.loop import Timer

_encode = msgspec.json.Encoder().encode
_decode_request = msgspec.json.Decoder(wire.Request).decode
#: A follower hears of progress at most that often, and not while it has not taken what it was told.
_PROGRESS_S = 0.2
#: Who does not take that many bytes of answers is hung up on.
_MOST_PENDING = 4 << 20
#: More clients than that wait until one of them leaves; half of the descriptors are kept for other purposes.
_MOST_CLIENTS = 1024
#: Without descriptors nobody is accepted for that long.
_BREATH_S = 1.0


#: What is no JSON, not of the right shape, or nested too deeply.
_UNREADABLE = (msgspec.MsgspecError, RecursionError)
#: Verbs that change nothing.
_LOOKING_ON = frozenset({"follow", "watch", "status"})
#: The disk is full, say: nothing of the transaction was kept, and nothing is wrong with what is there.
_NOT_WRITTEN = "CAMP503"
#: Verbs of the desk that nothing under way depends on, with their arguments.
_HOUSEHOLD: Mapping[str, type[Struct]] = {
    "note": wire.Note,
    "mark": wire.Mark,
    "forget": wire.Forget,
    "removed": wire.Name,
    "adopt": wire.Adopt,
    "shrink": wire.Shrink,
    "rejudge": wire.Rejudge,
    "iterate": wire.Iterate,
}


class Queue(Protocol):
    """Who carries out what is submitted."""

    declared: str | None
    waiting: dict[str, str]

    @property
    def planned(self) -> Collection[str]:
        """The campaigns that have a planner, which may still be writing their reports."""

    def start(self, campaign: str) -> None:
        """A campaign was submitted, or is to go on."""

    def stop(self) -> None:
        """Leave the workspace to another one."""


class _Client:
    """A connection, and what it follows: campaigns by the id of the request, and, where it watches, everything."""

    def __init__(self, service: Service, sock: socket.socket) -> None:
        self.follows: dict[int, str] = {}
        self.watches: set[int] = set()
        self._service = service
        loop = service.shell.loop
        self.channel = Channel(
            loop, sock, lambda line: service.asked(self, line), lambda: service.left(self), longest=wire.LONGEST
        )

    def answer(self, request: int, ok: Struct) -> None:
        """The one answer to a request."""
        reach("service.answer.before")
        self._send(wire.Answer(wire.VERSION, request, ok=Raw(_encode(ok))))
        reach("service.answer.after")

    def refuse(self, request: int, error: CampaignError) -> None:
        """Say what speaks against it."""
        self._send(wire.Answer(wire.VERSION, request, error=error.diagnostics))

    def progress(self, request: int, progress: wire.Progress | wire.Live) -> None:
        """How far it is; not to who has not taken the last word."""
        if not self.channel.pending:
            self._send(wire.Answer(wire.VERSION, request, progress=Raw(_encode(progress))))

    def _send(self, answer: wire.Answer) -> None:
        self.channel.send(answer)
        if self.channel.pending > _MOST_PENDING:
            self.hang_up()

    def hang_up(self) -> None:
        """It is not served any more."""
        self.channel.close()
        self._service.left(self)


class Service:
    """The socket, its clients, and the heartbeat; without ``queue`` the process carries out one campaign of its own."""

    def __init__(self, shell: Shell, workspace: Workspace, lock: WorkspaceLock, queue: Queue | None) -> None:
        """Listen; raises WorkspaceError."""
        self.shell, self._workspace, self._lock, self._queue = shell, workspace, lock, queue
        self._clients: set[_Client] = set()
        self._timer: Timer | None = None
        self._accepting = self._half_changed = False
        self._tallies: dict[str, Counter[str]] = {}  # of the campaigns that are followed
        try:
            self._sock = wire.listen(workspace.path)
            self._inode = os.stat(workspace.socket).st_ino
        except OSError as error:
            raise WorkspaceError(f"the socket {workspace.socket} cannot be served: {error.strerror}") from error
        self._sock.setblocking(False)
        self._most = min(_MOST_CLIENTS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._accept_again()
        shell.heard = self._heard
        self._verbs: dict[str, Callable[[_Client, int, Raw], None]] = {
            "submit": self._submit,
            "enqueue": self._enqueue,
            "retry": self._retry,
            "beside": self._beside,
            "pause": self._pause,
            "resume": self._resume,
            "cancel": self._cancel,
            "release": self._release,
            "follow": self._follow,
            "watch": self._watch,
            "status": self._status,
            "stop": self._stop,
            **{verb: self._household(verb, args) for verb, args in _HOUSEHOLD.items()},
        }
        self._beat()

    def close(self) -> None:
        """Hang up on everyone; what was answered is on its way."""
        with suppress(OSError):
            if os.stat(self._workspace.socket).st_ino == self._inode:  # else it is a successor's
                os.unlink(self._workspace.socket)
        self._pause_accepting()
        self._sock.close()
        for client in self._clients:
            client.channel.flush(1.0)
            client.channel.close()

    def over(self, campaign: str, why: str | None = None) -> None:
        """Tell the followers of a campaign that it has ended, or cannot go on."""
        self._changed()
        row = self._row(campaign)
        if row is None:
            return
        status = row.exit_status if row.exit_status is not None else int(ExitStatus.SETUP)
        for client, request in self._followers(campaign):
            del client.follows[request]
            client.answer(request, wire.Ended(row.state, status, why))

    # --- connections --------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except BlockingIOError:
            return  # gone again
        except OSError:  # no descriptor is left: who calls waits, and we do not turn in circles meanwhile
            self._pause_accepting()
            self.shell.loop.call_later(_BREATH_S, self._accept_again)
            return
        if wire.peer(sock)[1] != os.geteuid():
            sock.close()
            return
        self._clients.add(_Client(self, sock))
        if len(self._clients) >= self._most:
            self._pause_accepting()

    def _pause_accepting(self) -> None:
        self._accepting = False
        self.shell.loop.forget(self._sock.fileno())

    def _accept_again(self) -> None:
        if not self._accepting and self._sock.fileno() >= 0 and len(self._clients) < self._most:
            self._accepting = True
            self.shell.loop.watch(self._sock.fileno(), self._accept)

    def left(self, client: _Client) -> None:
        """A client has hung up."""
        self._clients.discard(client)
        self._accept_again()

    def asked(self, client: _Client, line: bytes) -> None:
        """A client wants something; whatever it sent, it gets an answer, and who speaks another language is hung up on.

        Raises what leaves the engine unable to go on: a ledger that is not usable, a change that was made by half.
        """
        if client not in self._clients:
            return
        try:
            request = _decode_request(line)
        except _UNREADABLE as error:
            client.refuse(0, _unknown(f"a line that is no request: {error}"))
            client.hang_up()
            return
        try:
            self._carry_out(client, request)
        except Exception as error:
            client.refuse(request.id, self._refusal(request.verb, error))
            if self._half_changed or (isinstance(error, LedgerError) and error.diagnostics[0].code != _NOT_WRITTEN):
                raise

    def _refusal(self, verb: str, error: Exception) -> CampaignError:
        """What to say where a request failed; once something was changed, its arguments had been read."""
        if isinstance(error, _UNREADABLE) and not self._half_changed:
            return _unknown(f"the arguments of {verb} are not as they should be: {error}")
        return error if isinstance(error, CampaignError) else _defect(verb)

    def _carry_out(self, client: _Client, request: wire.Request) -> None:
        verb = self._verbs.get(request.verb)
        if request.v != wire.VERSION or verb is None:
            raise _unknown(f"this campaign does not know the request {request.verb!r:.100} of version {request.v}")
        verb(client, request.id, request.args)
        if request.verb not in _LOOKING_ON:
            self._changed()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """What the engine holds in memory is changed: where that fails, only the ledger still tells what is true."""
        self._half_changed = True
        yield
        self._half_changed = False

    # --- verbs --------------------------------------------------------------------------------------------------

    @property
    def _desk(self) -> Desk:
        busy = {*self.shell.links, *(self._queue.planned if self._queue else ())}
        return Desk(self.shell.ledger, self.shell.now(), busy)

    def _household(self, verb: str, args: type[Struct]) -> Callable[[_Client, int, Raw], None]:
        """A verb that changes the ledger and nothing else."""

        def handle(client: _Client, request: int, given: Raw) -> None:
            client.answer(request, getattr(self._desk, verb)(msgspec.json.decode(given, type=args)))

        return handle

    def _submit(self, client: _Client, request: int, args: Raw) -> None:
        done = self._desk.submit(msgspec.json.decode(args, type=wire.Submit))
        client.answer(request, done)
        self._start(done)

    def _enqueue(self, client: _Client, request: int, args: Raw) -> None:
        done = self._desk.enqueue(msgspec.json.decode(args, type=wire.Enqueue))
        client.answer(request, done)
        self._start(done)

    def _retry(self, client: _Client, request: int, args: Raw) -> None:
        done = self._desk.retry(msgspec.json.decode(args, type=wire.Enqueue))
        with self._changing(), LedgerReader(self.shell.ledger.path) as reader:
            self.shell.control(reader)  # its old pauses are gone
        client.answer(request, done)
        self._start(done)

    def _beside(self, client: _Client, request: int, args: Raw) -> None:
        asked = msgspec.json.decode(args, type=wire.Beside)
        done = self._desk.beside(asked)
        client.answer(request, done)
        campaign = asked.request.campaign
        with self._changing():
            if campaign in self.shell.links:
                self.shell.requested(campaign, asked.request.id)
                self.shell.carry_out()
            elif self._queue is not None:
                self._queue.start(campaign)

    def _start(self, done: wire.Done) -> None:
        for campaign in done.campaigns if self._queue else ():
            row = self._row(campaign)
            if self._queue is not None and row is not None and not row.finished:
                with self._changing():
                    self._queue.start(campaign)

    def _pause(self, client: _Client, request: int, args: Raw) -> None:
        self._settle(client, request, self._desk.pause(msgspec.json.decode(args, type=wire.Control)))

    def _resume(self, client: _Client, request: int, args: Raw) -> None:
        self._settle(client, request, self._desk.resume(msgspec.json.decode(args, type=wire.Control)))

    def _settle(self, client: _Client, request: int, done: wire.Done) -> None:
        """What is paused holds before it is answered: nothing of it starts from now on."""
        with self._changing(), LedgerReader(self.shell.ledger.path) as reader:
            self.shell.carry_out()  # what was just placed can be taken back only once it has its folder
            self.shell.control(reader)
            self.shell.carry_out()
        client.answer(request, done)

    def _cancel(self, client: _Client, request: int, args: Raw) -> None:
        control = msgspec.json.decode(args, type=wire.Control)
        desk = self._desk
        done = desk.cancel(control)
        with self._changing():
            self.shell.carry_out()
            for campaign in done.campaigns:
                if self.shell.core.knows(campaign):
                    self.shell.core.cancel(campaign, control.prefix)
                elif not control.prefix:
                    desk.finish_canceled(campaign)
            self.shell.carry_out()
        client.answer(request, done)

    def finish_canceled(self) -> None:
        """What was canceled while nobody could end it, for runs of it were under way, is over now that they are not."""
        with LedgerReader(self.shell.ledger.path) as reader:
            names = {row.campaign for row in reader.controls() if row.verb == CANCEL and not row.prefix}
        for campaign in sorted(names):
            self._desk.finish_canceled(campaign)

    def _release(self, client: _Client, request: int, args: Raw) -> None:
        found = self._desk.held(msgspec.json.decode(args, type=wire.Token))
        with self._changing():
            self.shell.core.release(found)
            self.shell.carry_out()
        client.answer(request, wire.Done((found.row.campaign,), sum(map(len, found.units.values()))))

    def _follow(self, client: _Client, request: int, args: Raw) -> None:
        campaign = msgspec.json.decode(args, type=wire.Name).campaign
        row = self._row(campaign)
        if row is None:
            raise CampaignError([Diagnostic("CAMP580", f"no campaign is called {campaign:.200}")])
        why = self._queue.waiting.get(campaign) if self._queue else None
        client.follows[request] = campaign
        if row.finished and campaign not in self.shell.links:
            self.over(campaign)
        elif why is not None or not self._active(campaign):
            self.over(campaign, why or "it is not in the queue: campaign exec --resume goes on with it")
        else:
            client.progress(request, self._progress(row))

    def _active(self, campaign: str) -> bool:
        return self.shell.core.knows(campaign) or campaign in self.shell.links

    def _status(self, client: _Client, request: int, _args: Raw) -> None:
        client.answer(request, self._live())

    def _watch(self, client: _Client, request: int, _args: Raw) -> None:
        client.watches.add(request)
        client.progress(request, self._live())

    def _live(self) -> wire.Live:
        core = self.shell.core
        busy = core.busy_elsewhere
        slots = tuple(
            wire.Slot(name, free, count, busy.get(name, 0)) for name, (free, count) in sorted(core.slots.items())
        )
        blocked = {name: core.waits_for(name) for name in self.shell.links}
        return wire.Live(
            pid=os.getpid(),
            queue=self._queue is not None,
            epoch=self.shell.ledger.epoch,
            places=core.places,
            running=sum(each.state != "admitted" for each in core.under_way()),
            slots=slots,
            declared=self._queue.declared if self._queue else None,
            campaigns=tuple(self.shell.links),
            waiting=dict(self._queue.waiting) if self._queue else {},
            blocked={name: slots for name, slots in blocked.items() if slots},
        )

    def _stop(self, client: _Client, request: int, _args: Raw) -> None:
        if self._queue is None:
            raise _unknown("the workspace is held by campaign exec, which goes when its campaign is over")
        client.answer(request, wire.Done())
        self._queue.stop()

    # --- followers ----------------------------------------------------------------------------------------------

    def _heard(self, campaign: str, _events: list[EventView], endings: list[protocol.Finished]) -> None:
        tally = self._tallies.get(campaign)
        if tally is not None:
            decided = (each for each in endings if each.again is None and each.origin == PLAN)
            tally.update(each.decision.verdict.value for each in decided)
            if not self._followers(campaign):
                del self._tallies[campaign]
        self._changed()

    def _changed(self) -> None:
        """Whoever looks on is to hear of it, soon."""
        if self._timer is None and any(client.follows or client.watches for client in self._clients):
            self._timer = self.shell.loop.call_later(_PROGRESS_S, self._tell)

    def _tell(self) -> None:
        self._timer = None
        for client in list(self._clients):
            for request in client.watches:
                client.progress(request, self._live())
        followed = {name for client in self._clients for name in client.follows.values()}
        for row in filter(None, map(self._row, followed)):
            progress = self._progress(row)
            for client, request in self._followers(row.id):
                client.progress(request, progress)

    def _followers(self, campaign: str) -> list[tuple[_Client, int]]:
        return [
            (client, request)
            for client in self._clients
            for request, name in list(client.follows.items())
            if name == campaign
        ]

    def _progress(self, row: CampaignRow) -> wire.Progress:
        if row.id not in self._tallies:
            with LedgerReader(self.shell.ledger.path) as reader:
                self._tallies[row.id] = Counter(reader.decided(row.id))
        running = sum(each.state != "admitted" for each in self.shell.core.under_way(row.id))
        return wire.Progress(row.state, row.total, dict(self._tallies[row.id]), running)

    def _row(self, campaign: str) -> CampaignRow | None:
        with LedgerReader(self.shell.ledger.path) as reader:
            return reader.campaign(campaign)

    def _beat(self) -> None:
        with suppress(OSError):
            self._lock.beat()
        self.shell.loop.call_later(BEAT_S, self._beat)


def _defect(verb: str) -> CampaignError:
    """The traceback goes to the daemon's log: it is of no use to the client."""
    traceback.print_exc()
    summary = f"a defect of campaign itself: the daemon could not carry out {verb!r:.100}"
    hint = "its log has the details; everything else goes on"
    return CampaignError([Diagnostic("CAMP528", summary, hint=hint, status=ExitStatus.DEFECT)])


def _unknown(summary: str) -> CampaignError:
    return CampaignError([Diagnostic("CAMP520", summary, hint="client and daemon are of different versions, perhaps")])
