"""The engine of one ``exec``: it has one planner, which is the command itself, and goes when its campaign is over."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Sequence

from campaign.diagnostics import CampaignError
from campaign.engine import protocol
from campaign.engine.link import PlannerLink
from campaign.engine.machine import real
from campaign.engine.service import Service
from campaign.engine.shell import Shell
from campaign.engine.workspace import Workspace, WorkspaceLock
from campaign.ledger.store import Ledger
from campaign.supervise.launch import SupervisorHandle
from campaign.supervise.loop import Loop

_FAREWELL_S = 10.0


def serve(sock: socket.socket, handles: Sequence[SupervisorHandle], directory: str) -> int:
    """Be the engine until the campaign is closed or the planner is gone; returns the process's exit status."""
    solo = Solo(sock)
    status = 0
    try:
        solo.run(handles, Workspace(directory))
    except CampaignError as error:
        solo.link.send(protocol.Broken(error.diagnostics))
        status = 3
    except Exception:  # our own defect: the planner saves the details and tells the user
        solo.link.send(protocol.Broken((), traceback.format_exc()))
        status = 70
    solo.link.flush(_FAREWELL_S)
    return status


class Solo:
    """The lock, the ledger and one planner."""

    def __init__(self, sock: socket.socket) -> None:
        self._loop = Loop()
        self._shell: Shell | None = None
        self._done = False
        self.link = PlannerLink(self._loop, sock, self._received, self._hung_up)

    def run(self, handles: Sequence[SupervisorHandle], workspace: Workspace) -> None:
        """Take the workspace, waiting for whoever holds it, and work.  Raises CampaignError."""
        lock = self._take(workspace)
        ledger = Ledger(workspace.ledger)
        lock.sign()
        shell = self._shell = Shell(real(self._loop), handles, ledger, self._over)
        service = Service(shell, workspace, lock, None)
        try:
            shell.take_over()
            self.link.send(protocol.Ready(ledger.epoch))
            self._done = self._done or self.link.gone
            while not self._done:
                shell.turn()
        finally:
            service.close()
        shell.close()
        lock.release()

    def _take(self, workspace: Workspace) -> WorkspaceLock:
        workspace.prepare()
        lock = WorkspaceLock(workspace)
        if not lock.try_acquire():
            self.link.send(protocol.Waiting(lock.owner()))
            lock.wait()
        lock.check_ledger()
        return lock

    def _received(self, link: PlannerLink, message: protocol.ToEngine) -> None:
        if self._shell is None:
            return
        if isinstance(message, protocol.Open) and message.resume:
            self._shell.expect(message.campaign.id)  # what of it was canceled while nobody carried it out
        self._shell.received(link, message)

    def _hung_up(self, link: PlannerLink) -> None:
        """The planner is gone: what it admitted ahead is taken back, what runs is seen to its end."""
        if self._shell is None or not link.opened:
            self._done = True
        elif link.campaign in self._shell.links:
            self._shell.core.abandon(link.campaign)

    def _over(self, campaign: str) -> None:
        if self._shell is not None:
            self._shell.links.pop(campaign, None)
        self._done = self._done or campaign == self.link.campaign
