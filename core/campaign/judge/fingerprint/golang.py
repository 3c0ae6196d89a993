"""Go: a panic, a fatal error or a data race, and the first goroutine."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from campaign.judge.fingerprint.forms import Form, Found, noise
from campaign.judge.fingerprint.masking import unquoted

_HEAD = re2.compile(r"(?:^|\s)(panic|fatal error|SIG[A-Z]+): (.*)|WARNING: (DATA RACE)")
_FRAME = re2.compile(r"^\s*(?:created by )?((?:[\w.~%-]+/)*[\w~%-]+\.[^\s].*?)\(.*\)(?: in goroutine \d+)?$")
_PLACE = re2.compile(r"^\W*\S.*\.(?:go|s):\d+")
_START = re2.compile(r"^goroutine \d+|^(?:Read|Write|Previous \w+) at 0x|^runtime stack:")
_VERSION = re2.compile(r"/v\d+\b|@v?[\d.]+[-\w.]*")
_RECOVERED = re2.compile(r"\s*\[recovered.*?\]")

_NOISE = noise(
    starts="runtime. testing. reflect. internal/ sync.(* sync/atomic. syscall. os.(* log.(* log.Fatal log.Panic",
    names="panic main.main",
)


def _read(lines: Sequence[str]) -> Found | None:
    head = _HEAD.search(lines[0])
    if head is None:
        return None
    headline = "data race" if head.group(3) else f"{head.group(1)}: {unquoted(_RECOVERED.sub('', head.group(2)))}"
    start = next((at for at, line in enumerate(lines) if _START.search(line)), None)
    if start is None:
        return None
    return Found(headline.strip(), tuple(_goroutine(lines[start + 1 :])), _NOISE)


def _goroutine(lines: Sequence[str]) -> list[str]:
    """The functions of one goroutine: a line that is followed by a place in a file."""
    names: list[str] = []
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if not line.strip() or line.startswith("goroutine "):
            break
        match = _FRAME.search(line)
        if match and _PLACE.search(after):
            names.append(_VERSION.sub("", _function(line.strip())))
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
