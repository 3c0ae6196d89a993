"""How far the ledger had come, told beside it: a WAL that is damaged or gone takes what was committed with it, unseen.

SQLite reads a WAL up to the first frame that is damaged, and takes what follows for never written.  So each transaction
bears a number (``PRAGMA user_version``), and after it is durable the number is written into ``ledger.mark``.  A ledger
that has not come as far as its mark has lost something.  The mark needs no sync: after a power cut it may be older than
the ledger, never newer.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress

_LENGTH = 32
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def mark_path(ledger: str) -> str:
    """Where the mark of a ledger is."""
    return f"{ledger.removesuffix('.sqlite')}.mark"


def read_mark(ledger: str) -> int:
    """The number of the last transaction that is known to have been durable; 0 where none is known."""
    try:
        with open(os.open(mark_path(ledger), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            number, _, check = file.read(_LENGTH).partition(b" ")
    except OSError:
        return 0
    return int(number) if number.isdigit() and check.strip() == _check(number) else 0


def forget_mark(ledger: str) -> None:
    """A new ledger begins.  Raises OSError."""
    with suppress(FileNotFoundError):
        os.unlink(mark_path(ledger))


class Watermark:
    """The mark of a ledger that is open for writing."""

    def __init__(self, ledger: str) -> None:
        """Open it, or make it.  Raises OSError."""
        self._fd = os.open(mark_path(ledger), _FLAGS, 0o600)

    def write(self, number: int) -> None:
        """That transaction is durable.  A mark that cannot be written costs a check, not the transaction."""
        digits = b"%d" % number
        with suppress(OSError):
            os.pwrite(self._fd, (digits + b" " + _check(digits)).ljust(_LENGTH), 0)

    def close(self) -> None:
        """Let it go."""
        os.close(self._fd)


def _check(digits: bytes) -> bytes:
    return b"%08x" % zlib.crc32(digits)
