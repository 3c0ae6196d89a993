"""What stands in a trace of ``rocksdb.stress``: the operations in the order in which they were begun.

The worker is the thread, the unit the operation's number, by which it can be left out; flushes and reopens have numbers
of their own above it.  A value follows from key and number, so that its size is enough.
"""

from __future__ import annotations

import struct
from enum import IntEnum

#: The name of these operations, with their version.
OPERATIONS = "rocksdb.stress/1"
#: Key and size of a put or a delete.
ARGUMENTS = struct.Struct("<II")
#: The units of flushes and of reopens follow these.
FLUSHES, REOPENS = 1 << 31, 3 << 30


class Kind(IntEnum):
    """What is done."""

    PUT = 1
    DELETE = 2
    FLUSH = 3
    REOPEN = 4
