"""Standard input, output and error as a caller left them."""

from __future__ import annotations

import os


def keep_standard_streams_apart() -> None:
    """Where the caller closed a standard stream, no socket of ours may take its number, after an exec either."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)
    for fd in range(3):
        os.set_inheritable(fd, True)
