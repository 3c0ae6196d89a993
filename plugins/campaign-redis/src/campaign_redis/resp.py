"""A client of Redis, as small as can be: RESP 2 over one socket, each command with a time within which it is answered.

The protocol is that of https://redis.io/docs/reference/protocol-spec/, as far as the commands of this package need it.
"""

from __future__ import annotations

import socket
import time
from types import TracebackType

#: What Redis answers: a status or bulk string, a number, nothing, or a list of these.
Reply = bytes | int | None | list["Reply"]

_CHUNK = 1 << 16


class RefusedError(Exception):
    """Redis answered with an error: what was asked for was not done."""


class ProtocolError(OSError):
    """What came is not RESP."""


class Connection:
    """One connection; ``patience_s`` is how long it may take to be made, and each command to be answered.

    Everything that goes wrong with it raises OSError (too late: TimeoutError); it is of no use after that.
    """

    def __init__(self, address: int | str, patience_s: float) -> None:
        """``address`` is a port of this machine, or the path of a socket."""
        self._patience_s = patience_s
        self._until_s = time.monotonic() + patience_s
        self._buffer = b""
        if isinstance(address, int):
            self._socket = socket.create_connection(("127.0.0.1", address), patience_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(patience_s)
            self._socket.connect(address)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def ask(self, *words: bytes | str | int) -> Reply:
        """Send a command and wait for its answer; raises RefusedError for an error, OSError where none came."""
        self._until_s = time.monotonic() + self._patience_s
        self._wait()
        self._socket.sendall(command(*words))
        return self._reply()

    def _reply(self) -> Reply:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RefusedError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return _number(rest)
        if kind == b"$":
            return self._bulk(_number(rest))
        if kind == b"*":
            count = _number(rest)
            return None if count < 0 else [self._reply() for _ in range(count)]
        raise ProtocolError(f"this is no answer of Redis: {line[:40]!r}")

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _bulk(self, size: int) -> bytes | None:
        if size < 0:
            return None
        while len(self._buffer) < size + 2:
            self._receive()
        data, self._buffer = self._buffer[:size], self._buffer[size + 2 :]
        return data

    def _receive(self) -> None:
        self._wait()
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._buffer += data

    def _wait(self) -> None:
        """However the answer trickles in, it has to be whole by then."""
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("no answer in time")
        self._socket.settimeout(left_s)


def command(*words: bytes | str | int) -> bytes:
    """A command as it is sent."""
    encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def info(connection: Connection, section: str) -> dict[str, str]:
    """What ``INFO`` says in a section, by name; raises like ``ask``."""
    reply = connection.ask("INFO", section)
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _number(digits: bytes) -> int:
    try:
        return int(digits)
    except ValueError:
        raise ProtocolError(f"this is no number of Redis: {digits[:40]!r}") from None
