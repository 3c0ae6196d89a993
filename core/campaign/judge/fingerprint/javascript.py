"""JavaScript: an error and its stack as V8 writes it, or as others do (``function@file:1:2``)."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from campaign.judge.fingerprint.forms import Form, Found, noise

_HEAD = re2.compile(r"(?:^|\s)(?:Uncaught )?([A-Z]\w*(?:Error|Exception)|AssertionError \[\w+\])\b")
_FRAME = re2.compile(r"^\s*at (?:async )?(?:(?:new )?(.+?) \((.*)\)|(\S+:\d+:\d+))$")
_OTHER = re2.compile(r"^\s*([^\s@]*)@(\S+:\d+:\d+)$")
_MODULE = re2.compile(r"([^/\\:?]+)(?:\?[^:]*)?:\d+:\d+$")
_ALIAS = re2.compile(r" \[as .*\]$")

_NOISE = noise(
    starts="Object.<anonymous> Promise Array. JSON.",
    contains="(library) (native)",
    names="<anonymous>",
)


def _read(lines: Sequence[str]) -> Found | None:
    head = _HEAD.search(lines[0])
    names: list[str] = []
    for line in lines[1:]:
        name = _frame(line)
        if name is not None:
            names.append(name)
        elif names:
            break
    if head is None or not names:
        return None
    return Found(head.group(1), tuple(names), _NOISE)


def _frame(line: str) -> str | None:
    """``file.js:function``, marked where it is nobody's own; None for a line that is no frame."""
    match = _FRAME.search(line)
    if match:
        return _place(match.group(1) or "", match.group(2) or match.group(3) or "")
    other = _OTHER.search(line)
    return _place(other.group(1), other.group(2)) if other else None


def _place(name: str, place: str) -> str | None:
    if place.startswith(("node:", "internal/")) or "/node_modules/" in place:
        return f"{name or place} (library)"
    if place in {"native", "<anonymous>"}:
        return f"{name} (native)"
    module = _MODULE.search(place)
    if module is None:
        return None
    name = _ALIAS.sub("", name)
    return f"{module.group(1)}:{name}" if name and name != "Object.<anonymous>" else str(module.group(1))


FORM = Form("javascript", r"(?:^|\s)(?:[A-Z]\w*(?:Error|Exception)|AssertionError \[\w+\])\b", _read)
