"""A world in one thread: a virtual clock, processes that can be killed at any place, sockets between them.

Everything that may go one way or the other is drawn from one generator in the order of events, so that a seed tells
the same story again.
"""

from __future__ import annotations

import errno
import heapq
import os
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from campaign import failpoints
from campaign.diagnostics import CampaignError
from campaign.supervise.loop import Timer

#: Failpoints at which a disk may fail: whoever writes there has to cope.
_DISK = (
    "ledger.begin",
    "ledger.commit.before",
    "file.",
    "exit.write.before",
    "claim.lock.before",
    "engine.folder.before",
)


class Crash(BaseException):
    """SIGKILL in the middle of something: nothing below ``except Exception`` sees it."""


class Wrong(AssertionError):
    """An invariant does not hold."""


class Process:
    """Somebody who lives until killed; what waits for a dead one never happens."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.alive, self.frozen = True, False
        self.socks: list[Sock] = []
        self.backlog: list[Callable[[], None]] = []
        self.mourners: list[tuple[Process, Callable[[], None]]] = []

    def kill(self) -> None:
        """End it; the other ends of its sockets see that a moment later."""
        if not self.alive:
            return
        self.alive = False
        for sock in self.socks:
            sock.close()
        self.died()
        for process, ended in self.mourners:
            self.world.later(self.world.latency(), process, ended)

    def died(self) -> None:
        """What the kernel does when it ends."""

    def freeze(self) -> None:
        """SIGSTOP."""
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        if self.frozen:
            self.frozen = False
            backlog, self.backlog = self.backlog, []
            for act in backlog:
                self.world.later(0.0, self, act)


class Sock:
    """One end of a socket pair: what is sent arrives later, in order."""

    def __init__(self, world: World, process: Process) -> None:
        self.world, self.process = world, process
        self.peer: Sock | None = None
        self.number = world.number()
        self.inbox: deque[bytes] = deque()
        self.closed = self.hung_up = False
        self.last = 0.0  # when the last thing that is under way arrives
        self.readable: Callable[[], None] | None = None
        world.socks[self.number] = self
        process.socks.append(self)

    def fileno(self) -> int:
        return self.number

    def setblocking(self, _on: bool) -> None: ...

    def settimeout(self, _seconds: float | None) -> None: ...

    def send(self, data: bytes | bytearray) -> int:
        if self.closed or self.peer is None or self.peer.closed:
            raise BrokenPipeError(errno.EPIPE, "gone")
        self.peer.arrive(bytes(data))
        return len(data)

    sendall = send

    def recv(self, _most: int) -> bytes:
        if self.inbox:
            data = b"".join(self.inbox)
            self.inbox.clear()
            return data
        if self.hung_up:
            return b""
        raise BlockingIOError

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.world.socks.pop(self.number, None)
            if self.peer is not None and not self.peer.closed:
                self.peer.arrive(None)

    def arrive(self, data: bytes | None) -> None:
        self.last = max(self.last, self.world.time + self.world.latency())
        self.world.at(self.last, self.process, lambda: self._arrived(data))

    def _arrived(self, data: bytes | None) -> None:
        if self.closed:
            return
        if data is None:
            self.hung_up = True
        else:
            self.inbox.append(data)
        if self.readable is not None:
            self.readable()


class VirtualLoop:
    """The loop of one process, turned by the world; real descriptors are never ready."""

    def __init__(self, world: World, process: Process, turned: Callable[[], None]) -> None:
        self._world, self._process, self._turned = world, process, turned

    def now(self) -> float:
        return self._world.time

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        sock = self._world.socks.get(fd)
        if sock is not None:
            sock.readable = lambda: self._call(callback)
            if sock.inbox or sock.hung_up:
                self._world.later(0.0, self._process, sock.readable)

    def watch_writing(self, fd: int, callback: Callable[[], None] | None) -> None: ...

    def forget(self, fd: int) -> None:
        sock = self._world.socks.get(fd)
        if sock is not None:
            sock.readable = None

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(self.now() + delay, callback)

        def fire() -> None:
            if timer.callback is not None:
                timer.callback = None
                self._call(callback)

        self._world.at(timer.when, self._process, fire)
        return timer

    def _call(self, callback: Callable[[], None]) -> None:
        callback()
        self._turned()


class World:
    """The clock, what is to come, and the dice."""

    def __init__(self, seed: int, *, crashes: float, disk: float, weaving: float) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.time, self.jump = 0.0, 0.0
        self.calm = False
        self.socks: dict[int, Sock] = {}
        self.told: list[str] = []
        self.reached = self.committed = 0
        self.checks: list[Callable[[], None]] = []
        self._rates = (crashes, disk, weaving)
        self._count = 1 << 20
        self._coming: list[tuple[float, int, Process | None, Callable[[], None]]] = []
        self._stack: list[Process | None] = []

    # --- time ---------------------------------------------------------------------------------------------------

    def number(self) -> int:
        """One that nothing else bears."""
        self._count += 1
        return self._count

    def latency(self) -> float:
        """How long something takes that is as good as immediate."""
        return self.random.choice((0.0001, 0.001, 0.001, 0.02))

    def wall(self) -> str:
        """The time of day, which may jump."""
        seconds = 1_000_000 + self.time + self.jump
        hours, rest = divmod(int(seconds), 3600)
        days, hours = divmod(hours, 24)
        return f"2026-{1 + days // 28 % 12:02}-{1 + days % 28:02}T{hours:02}:{rest // 60:02}:{rest % 60:02}.{int(seconds * 1000) % 1000:03}Z"

    def at(self, when: float, process: Process | None, act: Callable[[], None]) -> None:
        heapq.heappush(self._coming, (when, self.number(), process, act))

    def later(self, delay: float, process: Process | None, act: Callable[[], None]) -> None:
        self.at(self.time + delay, process, act)

    def step(self) -> bool:
        """Whatever comes next; False where nothing does."""
        if not self._coming:
            return False
        when, _, process, act = heapq.heappop(self._coming)
        self.time = max(self.time, when)
        self.within(process, act)
        return True

    def run(self, until: float, over: Callable[[], bool] = lambda: False) -> None:
        """Go on until an instant, or until it is over."""
        while self._coming and self._coming[0][0] <= until and not over():
            self.step()
        self.time = max(self.time, min(until, self._coming[0][0]) if self._coming else until)

    # --- processes ----------------------------------------------------------------------------------------------

    def pair(self, one: Process, other: Process) -> tuple[Sock, Sock]:
        first, second = Sock(self, one), Sock(self, other)
        first.peer, second.peer = second, first
        return first, second

    def within(self, process: Process | None, act: Callable[[], None]) -> None:
        """Have a process do something; it may not survive that."""
        if process is not None and (not process.alive or process.frozen):
            if process.alive:
                process.backlog.append(act)
            return
        self._stack.append(process)
        try:
            act()
        except Crash:
            assert process is not None
            process.kill()
        except CampaignError as error:
            assert process is not None
            self.tell(f"{process.name} ends: {error}")
            process.kill()
        finally:
            self._stack.pop()
        if not self._stack:
            for check in self.checks:
                check()

    def reach(self, name: str) -> None:
        """A failpoint: the process that is at it may die, its disk may fail, or others may be quicker."""
        process = self._stack[-1] if self._stack else None
        self.reached += 1
        self.committed += name == "ledger.commit.after"
        if process is None or self.calm:
            return
        crashes, disk, weaving = self._rates
        chance = self.random.random()
        if chance < crashes:
            self.tell(f"{process.name} is killed at {name}")
            raise Crash
        if chance < crashes + disk and name.startswith(_DISK):
            number = self.random.choice((errno.ENOSPC, errno.EIO))
            self.tell(f"the disk fails {process.name} at {name}: {os.strerror(number)}")
            raise OSError(number, os.strerror(number))
        if 1 - chance < weaving:
            self._weave()

    def _weave(self) -> None:
        """While this one hesitates, another process does what comes next."""
        waiting = []
        for _ in range(self.random.randint(1, 3)):
            while self._coming and self._coming[0][0] <= self.time + 0.05:
                found = heapq.heappop(self._coming)
                if found[2] is None or found[2] in self._stack:
                    waiting.append(found)
                    continue
                self.within(found[2], found[3])
                break
        for each in waiting:
            heapq.heappush(self._coming, each)

    # --- the story ----------------------------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        self.told.append(f"{self.time:9.3f}  {text}")

    def __enter__(self) -> World:
        failpoints.arm(self.reach)
        return self

    def __exit__(self, *_: Any) -> None:
        failpoints.arm(None)
