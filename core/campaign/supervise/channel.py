"""JSON lines over a socket, in both directions, never blocking: what cannot be sent yet waits in memory."""

from __future__ import annotations

import socket
from collections.abc import Callable

import msgspec
from msgspec import Struct

from campaign.supervise.loop import Loop

_encode = msgspec.json.Encoder().encode
_CHUNK = 1 << 16


class Channel:
    """One end of a conversation: calls ``received`` for each line, and ``closed`` once when the other end is gone.

    Both are called from the loop only, never from within ``send``: whoever speaks is not interrupted by the news that
    nobody listens any more.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        received: Callable[[bytes], None],
        closed: Callable[[], None],
        *,
        longest: int | None = None,
    ) -> None:
        """``longest``: who sends a longer line, in bytes, is hung up on."""
        self._loop, self._sock, self._longest = loop, sock, longest
        self._received, self._closed = received, closed
        self._incoming, self._outgoing = bytearray(), bytearray()
        self._open = True
        sock.setblocking(False)
        loop.watch(sock.fileno(), self._readable)

    def send(self, message: Struct) -> None:
        """Send one message; one to an end that is gone is dropped."""
        if not self._open:
            return
        waiting = bool(self._outgoing)
        self._outgoing += _encode(message) + b"\n"
        if not waiting:
            self._flush()
            if self._outgoing and self._open:
                self._loop.watch_writing(self._sock.fileno(), self._writable)

    @property
    def pending(self) -> int:
        """Bytes that the other end has not taken yet."""
        return len(self._outgoing)

    def close(self) -> None:
        """Hang up, without a word to ``closed``."""
        if self._open:
            self._open = False
            self._loop.forget(self._sock.fileno())
            self._sock.close()

    def flush(self, patience_s: float) -> None:
        """Wait until what was sent is on its way, at most that long: the last act before the process ends."""
        if self._open and self._outgoing:
            self._sock.settimeout(patience_s)
            try:
                self._sock.sendall(self._outgoing)
            except OSError:
                self._outgoing.clear()

    def _flush(self) -> None:
        try:
            del self._outgoing[: self._sock.send(self._outgoing)]
        except BlockingIOError:
            return
        except OSError:
            self._outgoing.clear()  # the other end is gone: reading comes to its end too, after its last words

    def _writable(self) -> None:
        self._flush()
        if self._open and not self._outgoing:
            self._loop.watch_writing(self._sock.fileno(), None)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._gone()
            return
        self._incoming += data
        if b"\n" in data:
            *lines, rest = bytes(self._incoming).split(b"\n")
            self._incoming[:] = rest
            for line in lines:
                self._received(line)
        if self._longest is not None and len(self._incoming) > self._longest:
            self._gone()

    def _gone(self) -> None:
        if self._open:
            self.close()
            self._closed()
