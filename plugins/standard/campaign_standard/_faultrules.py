"""What a faulty disk does to which operation: rules in a file, which faults put in and take out, and their draws.

Each rule has a draw of its own for the n-th time that an operation is made on a path, so that the same operations meet
the same faults, whatever is done to other files meanwhile.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from threading import Lock
from typing import Any

import msgspec
from msgspec import Struct

from campaign.plugins.api import UnableError, matches
from campaign_standard._inside import read_within, write_within

OPERATIONS = ("open", "read", "write", "fsync", "truncate", "rename", "unlink", "mkdir", "readdir")
SECTOR = 512
_LONGEST = 1 << 20


class Rule(Struct, frozen=True, kw_only=True):
    """Of these operations on files that match, this part fails with ``errno``, comes late, or (a write) is torn."""

    files: str
    operations: tuple[str, ...]
    probability: float
    random: int
    errno: int = 0
    delay_s: float = 0.0
    torn: bool = False

    def number(self, operation: str, path: str, count: int, purpose: str = "") -> int:
        """A number from 0 to 2^64-1, drawn for the ``count``-th such operation on that path."""
        text = f"{self.random}\0{operation}\0{path}\0{count}\0{purpose}".encode("utf-8", "surrogateescape")
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")

    def strikes(self, operation: str, path: str, count: int) -> bool:
        """Whether it is this one's turn."""
        if operation not in self.operations or not matches(self.files, path):
            return False
        return self.number(operation, path, count) < self.probability * (1 << 64)

    def kept(self, path: str, count: int, offset: int, size: int) -> int:
        """How much of a write at ``offset`` reaches the disk: it ends at a sector, or does not begin."""
        first = (offset // SECTOR + 1) * SECTOR
        ends: list[int] = [0, *range(first - offset, size, SECTOR)]
        return ends[self.number("write", path, count, "torn") % len(ends)]


_decode = msgspec.json.Decoder(dict[str, Rule]).decode


class Rules:
    """The rules in force as a server sees them: read again whenever the file is another one."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._rules: dict[str, Rule] = {}
        self._counts = Counter[tuple[str, str, str]]()
        self._lock = Lock()

    def striking(self, operation: str, path: str) -> list[tuple[str, Rule, int]]:
        """The rules whose turn it is, with their names and their counts; counts this one."""
        with self._lock:
            self._look()
            found = list[tuple[str, Rule, int]]()
            for name, rule in self._rules.items():
                count = self._counts[name, operation, path]
                self._counts[name, operation, path] += 1
                if rule.strikes(operation, path, count):
                    found.append((name, rule, count))
            return found

    def in_force(self, name: str) -> bool:
        """Whether a rule is still there."""
        with self._lock:
            self._look()
            return name in self._rules

    def _look(self) -> None:
        try:
            status = os.stat(self._path)
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                with open(self._path, "rb") as file:
                    self._rules = _decode(file.read())
                self._seen = seen
        except (OSError, msgspec.MsgspecError):
            self._rules, self._seen = {}, None


def put_in(workdir: str, file: str, name: str, rule: Rule) -> None:
    """Put a rule in force; raises UnableError."""
    rules = _read(workdir, file)
    write_within(workdir, file, msgspec.json.encode({**rules, name: rule}))


def take_out(workdir: str, file: str, name: str) -> None:
    """Take it out, if it is there; raises UnableError."""
    rules = _read(workdir, file)
    if rules.pop(name, None) is not None:
        write_within(workdir, file, msgspec.json.encode(rules))


def _read(workdir: str, file: str) -> dict[str, Any]:
    try:
        found: Mapping[str, Rule] = _decode(read_within(workdir, file, _LONGEST))
    except msgspec.MsgspecError as error:
        raise UnableError(f"{file} cannot be read: {error}") from None
    return dict(found)
