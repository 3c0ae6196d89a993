#!/usr/bin/env python3
"""Counts and answers: ``server.py SOCKET`` listens on a socket in its folder and sends each line back."""

from __future__ import annotations

import socketserver
import sys


class Answer(socketserver.StreamRequestHandler):
    """One client."""

    def handle(self) -> None:
        """Send back each line as it comes."""
        try:
            for line in self.rfile:
                self.wfile.write(line)
        except ConnectionError:
            return


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A thread for each client."""

    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    with Server(sys.argv[1], Answer) as server:
        server.serve_forever()
