"""Rust: ``thread '…' panicked at``, with or without a backtrace."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from campaign.judge.fingerprint.forms import Form, Found, noise
from campaign.judge.fingerprint.masking import unquoted
from campaign.judge.fingerprint.names import suffixless

_OLD = re2.compile(r"panicked at '(.*)', (\S+?):\d+:\d+")
_NEW = re2.compile(r"panicked at (\S+?):\d+:\d+:?$")
_FRAME = re2.compile(r"^\s*(\d+): +(?:0x[0-9a-f]+ - )?(\S.*)$")

_NOISE = noise(
    starts="std:: core:: alloc:: backtrace:: test:: <std:: <core:: <alloc:: rust_ rustc libc_start start_thread clone",
    names="main start <unknown>",
)


def _read(lines: Sequence[str]) -> Found | None:
    old, new = _OLD.search(lines[0]), _NEW.search(lines[0])
    if old:
        message, place = old.group(1), old.group(2)
    elif new:
        message, place = (lines[1] if len(lines) > 1 else ""), new.group(1)
    else:
        return None
    frames = tuple(_stack(lines[1:]))
    return Found(f"panic: {unquoted(message)}", frames or (place.rpartition("/")[2],), _NOISE)


def _stack(lines: Sequence[str]) -> list[str]:
    names: list[str] = []
    for line in lines:
        match = _FRAME.search(line)
        if match is None:
            continue
        if match.group(1) == "0" and names:
            break
        names.append(suffixless(match.group(2).strip()))
    return names


FORM = Form("rust", r"thread '.*' (?:\(\d+\) )?panicked at ", _read)
