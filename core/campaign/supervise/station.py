"""What a supervisor has and lends to one attempt after the other."""

from __future__ import annotations

import os
from collections.abc import Set
from datetime import UTC, datetime

from campaign.proc import Entry, Process, boot_id, descendants, entry, table
from campaign.supervise.children import Children
from campaign.supervise.hostclient import HostClient
from campaign.supervise.loop import Loop
from campaign.supervise.output import CHUNK_BYTES


class Reserve:
    """Descriptors kept back while tools run: there must be some left to stop them and to write the record."""

    _COUNT = 4

    def __init__(self) -> None:
        self._held: list[int] = []

    def hold(self) -> None:
        """Take them.  Raises OSError."""
        while len(self._held) < self._COUNT:
            self._held.append(os.dup(0))

    def release(self) -> None:
        """Let them be used."""
        while self._held:
            os.close(self._held.pop())


class Station:
    """The loop, the children, the provider hosts, a buffer to read into, and who the supervisor is."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.children = Children(self.loop)
        self.hosts: list[HostClient] = []
        self.host = self.new_host()
        self.buffer = bytearray(CHUNK_BYTES)
        self.reserve = Reserve()
        self.boot_id = boot_id()
        own = entry(os.getpid())
        self.me = Process(os.getpid(), own.start_time if own else 0, self.boot_id)

    def new_host(self) -> HostClient:
        """A further provider host, for what must not wait for the others; started on first need."""
        host = HostClient(self.loop, self.children)
        self.hosts.append(host)
        return host

    def dismiss(self, host: HostClient) -> None:
        """End a further provider host; what it still owes fails."""
        host.kill("it is not needed any more")
        self.hosts.remove(host)

    @property
    def host_pids(self) -> set[int]:
        """The provider hosts that are there."""
        return {host.pid for host in self.hosts if host.pid is not None}

    def survivors(self, kept: Set[int] = frozenset(), marked: str | None = None) -> list[Entry]:
        """Everything below this supervisor that still runs, save its provider hosts and what those started.

        Nor ``kept``, leaders of sessions: they and all that is of their sessions, or descends from them; nor who left
        these and is told by its environment, which names ``marked`` as its working folder.
        """
        roots = self.host_pids | kept
        if self.children.only(roots):
            return []
        processes = table()
        below = descendants(self.me.pid, processes)
        roots |= {each.pid for each in below if each.session in kept or (kept and bears(each.pid, marked))}
        spared = roots | {each.pid for root in roots for each in descendants(root, processes)}
        return [each for each in below if each.pid not in spared]


def bears(pid: int, folder: str | None) -> bool:
    """Whether the environment that a process was started with names this as its working folder."""
    if folder is None:
        return False
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return os.fsencode(f"CAMPAIGN_WORKDIR={folder}") in file.read().split(b"\0")
    except OSError:
        return False  # gone, or another user's


def utc_now() -> str:
    """The time of day, UTC, RFC 3339, in milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
