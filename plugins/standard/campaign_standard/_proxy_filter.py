"""Drop a socket's incoming packets in the kernel, as a cut network does: nothing is acknowledged, nothing refused.

A socket filter (classic BPF, see socket(7) and SO_ATTACH_FILTER) needs no privileges.  On a socket that listens it
drops SYNs, so that whoever connects waits and tries again; on a connection it drops bytes, acknowledgements, FIN and
RST, which their sender sends again later.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import suppress

_ATTACH, _DETACH = 26, 27  # SO_ATTACH_FILTER, SO_DETACH_FILTER of asm-generic/socket.h
_RETURN = 0x06  # BPF_RET | BPF_K: what is kept of a packet, 0 bytes
_PROGRAM = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, 0))
_FILTER = struct.pack("HP", 1, ctypes.addressof(_PROGRAM))


def drop_packets(sock: socket.socket) -> None:
    """Drop whatever comes in; a socket that takes no filter is passed over, and one that is closed."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _ATTACH, _FILTER)


def let_packets_in(sock: socket.socket) -> None:
    """Drop nothing any more."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _DETACH, 0)


def refused() -> str | None:
    """Why the kernel takes no such filter; None where it does."""
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, _ATTACH, _FILTER)
        except OSError as error:
            return f"this kernel takes no socket filter (SO_ATTACH_FILTER: {error.strerror})"
    return None
