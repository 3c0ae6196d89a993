"""The operations of a writer, as its trace holds them: ``sqlite.writer/1``.

The unit of an operation is its transaction, its worker the thread that does it, counted over all processes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

NAME = "sqlite.writer/1"
#: The tables are made; the lock is held; an amount is moved; the commit is next; it has returned; the worker is done.
CREATE, BEGIN, PUT, COMMIT, ACKNOWLEDGE, CLOSE = range(1, 7)
#: The data of a put: position and key (u32), amount (i32).
PUT_DATA = struct.Struct("<IIi")

#: Is told the kind and the data of an operation that is about to be carried out.
Record: TypeAlias = "Callable[[int, bytes], None]"


def nothing(kind: int, data: bytes) -> None:
    """Record nothing."""
