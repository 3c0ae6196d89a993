"""Kernels of the BSD family: ``panic:``, ``Fatal trap``, ``uvm_fault``, and the trace of ddb or kdb."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import re2

from campaign.judge.fingerprint.forms import Form, Found, noise
from campaign.judge.fingerprint.masking import unquoted

_PREFIX = re2.compile(r"^\[ *\d+\.\d+\] ?")
_HEAD = re2.compile(
    r"(?:^|\s)(panic|[Ff]atal trap \d+|fatal [a-z ]+ in supervisor mode|uvm_fault|witness)(?:\(|:|$)(.*)"
)
_FRAME = re2.compile(
    r"^(?:#\d+ +(?:0x[0-9a-f]+ at +)?|\S*\(.*\) at (?:netbsd:)?)([A-Za-z_][\w.]*)\+0x[0-9a-f]+"
    r"|^([A-Za-z_]\w*)\(.*\) at "
)
_STOPPED = re2.compile(r"^Stopped .*at +(?:netbsd:)?([A-Za-z_][\w.]*)\+0x")

_NOISE = noise(
    starts="""
    kdb_ db_ panic vpanic trap calltrap alltraps ktrap_ k_trap Xtrap savectx assert kern_assert lockdebug_ witness_
    kasan_ asan_ kmsan_ msan_ kcsan_ tsan_ kubsan_ ubsan_ sanitizer_ snprintf vprintf printf mutex_ rw_ rm_ sx_
    lockmgr mtx_ memcpy memmove memset memcmp bcopy bzero strcpy strlen copyin copyout copystr uvm_fault pageflttrap
    Xresume recurse malloc free kmem_ pool_ uma_
    """
)


def _read(lines: Sequence[str]) -> Found | None:
    own = [_PREFIX.sub("", line) for line in lines]
    head = _HEAD.search(own[0])
    if head is None:
        return None
    frames = tuple(_trace(own[1:]))
    if not frames and head.group(1) == "panic":
        return None  # others panic too
    what = "" if head.group(1) == "uvm_fault" else unquoted(head.group(2))
    return Found(f"{unquoted(head.group(1))} {what}".strip(), frames, _NOISE, most=1)


def _trace(lines: Sequence[str]) -> Iterator[str]:
    """The functions of the first trace; where the debugger stopped goes before all."""
    found = False
    for line in lines:
        stopped, frame = _STOPPED.search(line), _FRAME.search(line)
        if stopped and not found:
            yield stopped.group(1)
        elif frame:
            found = True
            yield frame.group(1) or frame.group(2)
        elif found and not line.strip():
            return


FORM = Form(
    "bsd", r"(?:^|\s)(?:panic: |Fatal trap \d+: |fatal [a-z ]+ in supervisor mode|uvm_fault\(|witness: )", _read
)
