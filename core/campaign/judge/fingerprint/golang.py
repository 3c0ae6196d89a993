"""Go: a panic, a fatal error or a data race, and the first goroutine that tells something.

A test that ran out of time panics in its timer's goroutine, and a program that is asked for its stacks (``SIGQUIT``)
in none of its own: what it was at stands in the goroutines that follow.  The two accesses of a data race are told in
the order in which they happened, which is chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import re2

from campaign.judge.fingerprint.forms import Form, Found, noise
from campaign.judge.fingerprint.masking import unquoted

_HEAD = re2.compile(r"(?:^|\s)(panic|fatal error|SIG[A-Z]+): (.*)|WARNING: (DATA RACE)")
_FRAME = re2.compile(r"^\s*(?:created by )?((?:[\w.~%-]+/)*[\w~%-]+\.[^\s].*?)\(.*\)(?: in goroutine \d+)?$")
_PLACE = re2.compile(r"^\W*\S.*\.(?:go|s):\d+")
_START = re2.compile(r"^goroutine \d+|^runtime stack:")
_ACCESS = re2.compile(r"^(?:Read|Write|Previous \w+) at 0x")
_VERSION = re2.compile(r"/v\d+\b|@v?[\d.]+[-\w.]*")
_RECOVERED = re2.compile(r"\s*\[recovered.*?\]")
#: The values of a struct that was thrown, and the types that a generic function is made for.
_FIELDS, _TYPES = re2.compile(r"\{.*\}"), re2.compile(r"\[[^\]]*\]")
_MOST_GOROUTINES = 50
#: Frames of each access of a data race that count.
_OF_AN_ACCESS = 2

_MAIN = "main.main"
_NOISE = noise(
    starts="""
    runtime. sync.runtime_ testing. reflect. internal/ sync.(* sync/atomic. syscall. os.(* log.(* log.Fatal log.Panic
    """,
    names=f"panic {_MAIN}",
)


def _read(lines: Sequence[str]) -> Found | None:
    head = _HEAD.search(lines[0])
    if head is None:
        return None
    if head.group(3):
        both = sorted(_accesses(lines))
        return Found("data race", tuple(name for frames in both for name in frames), _NOISE, most=2 * _OF_AN_ACCESS)
    what = _FIELDS.sub("{}", _RECOVERED.sub("", head.group(2)))
    starts = [at for at, line in enumerate(lines) if _START.search(line)]
    if not starts:
        return None
    stacks = (tuple(_goroutine(lines[at + 1 :])) for at in starts[:_MOST_GOROUTINES])
    first = next(stacks)
    telling = first if _MAIN in first or _tells(first) else next(filter(_tells, stacks), first)
    return Found(f"{head.group(1)}: {unquoted(what)}".strip(), telling, _NOISE)


def _tells(frames: Sequence[str]) -> bool:
    return any(name not in _NOISE for name in frames)


def _accesses(lines: Sequence[str]) -> Iterator[list[str]]:
    """Where each of the accesses of a data race happened."""
    for at, line in enumerate(lines):
        if _ACCESS.search(line):
            yield [name for name in _goroutine(lines[at + 1 :]) if name not in _NOISE][:_OF_AN_ACCESS]


def _goroutine(lines: Sequence[str]) -> list[str]:
    """The functions of one goroutine: a line that is followed by a place in a file."""
    names: list[str] = []
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if not line.strip() or line.startswith("goroutine "):
            break
        match = _FRAME.search(line)
        if match and _PLACE.search(after):
            names.append(_TYPES.sub("", _VERSION.sub("", _function(line.strip()))))
        elif line.startswith("panic("):
            names.append("panic")
    return names


def _function(line: str) -> str:
    """``a/b.(*T).M(0x1, 0x2)`` without its arguments, the last parentheses."""
    line = line.removeprefix("created by ").partition(" in goroutine ")[0]
    depth = 0
    for at in range(len(line) - 1, -1, -1):
        depth += (line[at] == ")") - (line[at] == "(")
        if depth == 0:
            return line[:at] if line[at] == "(" else line
    return line


FORM = Form("go", r"(?:^|\s)(?:panic|fatal error|SIG[A-Z]+): |WARNING: DATA RACE", _read)
