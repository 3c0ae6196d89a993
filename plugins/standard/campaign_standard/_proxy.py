"""The program behind ``net.proxy``: a TCP proxy whose connections faults make late, slow, silent or dead.

    python -P -m campaign_standard._proxy --label proxy --upstream 6379

It listens on a port of the loopback that the kernel chooses and connects each client to what it stands in front of.
What faults want of it is said over a socket in the folder that it works in, see ``_proxy_control.py``.

Each direction of a connection is a *lane*: bytes are read into a queue, wait until they are due, and go on.  A lane
reads no more while its queue is full, so that memory is bounded and whoever sends too much is held back as by TCP
itself.  What the peers tell each other by closing (FIN) or by a reset (RST) goes the same way as their bytes: where
nothing passes, that does not pass either.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import socket
import struct
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from campaign_standard._proxy_control import control_name
from campaign_standard._proxy_filter import drop_packets, let_packets_in
from campaign_standard._proxy_rules import DOWN, UP, Rule, Rules, rule_of

_CHUNK_BYTES = 1 << 14
#: What all queues may hold together, and one of them; each may always hold one chunk.
_ALL_BYTES, _LANE_BYTES = 64 << 20, 4 << 20
_BACKLOG = 4096
#: Without a free descriptor no client can be taken; it waits in the kernel's queue that long.
_TIRED_S = 0.05
_LINE_BYTES = 1 << 16


class Lane:
    """One direction of one connection."""

    def __init__(self, proxy: Proxy, number: int, direction: str, source: socket.socket, sink: socket.socket) -> None:
        self._proxy, self._rules = proxy, proxy.rules
        self._number, self._direction = number, direction
        self._source, self._sink = source, sink
        self._queue: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue()
        self._held, self._room = 0, asyncio.Event()
        self._draws: dict[str, random.Random] = {}
        self._last_due = 0.0

    async def take(self) -> None:
        """Read until the end; a reset is passed on as ``None``, the end as no bytes at all."""
        loop, data = asyncio.get_running_loop(), b"at first"
        while data:
            while self._held > self._proxy.lane_bytes:
                self._room.clear()
                await self._room.wait()
            try:
                data = await loop.sock_recv(self._source, _CHUNK_BYTES)
            except OSError:
                self._queue.put_nowait((self._due(), None))
                return
            self._held += len(data)
            self._queue.put_nowait((self._due(), data))

    async def give(self) -> None:
        """Pass it on.  Raises ConnectionError where the connection was reset."""
        while True:
            due, data = await self._queue.get()
            await self._rules.arrival(due, self._number, self._direction)
            if not data:
                await self._end(data)
                return
            await self._send(memoryview(data))
            self._held -= len(data)
            self._room.set()

    async def _send(self, data: memoryview) -> None:
        loop = asyncio.get_running_loop()
        while data:
            size = self._rules.portion(self._direction, len(data))
            await self._rules.pace(self._direction, size)
            await self._rules.passage(self._number, self._direction)
            try:
                await loop.sock_sendall(self._sink, data[:size])
            except OSError as error:  # news from the other end, which travel the other way
                await self._rules.passage(self._number, DOWN if self._direction == UP else UP)
                raise ConnectionResetError from error
            data = data[size:]

    async def _end(self, data: bytes | None) -> None:
        await self._rules.passage(self._number, self._direction)
        if data is None:
            raise ConnectionResetError
        self._sink.shutdown(socket.SHUT_WR)

    def _due(self) -> float:
        """Never before what was read earlier: jitter changes no order."""
        self._last_due = max(self._last_due, self._rules.due(self._number, self._direction, self._draws))
        return self._last_due


class Connection:
    """A client and, once it is open, the connection to what the proxy stands in front of."""

    def __init__(self, proxy: Proxy, number: int, client: socket.socket) -> None:
        self._proxy, self.number = proxy, number
        self.client, self.upstream = client, socket.socket(proxy.family)
        self._fate: asyncio.Future[Rule] = asyncio.get_running_loop().create_future()
        self.upstream.setblocking(False)
        self.filter()

    def filter(self) -> None:
        """Drop packets of the directions that are cut, and no others."""
        if self._fate.done():
            return
        for direction, sock in ((UP, self.client), (DOWN, self.upstream)):
            (drop_packets if self._proxy.rules.cut(direction) else let_packets_in)(sock)

    def meet(self, rule: Rule) -> bool:
        """Have a rule end it; False where that is under way already."""
        if self._fate.done() or not rule.hits(self.number):
            return False
        self._fate.set_result(rule)
        if rule.kind == "half-open":
            drop_packets(self._ends(rule)[1])  # at once: what is said from now on is not heard
        return True

    def _ends(self, rule: Rule) -> tuple[socket.socket, socket.socket]:
        """Of a half-open connection the end that is gone, and the one that is not told."""
        return (self.upstream, self.client) if rule.keep == "client" else (self.client, self.upstream)

    async def run(self) -> None:
        """Until both ends have closed, one of them was reset, or a rule ended it."""
        flow = asyncio.ensure_future(self._flow())
        try:
            await asyncio.wait((flow, self._fate), return_when=asyncio.FIRST_COMPLETED)
            flow.cancel()
            await asyncio.wait((flow,))
            clean = not flow.cancelled() and flow.exception() is None
            if not self._fate.done():
                _close(clean, self.client, self.upstream)
            elif self._fate.result().kind == "half-open":
                await self._half_open(self._fate.result())
        finally:
            flow.cancel()
            _close(False, self.client, self.upstream)

    async def _flow(self) -> None:
        """Raises what ended it, in a group."""
        rules, loop = self._proxy.rules, asyncio.get_running_loop()
        await rules.passage(self.number, UP)
        await loop.sock_connect(self.upstream, self._proxy.address)
        for sock in (self.client, self.upstream):
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ends = ((UP, self.client, self.upstream), (DOWN, self.upstream, self.client))
        async with asyncio.TaskGroup() as group:
            for lane in [Lane(self._proxy, self.number, *each) for each in ends]:
                group.create_task(lane.take())
                group.create_task(lane.give())

    async def _half_open(self, rule: Rule) -> None:
        """One end is gone; the other one hears of it once the rule is gone too and it says something."""
        gone, kept = self._ends(rule)
        _close(False, gone)
        await self._proxy.rules.gone(rule.id)
        let_packets_in(kept)
        with suppress(OSError):
            await asyncio.get_running_loop().sock_recv(kept, 1)


class Proxy:
    """Takes clients, and carries out what is said over the control socket."""

    def __init__(self, listener: socket.socket, upstream: tuple[int, Any]) -> None:
        self.family, self.address = upstream
        self._listener = listener
        self._count = 0
        self._connections: dict[int, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.rules = Rules(asyncio.get_running_loop().time)

    @property
    def lane_bytes(self) -> int:
        """How much one direction of a connection may hold back."""
        return min(_LANE_BYTES, _ALL_BYTES // (2 * len(self._connections) or 1))

    async def serve(self) -> None:
        """Take clients for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._listener)
                self._take(client)
            except OSError:
                await asyncio.sleep(_TIRED_S)

    def _take(self, client: socket.socket) -> None:
        self._count += 1
        number = self._count
        try:
            connection = Connection(self, number, client)
        except OSError:
            _close(False, client)
            raise
        if self.rules.resets(number):
            _close(False, client, connection.upstream)
            return
        self._connections[number] = connection
        self._spawn(self._carry(connection))

    async def _carry(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            del self._connections[connection.number]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- what is said over the control socket ------------------------------------------------------------------------

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one JSON object a line, one answer."""
        with suppress(OSError, ValueError):
            line = await reader.readline()
            try:
                answer = self.obey(json.loads(line))
            except (KeyError, TypeError, ValueError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    def obey(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Carry a request out.  Raises KeyError, TypeError or ValueError for what is none."""
        hit = 0
        if asked["do"] == "add":
            hit = self._add(rule_of(asked["rule"]))
        elif asked["do"] == "remove":
            self.rules.remove(asked["rule"])
            self._filter()
        return {"port": self._listener.getsockname()[1], "connections": len(self._connections), "hit": hit}

    def _add(self, rule: Rule) -> int:
        """Put a rule in force; how many connections it hits now."""
        momentary = rule.kind == "reset" and not rule.lasting
        if not momentary and not self.rules.add(rule):
            return 0
        self._filter()
        there = list(self._connections.values())
        if rule.kind in {"reset", "half-open"}:
            return sum(each.meet(rule) for each in there)
        return sum(rule.hits(each.number) for each in there)

    def _filter(self) -> None:
        (drop_packets if self.rules.cut(UP) else let_packets_in)(self._listener)
        for each in self._connections.values():
            each.filter()


def _close(clean: bool, *socks: socket.socket) -> None:
    """Close sockets; unless ``clean``, so that their peers are told of a reset."""
    for sock in socks:
        if sock.fileno() >= 0 and not clean:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


def upstream_of(text: str, host: str) -> tuple[int, Any]:
    """Family and address of ``PORT``, ``HOST:PORT``, or else the path of a socket.  Raises OSError, ValueError."""
    name, _, port = text.rpartition(":")
    if not port.isdigit():
        return socket.AF_UNIX, text
    found = socket.getaddrinfo(name.strip("[]") or host, int(port), type=socket.SOCK_STREAM)
    return found[0][0], found[0][4]


def listen(label: str) -> socket.socket:
    """Listen on the port that the proxy of this label had before in this folder, where that can be, else on any."""
    path = f"proxy-{label}.port"
    try:
        with open(path, encoding="ascii") as file:
            listener = socket.create_server(("127.0.0.1", int(file.read())), backlog=_BACKLOG)
    except (OSError, ValueError, OverflowError):
        listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{listener.getsockname()[1]}\n")
    listener.setblocking(False)
    return listener


async def run(label: str, upstream: tuple[int, Any]) -> None:
    """Serve until SIGTERM."""
    control = socket.socket(socket.AF_UNIX)
    name = control_name(os.getpid())
    with suppress(FileNotFoundError):
        os.unlink(name)
    control.bind(name)
    proxy = Proxy(listen(label), upstream)
    server = await asyncio.start_unix_server(proxy.hear, sock=control, limit=_LINE_BYTES)
    serving = asyncio.ensure_future(proxy.serve())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving
    server.close()
    with suppress(FileNotFoundError):
        os.unlink(name)


def main() -> int:
    """Read the command line, and serve."""
    parser = argparse.ArgumentParser(prog="campaign_standard._proxy")
    parser.add_argument("--label", required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    asked = parser.parse_args()
    os.umask(0o077)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        upstream = upstream_of(asked.upstream, asked.host)
    except (OSError, ValueError) as error:
        print(f"{asked.upstream} is no place to connect to: {error}", file=sys.stderr)
        return 2
    asyncio.run(run(asked.label.replace("/", "_"), upstream))
    return 0


if __name__ == "__main__":
    sys.exit(main())
