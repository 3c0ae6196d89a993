"""How a ``net.proxy`` is told what to do: one JSON object over a socket in the folder that it works in, one answer.

The socket bears the number of the proxy's process and may be used by its user alone.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

_WITHIN_S = 5.0


class SilentError(Exception):
    """The proxy did not answer; the text is the end of a sentence."""


def control_name(pid: int) -> str:
    """The socket's file, in the proxy's working folder."""
    return f"proxy-{pid}.sock"


def ask(folder: str, pid: int, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the proxy that is process ``pid`` and works in ``folder``; its answer.

    Raises FileNotFoundError or ConnectionRefusedError where no proxy listens, SilentError where one does not answer.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_WITHIN_S)
            sock.connect(f"/proc/self/fd/{fd}/{control_name(pid)}")  # a socket's path has at most 107 bytes
            sock.sendall(json.dumps(request).encode() + b"\n")
            return _answer(sock)
    finally:
        os.close(fd)


def _answer(sock: socket.socket) -> dict[str, Any]:
    try:
        with sock.makefile("rb") as file:
            line = file.readline()
            answer = json.loads(line) if line else {"error": "it hung up"}
    except (OSError, ValueError) as error:
        raise SilentError(f"it does not answer: {error}") from None
    if "error" in answer:
        raise SilentError(f"it refuses: {answer['error']}")
    return dict(answer)
