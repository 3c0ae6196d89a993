"""gdb: ``Program received signal …`` and the frames of a backtrace."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from campaign.judge.fingerprint.forms import Form, Found, noise
from campaign.judge.fingerprint.names import function

_SIGNAL = re2.compile(r"(?:received|terminated with) signal (SIG[A-Z0-9]+|\d+)")
_FRAME = re2.compile(r"^#(\d+) +(?:0x[0-9a-f]+ in )?(\S.*)$")
_PLACE = re2.compile(r" (?:at|from) \S+$")

_NOISE = noise(
    starts="""
    <signal GI_ abort raise kill gsignal pthread_kill assert_fail fortify_fail libc_ stack_chk_fail int_free
    int_malloc int_realloc malloc free calloc realloc munmap_chunk tcache_ unlink_chunk memcpy memmove memset memcmp
    strlen strcpy strcmp strcat strncpy operator_new operator_delete gnu_cxx:: cxxabiv1:: std:: cxa_ rust_
    core::panicking libc_start start_thread clone
    """,
    names="?? main start",
)


def _read(lines: Sequence[str]) -> Found | None:
    signal = _SIGNAL.search(lines[0])
    names: list[str] = []
    for line in lines if signal is None else lines[1:]:
        match = _FRAME.search(line)
        if match is None:
            continue
        if match.group(1) == "0" and names:
            break
        names.append(_name(match.group(2)))
    if not names:
        return None
    return Found(signal.group(1) if signal else "backtrace", tuple(names), _NOISE)


def _name(text: str) -> str:
    return text if text.startswith("<signal") else function(_PLACE.sub("", text))


FORM = Form(
    "gdb", r"^(?:Program|Thread \S+.*) (?:received|terminated with) signal |^#0 +(?:0x[0-9a-f]+ in )?\S+.* \(.*", _read
)
