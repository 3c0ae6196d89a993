"""The daemon: carries out what is submitted, one planner for each campaign, until it is told to stop.

It runs no plugin code and starts nothing itself: supervisors and planners come from the nursery, which was forked while
this process was small.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import islice

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine import protocol
from campaign.engine.asking import take
from campaign.engine.capacity import VARIABLE, read_slots
from campaign.engine.link import PlannerLink
from campaign.engine.machine import Surroundings, real
from campaign.engine.service import Service
from campaign.engine.shell import Shell
from campaign.engine.workspace import Workspace, WorkspaceLock
from campaign.failpoints import reach
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import INTERRUPTED, OPEN, CampaignState
from campaign.ledger.store import Ledger
from campaign.supervise.launch import Nursery, SupervisorHandle

#: A planner that goes that often without a word is not started again.
_MOST_STARTS = 4
#: Planners at a time, and of those the ones that are still about to open their campaign: each is a process, and a
#: queue may be long.  Campaigns that are paused do not count.
MOST_PLANNERS, MOST_OPENING = 64, 4
_LAME = Diagnostic(
    "CAMP507",
    "no supervisor is left, and none can be started: the daemon leaves",
    hint="were they killed, for want of memory perhaps? another daemon goes on with the queue",
    status=ExitStatus.SETUP,
)


def serve(handles: Sequence[SupervisorHandle], directory: str, ready: int) -> int:
    """Be the daemon until SIGTERM, SIGINT or a client says stop; returns the process's exit status."""
    try:
        Daemon(handles, Workspace(directory)).run(ready)
    except CampaignError as error:
        for diagnostic in error.diagnostics:
            _log(str(diagnostic), prefix="")
        return int(ExitStatus.SETUP)
    except Exception:  # our own defect; what was recorded stays, and what runs ends by itself
        traceback.print_exc()
        return int(ExitStatus.DEFECT)
    return 0


class Daemon:
    """The lock, the ledger, the queue and its planners."""

    def __init__(
        self,
        handles: Sequence[SupervisorHandle],
        workspace: Workspace,
        *,
        around: Surroundings | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Take the workspace; raises CampaignError where another process holds it, or the ledger cannot be used.

        ``around`` is the real world unless said.
        """
        self.declared = environ.get(VARIABLE, "").strip() or None
        self.waiting: dict[str, str] = {}  # why a campaign cannot go on
        self._workspace = workspace
        self._nursery: Nursery = handles[0].nursery
        around = around or real()
        self._loop = around.loop
        self._starts: Counter[str] = Counter()
        self._planners: dict[str, PlannerLink] = {}
        self._anew: set[str] = set()  # campaigns that go on while the planner of their last end is still there
        self._line: dict[str, None] = {}  # campaigns that wait for their planner, in the order in which they came
        self._stopping = False
        workspace.prepare()
        self._lock = _take(workspace)
        slots = read_slots(environ.get(VARIABLE, ""))
        ledger = Ledger(workspace.ledger)
        self._shell = Shell(around, handles, ledger, self._over, slots)
        self._lock.sign()

    def run(self, ready: int) -> None:
        """Take over what was left, serve, and leave in order."""
        self._listen_to_signals()
        service = self.open()
        try:
            self.take_over()
            _log(f"the daemon serves {self._workspace.path}: {self._shell.core.places} runs at a time")
            if ready >= 0:
                os.write(ready, b"ready")
                os.close(ready)
            while not (self._stopping or self._is_lame):
                self._advance()
                self._shell.turn()
        finally:
            service.close()
        self._leave()
        if not self._stopping:
            raise CampaignError([_LAME])

    def open(self) -> Service:
        """Be there for clients."""
        self._service = Service(self._shell, self._workspace, self._lock, self)
        return self._service

    def take_over(self) -> None:
        """Find out what became of what was left, and go on with the queue."""
        self._shell.take_over()
        self._service.finish_canceled()
        with LedgerReader(self._workspace.ledger) as reader:
            waiting = [row.id for row in reader.queue()]
            finished = [row.campaign for row in reader.requests(state=OPEN) if _is_finished(reader, row.campaign)]
            waiting += dict.fromkeys(finished)
        for campaign in waiting:
            self.start(campaign)

    # --- the queue ----------------------------------------------------------------------------------------------

    def start(self, campaign: str) -> None:
        """A campaign is to be carried out: have its planner started, where it has none, when it is its turn."""
        if campaign in self._line or (campaign in self._planners and self._shell.core.knows(campaign)):
            return
        self.waiting.pop(campaign, None)
        self._shell.expect(campaign)
        if campaign in self._planners:
            self._anew.add(campaign)  # its planner writes the last reports: another one when that is gone
        else:
            self._line[campaign] = None

    def _advance(self) -> None:
        """Start the planners of those that are next in line."""
        if not self._line:
            return
        core = self._shell.core
        opening = sum(not link.opened for link in self._planners.values())
        busy = sum(not core.held_back(name) for name in self._planners)
        free = min(MOST_OPENING - opening, MOST_PLANNERS - busy)
        if free > 0:
            for campaign in list(islice((each for each in self._line if not core.held_back(each)), free)):
                del self._line[campaign]
                self._start_planner(campaign)

    def _start_planner(self, campaign: str) -> None:
        self._starts[campaign] += 1
        argv = [sys.executable, "-P", "-m", "campaign.engine.planning", "FD", self._workspace.path, campaign]
        try:
            sock = self._nursery.run(argv)
        except OSError as error:
            self._give_up(campaign, f"its planner could not be started: {error.strerror or error}")
            return
        link = PlannerLink(self._loop, sock, self._received, self._hung_up)
        link.campaign = campaign
        self._planners[campaign] = link
        reach("daemon.planner.started")
        link.send(protocol.Ready(self._shell.ledger.epoch))

    @property
    def planned(self) -> Collection[str]:
        """The campaigns that have a planner, which may still be writing their reports."""
        return self._planners.keys()

    @property
    def _is_lame(self) -> bool:
        """Whether no supervisor is left, nor anything to look after: another daemon must take its place."""
        core = self._shell.core
        return not (core.places or self._planners or any(True for _ in core.under_way()))

    def stop(self) -> None:
        """Leave the workspace to the next one."""
        self._stopping = True

    def _received(self, link: PlannerLink, message: protocol.ToEngine) -> None:
        if isinstance(message, protocol.Failed):
            for diagnostic in message.diagnostics:
                _log(f"{link.campaign}: {diagnostic}")
            if message.defect is not None:
                _log(f"{link.campaign}: a defect of campaign itself, or of a plugin:\n{message.defect}")
            why = "; ".join(each.summary for each in message.diagnostics) or "its planner failed, see the daemon's log"
            self.waiting[link.campaign] = why
        else:
            self._shell.received(link, message)

    def _hung_up(self, link: PlannerLink) -> None:
        """A planner is gone: its campaign is over, it cannot go on, or another planner takes its place."""
        campaign = link.campaign
        del self._planners[campaign]
        if campaign in self._anew:
            self._anew.discard(campaign)
            self._starts.pop(campaign, None)
            self._line[campaign] = None
        elif not self._shell.core.knows(campaign):
            self._service.over(campaign)
            self._starts.pop(campaign, None)
            if self._shell.core.places and self._is_due(campaign):
                self.start(campaign)
        elif campaign in self.waiting or self._starts[campaign] >= _MOST_STARTS:
            self._give_up(campaign, self.waiting.get(campaign, "its planner ended unexpectedly, again and again"))
        else:
            _log(f"{campaign}: its planner ended unexpectedly; another one takes its place")
            self._shell.links.pop(campaign, None)
            self._shell.core.detach(campaign)
            self.start(campaign)

    def _is_due(self, campaign: str) -> bool:
        """Whether something of it is to be carried out that its last planner did not: it was asked for too late."""
        with LedgerReader(self._workspace.ledger) as reader:
            row = reader.campaign(campaign)
            if row is None or row.state == INTERRUPTED:
                return False
            return any(reader.requests(campaign, state=OPEN)) or (row.submission is not None and not row.finished)

    def _give_up(self, campaign: str, why: str) -> None:
        """Nobody can plan it any more: what runs is seen to its end, the rest waits for a person."""
        self.waiting[campaign] = why
        self._shell.links.pop(campaign, None)
        self._shell.core.detach(campaign)
        with LedgerReader(self._workspace.ledger) as reader:
            finished = _is_finished(reader, campaign)
        if not finished:
            self._shell.core.out.changes.append(CampaignState(campaign=campaign, state=INTERRUPTED))
        self._shell.carry_out()
        self._service.over(campaign, why)

    def _over(self, campaign: str) -> None:
        """The campaign is closed; its planner still writes the reports, and goes."""
        self._shell.links.pop(campaign, None)

    # --- stopping -----------------------------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        read, write = socket.socketpair()
        read.setblocking(False)
        write.setblocking(False)
        self._sockets = (read, write)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        self._loop.watch(read.fileno(), self.stop)

    def _leave(self) -> None:
        """Take back what has not started; supervisors see the rest to its end, and the next daemon adopts it."""
        reach("daemon.leave")
        self._shell.core.leave()
        self._shell.carry_out()
        left = sum(True for _ in self._shell.core.under_way())
        for link in self._planners.values():
            link.close()
        self._shell.close()
        self._lock.release()
        more = f"; {left} under way, which the next one adopts" if left else ""
        _log(f"the daemon leaves {self._workspace.path}{more}")


def _is_finished(reader: LedgerReader, campaign: str) -> bool:
    row = reader.campaign(campaign)
    return row is not None and row.finished


def _take(workspace: Workspace) -> WorkspaceLock:
    lock = WorkspaceLock(workspace)
    take(workspace, lock)
    lock.check_ledger()
    return lock


def _log(text: str, prefix: str = "campaign: ") -> None:
    with suppress(OSError, ValueError):
        print(f"{prefix}{text}", file=sys.stderr, flush=True)
