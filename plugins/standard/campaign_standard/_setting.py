"""Set something of the machine, read it back, and put it as it was: what all holds of files and commands share."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from campaign.plugins.api import DisagreesError, Quantity, UnableError, Value

#: Between two looks at a value that has not settled yet.
_LOOK_AGAIN_S = 0.01
_LONGEST = 4096


def agrees(found: str, wanted: str, tolerance: Fraction) -> bool:
    """Whether two values are the same: as numbers within ``tolerance``, else as texts."""
    try:
        return abs(Fraction(found) - Fraction(wanted)) <= tolerance
    except (ValueError, ZeroDivisionError):
        return found == wanted


def settled(read: Callable[[], str], wanted: str, tolerance: Fraction, within_s: float, what: str) -> str:
    """Read until it is what was wanted; raises DisagreesError where it is not within that time."""
    end = time.monotonic() + within_s
    while not agrees(found := read(), wanted, tolerance):
        if time.monotonic() >= end:
            raise DisagreesError(f"{what} was set to {wanted} and reads {found or 'nothing'}")
        time.sleep(_LOOK_AGAIN_S)
    return found


# --- files ------------------------------------------------------------------------------------------------------


def read_file(path: str) -> str:
    """A file's text without space around it; raises UnableError."""
    try:
        with open(path, "rb") as file:
            return file.read(_LONGEST).decode("utf-8", "replace").strip()
    except OSError as error:
        raise UnableError(f"{path} cannot be read: {error.strerror}") from None


def write_file(path: str, value: str) -> None:
    """Write a value in one go, as sysfs wants it; raises UnableError.  The file is there, it is never made."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode() + b"\n")
        finally:
            os.close(fd)
    except OSError as error:
        raise UnableError(f"{value} cannot be written to {path}: {error.strerror}") from None


def unwritable(path: str) -> str | None:
    """Why a file cannot be set, in one sentence; None where it can."""
    if not os.path.exists(path):
        return f"{path} does not exist"
    if not os.path.isfile(path):
        return f"{path} is not a file"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{path} cannot be read and written by this user: run as root, or give the user the right to"
    return None


def put_back(files: Sequence[Mapping[str, Any]], tolerance: Fraction, within_s: float) -> None:
    """Write the ``old`` value into each ``path`` that does not have it; raises what the last try raised.

    Files may bind each other (a least frequency is never above the greatest): what fails is tried again once the
    others are written, as long as that helps.
    """
    waiting = list(files)
    while waiting:
        failed: list[tuple[Mapping[str, Any], UnableError]] = []
        for each in waiting:
            try:
                _put_one_back(each["path"], each["old"], tolerance, within_s)
            except UnableError as error:
                failed.append((each, error))
        if len(failed) == len(waiting):
            raise failed[0][1]
        waiting = [each for each, _ in failed]


def _put_one_back(path: str, old: str, tolerance: Fraction, within_s: float) -> None:
    if read_file(path) != old:
        write_file(path, old)
        settled(lambda: read_file(path), old, tolerance, within_s, path)


# --- commands ---------------------------------------------------------------------------------------------------


def run_command(argv: Sequence[str], within_s: float) -> str:
    """Run a program without a shell; what it printed, without space around it.  Raises UnableError."""
    name = os.path.basename(argv[0]) if argv else "nothing"
    try:
        done = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=within_s, check=False, cwd="/"
        )
    except subprocess.TimeoutExpired:
        raise UnableError(f"{name} did not end within {within_s:g} s") from None
    except (OSError, ValueError) as error:
        raise UnableError(f"{name} cannot be started: {error}") from None
    if done.returncode != 0:
        said = " ".join(done.stderr[-_LONGEST:].decode("utf-8", "replace").split())
        raise UnableError(f"{name} ended with {done.returncode}" + (f": {said}" if said else ""))
    return done.stdout[:_LONGEST].decode("utf-8", "replace").strip()


def capable(number: int) -> bool:
    """Whether this process has a capability, see capabilities(7)."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            masks = [line.split()[1] for line in file if line.startswith("CapEff:")]
    except OSError:
        return False
    return bool(masks) and bool(int(masks[0], 16) >> number & 1)


# --- settings ---------------------------------------------------------------------------------------------------


def seconds(value: Value) -> float:
    """A duration in seconds."""
    return float(value.value) if isinstance(value, Quantity) else 0.0


def bytes_of(value: Value | None) -> int:
    """A size in bytes."""
    return int(value.value) if isinstance(value, Quantity) else 0


def number(value: Value) -> Fraction:
    """A decimal."""
    return Fraction(value) if isinstance(value, int | Fraction) else Fraction(0)


def texts(value: Value) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(str(each) for each in value) if isinstance(value, tuple) else ()
