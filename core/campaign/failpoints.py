"""Named places where a test may have a process die or a write fail; without CAMPAIGN_FAILPOINT they do nothing.

CAMPAIGN_FAILPOINT holds ``NAME=ACTION`` with commas between; NAME may be ``*``.  ACTION is ``kill`` (SIGKILL of the
process itself), ``error:ENOSPC`` (the place raises that OSError), or ``log:PATH`` (the name is appended to a file);
``@3`` behind ``kill`` and ``error`` means the third time that this process comes by, the first unless said.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable

VARIABLE = "CAMPAIGN_FAILPOINT"
_Action = Callable[[str], None]


def reach(name: str) -> None:
    """Say that the process has come to a place; raises what a test has asked for there."""
    if _heed is not None:
        _heed(name)


def armed() -> bool:
    """Whether anybody wants to know which places are reached; spares the making of names."""
    return _heed is not None


def arm(heed: _Action | None) -> None:
    """Have ``heed`` called with the name of each place that is reached; None: nobody."""
    global _heed  # noqa: PLW0603 - one a process, like the environment that it comes from
    _heed = heed


def parse(text: str) -> _Action:
    """What a value of CAMPAIGN_FAILPOINT asks for; raises ValueError for one that cannot be read."""
    actions = [_action(*each.partition("=")) for each in text.split(",")]

    def heed(name: str) -> None:
        for action in actions:
            action(name)

    return heed


def _action(wanted: str, sign: str, what: str) -> _Action:
    kind, _, time = what.partition("@")
    kind, _, argument = kind.partition(":")
    if not (wanted and sign and (time or "1").isdigit()):
        raise ValueError(f"{wanted}{sign}{what} is not NAME=ACTION")
    if kind == "log" and argument:
        return _at(wanted, 0, lambda name: _append(argument, name))
    if kind == "error" and hasattr(errno, argument):
        return _at(wanted, int(time or 1), lambda _name: _fail(getattr(errno, argument)))
    if kind == "kill" and not argument:
        return _at(wanted, int(time or 1), lambda _name: os.kill(os.getpid(), signal.SIGKILL))
    raise ValueError(f"{what} is none of kill, error:ERRNO and log:PATH")


def _at(wanted: str, time: int, act: _Action) -> _Action:
    """Act at that place, at that time; 0: every time."""
    seen = 0

    def heed(name: str) -> None:
        nonlocal seen
        if wanted in {name, "*"}:
            seen += 1
            if time in {0, seen}:
                act(name)

    return heed


def _fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


def _append(path: str, name: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, f"{name}\n".encode())
    finally:
        os.close(fd)


def _from_environment() -> _Action | None:
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        return parse(text)
    except ValueError as error:
        print(f"campaign: {VARIABLE}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


_heed: _Action | None = _from_environment()
