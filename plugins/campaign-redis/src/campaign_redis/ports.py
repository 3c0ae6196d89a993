"""A free port, handed over to a server without a moment in which another one could take it.

The kernel gives ports out of a range of its own to whoever connects.  A port of that range would do badly for a server
that is killed: a client that goes on connecting to it while nobody listens is sooner or later given that very port for
its own end, is then connected to itself, and keeps the server from coming back.  So the port is taken from outside.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

_LOWEST, _HIGHEST = 10_000, 65_535
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 1000


def reserve() -> socket.socket:
    """A socket on a port that nobody else can take while it, or a server that listens there, is open.

    It is bound alone, and only then allows that another one is bound there too, who has to allow the same and to know
    the port; Redis does.  It is to be handed to the server, which keeps it open without knowing.  Raises OSError.
    """
    draw = random.SystemRandom()  # not the run's: two runs of one seed would meet at one port
    ports = candidates(*_given_out())
    for _ in range(_TRIES):
        port = draw.choice(ports) if ports else 0
        reservation = socket.socket()
        try:
            reservation.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
            continue
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.set_inheritable(True)
        return reservation
    raise OSError(f"no free port was found in {_TRIES} tries")


def candidates(lowest: int, highest: int) -> list[int]:
    """The ports that a server may take where the kernel gives out those from ``lowest`` to ``highest``."""
    return [*range(_LOWEST, min(lowest, _HIGHEST + 1)), *range(max(highest + 1, _LOWEST), _HIGHEST + 1)]


def _given_out() -> tuple[int, int]:
    try:
        lowest, highest = _RANGE.read_text().split()
        return int(lowest), int(highest)
    except (OSError, ValueError):
        return 32_768, 60_999
