"""What the output of an attempt that did not end well says of the cause, for its exit record.

Read once, by the supervisor, when the output is whole on disk: the judge gets it with the exit record, today, after a
takeover and at every later judging.  An attempt that ended well and of whose output nothing is expected pays nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from campaign.records import Excerpt, Exit, Order, Stop
from campaign.supervise.folders import closing_fd
from campaign.supervise.output import HEAD_BYTES, TAIL_BYTES

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
#: Of an oracle's program so much is looked at, the end of what it wrote.
_ORACLE_CHARS = 1 << 18
#: Head, tail, and the line between them.
_MOST_BYTES = HEAD_BYTES + TAIL_BYTES + 4096


def excerpt_of_attempt(order: Order, exit: Exit, public: int) -> Excerpt | None:
    """What its outputs say, the likeliest first; ``public`` is the attempt's open public folder."""
    if not _worth_reading(order, exit):
        return None
    found = [each for path in _outputs(exit) if (each := _excerpt_of_file(public, path)) is not None]
    return next((each for each in found if not _only_lines(each)), found[0] if found else None)


def stack_in(text: str, path: str) -> Excerpt | None:
    """The stack in what an oracle's program wrote; its error lines say no more than the oracle's message."""
    found = _excerpt(text[-_ORACLE_CHARS:].encode("utf-8", "replace"), path) if text else None
    return None if found is None or _only_lines(found) else found


def _worth_reading(order: Order, exit: Exit) -> bool:
    if exit.setup_error is not None or exit.stopped in {Stop.CANCEL, Stop.INTERRUPT, Stop.SAFETY}:
        return False
    ended_well = all(each.ok or each.excused or not each.counts for each in exit.steps)
    return exit.stopped is not None or not ended_well or bool(order.patterns and order.expectations)


def _outputs(exit: Exit) -> Iterator[str]:
    """Where to look: first at the served tool that ended by itself, then at the steps."""
    if exit.stopped is Stop.SERVICE:
        yield from (each.output.path for each in exit.services if each.output.path is not None and not each.excused)
    if exit.output.path is not None:
        yield exit.output.path


def _excerpt_of_file(public: int, path: str) -> Excerpt | None:
    try:
        data = _read(public, path)
    except OSError:
        return None
    return _excerpt(data, path)


def _read(public: int, path: str) -> bytes:
    """What was kept of an output; a tool may have put something else in its place, which is not read."""
    folder, _, name = path.rpartition("/")
    with closing_fd(os.open(folder or ".", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=public)) as parent:
        fd = os.open(name, _FLAGS, dir_fd=parent)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return b""
            return file.read(_MOST_BYTES)


def _excerpt(data: bytes, path: str) -> Excerpt | None:
    from campaign.judge.fingerprint.excerpts import excerpt_of  # late: most attempts end well

    try:
        return excerpt_of(data, path)
    except Exception:  # what a tool printed must never cost a run its verdict
        return None


def _only_lines(excerpt: Excerpt) -> bool:
    from campaign.judge.fingerprint.signature import LINES  # late, as above

    return excerpt.form == LINES
