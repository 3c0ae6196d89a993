#!/usr/bin/env python3
"""Asks until it is answered: ``client.py --port P --duration-s S --patience-s W``.

Each request is asked again on a new connection where none came within the patience, or the connection was lost.  It
prints how many were answered, how often it had to ask again, and how long the slowest took from its first asking on.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time


class Client:
    """Keeps one connection, and replaces it where it is lost or silent."""

    def __init__(self, port: int, patience_s: float) -> None:
        self._port, self._patience_s = port, patience_s
        self._sock: socket.socket | None = None
        self.retries = 0

    def ask(self, text: bytes) -> bytes:
        """Until it is answered."""
        while True:
            try:
                return self._try(text)
            except OSError:
                self.retries += 1
                self._hang_up()
                time.sleep(0.01)

    def _try(self, text: bytes) -> bytes:
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self._port), self._patience_s)
        self._sock.sendall(text)
        answer = b""
        while not answer.endswith(b"\n"):
            more = self._sock.recv(4096)
            if not more:
                raise ConnectionError("hung up")
            answer += more
        return answer

    def _hang_up(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def main() -> int:
    """Ask for so long; 1 where an answer is wrong."""
    parser = argparse.ArgumentParser(description="asks until it is answered")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--duration-s", type=float, required=True)
    parser.add_argument("--patience-s", type=float, required=True)
    asked = parser.parse_args()
    client, answered, slowest = Client(asked.port, asked.patience_s), 0, 0.0
    end = time.monotonic() + asked.duration_s
    while (before := time.monotonic()) < end:
        text = b"request %d\n" % answered
        if client.ask(text) != text:
            print(f"request {answered}: the answer is wrong")
            return 1
        answered += 1
        slowest = max(slowest, time.monotonic() - before)
        time.sleep(0.002)
    print(f"answered {answered}\nretries {client.retries}\nslowest {slowest * 1000:.0f}ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
