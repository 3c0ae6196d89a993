"""What the kernel tells of the machine in small files, read so that nothing can flood, mislead or stop us.

Every read is bounded, waits for no writer, and yields one line of printable text.  A driver that hangs in the kernel
cannot be interrupted, so what may touch hardware is read aside, in a thread that is left behind at its deadline.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

_Item = TypeVar("_Item")
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MOST_BYTES = 1 << 16
#: The longest text of a machine that is kept, and the most entries of a folder that are looked at.
MOST_CHARACTERS = 256
MOST_ENTRIES = 1024


def read_text(path: str) -> str:
    """At most 64 KiB of a regular file, as it stands; raises OSError."""
    fd = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{path} is not a regular file")
        data = bytearray()
        while len(data) < _MOST_BYTES and (piece := os.read(fd, _MOST_BYTES - len(data))):
            data += piece
    finally:
        os.close(fd)
    return data.decode("utf-8", "backslashreplace")


def read_line(path: str) -> str | None:
    """A file's text as one short line of printable characters; None where it is missing, unreadable or empty."""
    try:
        return printable(read_text(path)) or None
    except OSError:
        return None


def read_number(path: str) -> int | None:
    """A file's decimal number; None where it holds none."""
    text = read_line(path) or ""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


def printable(text: str) -> str:
    r"""One line of at most 256 characters: white space as single spaces, what is not printable as ``\u{1b}``."""
    line = " ".join(text.replace("\0", " ").split())[:MOST_CHARACTERS]
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in line)


def entries(folder: str) -> list[str]:
    """The names in a folder, in the order of their numbers; none where it is missing."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(names, key=_natural)[:MOST_ENTRIES]


def _natural(name: str) -> tuple[str, int, str]:
    head = name.rstrip("0123456789")
    digits = name[len(head) :]
    return head, int(digits) if digits.isascii() and digits else -1, name


def collect(items: Callable[[], Iterable[_Item]], deadline_s: float) -> tuple[list[_Item], str | None]:
    """What ``items`` yields until the deadline, and why that is not all: it took too long, or failed."""
    found: list[_Item] = []
    failed: list[str] = []

    def work() -> None:
        try:
            for item in items():
                found.append(item)  # noqa: PERF402 - what came before a hang is kept
        except OSError as error:
            failed.append(error.strerror or str(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(deadline_s)
    if thread.is_alive():
        return list(found), f"it did not answer within {deadline_s:g} s"
    return found, failed[0] if failed else None
